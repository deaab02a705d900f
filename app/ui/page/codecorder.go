package page

import (
	"slices"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"
	"fyne.io/fyne/v2/layout"

	"github.com/peregrine-softphone/peregrine/app/ui/theme"
	"github.com/peregrine-softphone/peregrine/app/ui/widget"
)

// codecOrder is an order of codecs to be changed: that of the settings, or an account's own if it
// has one.
type codecOrder struct {
	root *fyne.Container
	own  *widget.Toggle // of an account: whether it has one; nil in the settings
	rows *fyne.Container
	act  Actions

	changed func(order string) // may be nil
	order   []string
	off     map[string]bool
	use     map[string]*widget.Toggle
	up      map[string]*widget.Button
	down    map[string]*widget.Button
}

// codecNames are the codecs there are, in the order they are preferred.
func codecNames() []string { return []string{"opus", "G722", "PCMU", "PCMA", "speex", "GSM", "L16"} }

// newCodecOrder returns the order of an account, which may have none of its own.
func newCodecOrder(act Actions) *codecOrder {
	c := newOrder(act, theme.Raised)
	c.own = widget.NewToggle(lang.L("Own order of codecs"), func(bool) { c.draw() })
	c.root.Objects = append([]fyne.CanvasObject{c.own}, c.root.Objects...)
	c.set("")
	return c
}

// newCodecList returns the order of the settings; changed gets every new one.
func newCodecList(act Actions, changed func(order string)) *codecOrder {
	c := newOrder(act, theme.Raised)
	c.changed = changed
	c.draw()
	return c
}

func newOrder(act Actions, ground fyne.ThemeColorName) *codecOrder {
	c := &codecOrder{act: act, order: codecNames(), off: map[string]bool{}}
	c.rows = container.New(layout.NewCustomPaddedVBoxLayout(0))
	card := widget.NewCard(ground, widget.Sides(1, 2, 1, 4), c.rows)
	c.root = container.New(layout.NewCustomPaddedVBoxLayout(2*theme.Step), card)
	return c
}

// show takes over an order if it is another one than that shown.
func (c *codecOrder) show(names string) {
	if names != c.value() {
		c.set(names)
	}
}

// set takes over an order: names with commas between; of an account, "" for none of its own.
func (c *codecOrder) set(names string) {
	if c.own != nil {
		c.own.Set(names != "")
	}
	c.order, c.off = nil, map[string]bool{}
	for name := range strings.SplitSeq(names, ",") {
		for _, known := range codecNames() {
			if strings.EqualFold(strings.TrimSpace(name), known) && !slices.Contains(c.order, known) {
				c.order = append(c.order, known)
			}
		}
	}
	if len(c.order) == 0 { // none is known: as it is without a choice
		c.order = slices.DeleteFunc(codecNames(), func(name string) bool { return name == "L16" }) // takes 256 kbit/s
	}
	for _, known := range codecNames() {
		if !slices.Contains(c.order, known) {
			c.order = append(c.order, known)
			c.off[known] = true
		}
	}
	c.draw()
}

// value is the order as the engine has it.
func (c *codecOrder) value() string {
	if c.own != nil && !c.own.On() {
		return ""
	}
	names := slices.DeleteFunc(slices.Clone(c.order), func(name string) bool { return c.off[name] })
	return strings.Join(names, ",")
}

// Raise prefers a codec by one more place, as its button does.
func (c *codecOrder) Raise(name string) { c.up[name].Tapped(nil) }

// Use switches a codec on or off, as its switch does.
func (c *codecOrder) Use(name string) { c.use[name].Tapped(nil) }

// draw makes the rows anew.
func (c *codecOrder) draw() {
	c.rows.RemoveAll()
	c.use, c.up, c.down = map[string]*widget.Toggle{}, map[string]*widget.Button{}, map[string]*widget.Button{}
	for i, name := range c.order {
		c.rows.Add(c.row(i, name))
	}
	show(c.root.Objects[len(c.root.Objects)-1], c.own == nil || c.own.On())
	c.rows.Refresh()
	c.act.Resize()
}

// row is one codec: a switch, and the buttons that move it.
func (c *codecOrder) row(i int, name string) fyne.CanvasObject {
	word := CodecName(name)
	use := widget.NewToggle(word, func(on bool) {
		c.off[name] = !on
		if !slices.ContainsFunc(c.order, func(n string) bool { return !c.off[n] }) {
			c.off[name] = false // the last one stays: a call needs one
			c.draw()
			return
		}
		c.tell()
	})
	use.Set(!c.off[name])
	up := widget.NewIconButton("up", lang.L("Prefer {{.Codec}}", data{"Codec": word}), widget.Plain,
		func() { c.move(name, -1) }).Height(32)
	down := widget.NewIconButton("down", lang.L("Prefer {{.Codec}} less", data{"Codec": word}), widget.Plain,
		func() { c.move(name, 1) }).Height(32)
	if i == 0 {
		up.Disable()
	}
	if i == len(c.order)-1 {
		down.Disable()
	}
	c.use[name], c.up[name], c.down[name] = use, up, down
	return container.NewBorder(nil, nil, nil, container.NewHBox(up, down), use)
}

// move moves a codec up (-1) or down (1) by one; the focus stays on the button that did so.
func (c *codecOrder) move(name string, by int) {
	i := slices.Index(c.order, name)
	j := i + by
	if i < 0 || j < 0 || j >= len(c.order) {
		return
	}
	c.order[i], c.order[j] = c.order[j], c.order[i]
	c.draw()
	c.tell()
	next := c.down[name]
	if by < 0 {
		next = c.up[name]
	}
	if !next.Disabled() {
		c.act.Focus(next)
	}
}

// tell hands the order on.
func (c *codecOrder) tell() {
	if c.changed != nil {
		c.changed(c.value())
	}
}
