package page

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/lang"

	"github.com/peregrine-softphone/peregrine/app"
)

// personMenu is what can be done with a person: the menu of the row and of the header.
func personMenu(act Actions, snap app.Snapshot, address string, buddy bool) []*fyne.MenuItem {
	items := []*fyne.MenuItem{menuItem("phone", lang.L("Call"), func() { act.Call(address) })}
	items = append(items, callFromItems(act, snap, address)...)
	items = append(items, menuItem("copy", lang.L("Copy the address"), func() { act.Copy(ShowAddress(address)) }))
	block := menuItem("block", lang.L("Block"), func() { act.Block(address) })
	if !buddy {
		add := menuItem("user-plus", lang.L("Add to the list"), func() { act.ShowAddBuddy(ShowAddress(address)) })
		return append(items, add, block)
	}
	items = append(items, fyne.NewMenuItemSeparator())
	items = append(items, lampItems(act, snap, address)...)
	return append(items, fyne.NewMenuItemSeparator(),
		menuItem("trash", lang.L("Remove from the list"), func() { act.RemoveBuddy(address) }), block)
}

// PersonMenu is what can be done with a person.
func PersonMenu(act Actions, snap app.Snapshot, address string) []*fyne.MenuItem {
	_, buddy := findBuddy(snap, address)
	return personMenu(act, snap, address, buddy)
}

// lampItems are the two sides of the busy lamp: seeing theirs, showing ours.
func lampItems(act Actions, snap app.Snapshot, address string) []*fyne.MenuItem {
	b, ok := findBuddy(snap, address)
	if !ok {
		return nil
	}
	watched := b.Lamp != ""
	watch := menuItem("lamp-busy", lang.L("Watch the line"), func() { act.SetLamp(address, !watched, b.Shared) })
	watch.Checked = watched
	mine := lang.L("Let {{.Name}} see when I am on the phone", data{"Name": shortName(b.Name)})
	share := menuItem("users", mine, func() { act.SetLamp(address, watched, !b.Shared) })
	share.Checked = b.Shared
	return []*fyne.MenuItem{watch, share}
}

// callFromItems offer each account to call by, where there are several.
func callFromItems(act Actions, snap app.Snapshot, address string) []*fyne.MenuItem {
	accounts := callingAccounts(snap)
	if len(accounts) < 2 {
		return nil
	}
	items := make([]*fyne.MenuItem, 0, len(accounts))
	for _, a := range accounts {
		text := lang.L("Call from {{.Account}}", data{"Account": ShowAddress(a.Address)})
		items = append(items, menuItem("call-out", text, func() { act.CallFrom(address, a.Address) }))
	}
	return items
}

// callingAccounts are those a call can go out by.
func callingAccounts(snap app.Snapshot) []app.Account {
	var accounts []app.Account
	for _, a := range snap.Accounts {
		if a.State == app.AccountRegistered || a.State == app.AccountRegistering {
			accounts = append(accounts, a)
		}
	}
	return accounts
}

// lampWord is a busy lamp in words.
func lampWord(l app.Lamp) string {
	switch l {
	case app.LampIdle:
		return lang.L("Line free")
	case app.LampRinging:
		return lang.L("Line rings")
	case app.LampBusy:
		return lang.L("Line in use")
	case app.LampUnknown:
	}
	return lang.L("Line not known")
}
