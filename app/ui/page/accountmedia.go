package page

import (
	"net"
	"slices"
	"strconv"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"
	"fyne.io/fyne/v2/layout"

	"github.com/peregrine-softphone/peregrine/app"
	"github.com/peregrine-softphone/peregrine/app/ui/theme"
	"github.com/peregrine-softphone/peregrine/app/ui/widget"
)

// accountMedia is the part of an account's form about how the sound of its calls travels: encryption
// and the way through routers.
type accountMedia struct {
	root                     fyne.CanvasObject
	security, keys           *widget.Select
	securityWords, keysWords *remark
	ice                      *widget.Toggle
	stun, turn               *widget.Entry
	user, password           *widget.Entry
	wrongSTUN, wrongTURN     *hint
	wrongKeys                *hint
	servers, exchange        fyne.CanvasObject // shown where they are needed
	act                      Actions
}

// securities and keyWays are the values in the order of the choices.
func securities() []app.MediaSecurity {
	return []app.MediaSecurity{app.SecurityOff, app.SecurityPreferred, app.SecurityRequired}
}

func keyWays() []app.KeyExchange { return []app.KeyExchange{app.KeysAuto, app.KeysSDES, app.KeysDTLS} }

func newAccountMedia(act Actions, submit func()) *accountMedia {
	m := &accountMedia{
		act: act, securityWords: newRemark(), keysWords: newRemark(), wrongSTUN: newHint(), wrongTURN: newHint(),
		wrongKeys: newHint(), stun: widget.NewEntry("stun.example.org"), turn: widget.NewEntry("turn.example.org"),
		user: widget.NewEntry(""), password: widget.NewPasswordEntry(""),
	}
	m.stun.Label, m.turn.Label = lang.L("STUN server"), lang.L("TURN server")
	m.user.Label, m.password.Label = lang.L("User name at the TURN server"), lang.L("Password at the TURN server")
	for _, e := range []*widget.Entry{m.stun, m.turn, m.user, m.password} {
		e.OnEnter = submit
	}
	m.stun.OnChanged = func(string) { m.wrongSTUN.hide() }
	m.turn.OnChanged = func(string) { m.wrongTURN.hide() }
	m.security = widget.NewSelect([]string{lang.L("Off"), lang.L("Preferred"), lang.L("Required")},
		func(string) { m.changed() })
	m.keys = widget.NewSelect([]string{
		lang.L("Automatic"), lang.L("In the signalling (SDES)"), lang.L("Between the two ends (DTLS)"),
	}, func(string) { m.changed() })
	m.ice = widget.NewToggle(lang.L("Look for the best way through routers (ICE)"), func(bool) { m.changed() })
	m.security.Label, m.keys.Label = lang.L("Encryption of calls"), lang.L("Keys are exchanged")
	m.build()
	m.set(app.MediaPolicy{})
	return m
}

func (m *accountMedia) build() {
	near := func(o ...fyne.CanvasObject) *fyne.Container {
		return container.New(layout.NewCustomPaddedVBoxLayout(theme.Step), o...)
	}
	m.exchange = field(lang.L("Keys are exchanged"), near(m.keys, m.keysWords.root, m.wrongKeys.root))
	details := fold(lang.L("Details"), m.exchange)
	pair := container.New(layout.NewGridLayoutWithColumns(2),
		field(lang.L("User name"), m.user), field(lang.L("Password"), m.password))
	servers := container.New(layout.NewCustomPaddedVBoxLayout(3*theme.Step),
		field(lang.L("STUN server"), withHint(m.stun, m.wrongSTUN)),
		field(lang.L("TURN server"), withHint(m.turn, m.wrongTURN)), pair)
	m.servers = servers
	m.root = container.New(layout.NewCustomPaddedVBoxLayout(3*theme.Step),
		field(lang.L("Encryption of calls"), near(m.security, m.securityWords.root, details)),
		explained(m.ice, lang.L("The two ends try all ways to each other and take the best. "+
			"A STUN server tells them their address outside, a TURN server passes on what finds no way.")),
		m.servers)
}

// changed says what the choices mean.
func (m *accountMedia) changed() {
	if m.root == nil {
		return // still being made
	}
	m.wrongKeys.hide()
	switch securities()[max(0, m.security.SelectedIndex())] {
	case app.SecurityOff:
		m.securityWords.show(lang.L("Calls are not encrypted: whoever is on the way can listen."))
	case app.SecurityPreferred:
		m.securityWords.show(lang.L("Calls are encrypted when the other side can do that, too. " +
			"The lock in the call tells."))
	case app.SecurityRequired:
		m.securityWords.show(lang.L("A call that cannot be encrypted is not made and not taken."))
	}
	switch keyWays()[max(0, m.keys.SelectedIndex())] {
	case app.KeysAuto:
		m.keysWords.show(lang.L("In the signalling where that is encrypted, and between the two ends."))
	case app.KeysSDES:
		m.keysWords.show(lang.L("The servers on the way see the keys. It needs TLS to the server."))
	case app.KeysDTLS:
		m.keysWords.show(lang.L("The servers on the way do not see the keys."))
	}
	show(m.servers, m.ice.On())
	m.act.Resize()
}

// set fills the fields with what an account has.
func (m *accountMedia) set(p app.MediaPolicy) {
	if p.Security == "" {
		p.Security = app.SecurityPreferred
	}
	m.security.SetSelectedIndex(max(0, slices.Index(securities(), p.Security)))
	m.keys.SetSelectedIndex(max(0, slices.Index(keyWays(), p.Keys)))
	m.ice.Set(p.ICE)
	m.stun.SetText(p.STUN)
	m.turn.SetText(strings.TrimPrefix(p.TURN, "turn:"))
	m.user.SetText(p.TURNUser)
	m.password.SetPlaceHolder("")
	if p.TURNUser != "" {
		m.password.SetPlaceHolder(lang.L("Unchanged"))
	}
	m.changed()
}

// check says what is wrong with what was typed; plain tells that the signalling is not encrypted.
func (m *accountMedia) check(plain bool) bool {
	ok := true
	if m.keys.SelectedIndex() == 1 && m.security.SelectedIndex() > 0 && plain {
		m.wrongKeys.show(lang.L("That needs TLS. Choose TLS as the transport."))
		show(m.exchange, true)
		m.root.Refresh()
		ok = false
	}
	if !m.ice.On() {
		return ok
	}
	if s := strings.TrimSpace(m.stun.Text); s != "" && !isServer(strings.TrimPrefix(s, "stun:")) {
		m.wrongSTUN.show(lang.L("Write it like stun.example.org or 192.0.2.1:3478."))
		ok = false
	}
	if s := strings.TrimSpace(m.turn.Text); s != "" && !isRelay(s) {
		m.wrongTURN.show(lang.L("Write it like turn.example.org or 192.0.2.1:3478."))
		ok = false
	}
	return ok
}

// isServer tells whether a text is a host name or an address, with or without a port.
func isServer(s string) bool {
	host := s
	if h, port, err := net.SplitHostPort(s); err == nil {
		host = h
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return false
		}
	}
	host = strings.Trim(host, "[]")
	return host != "" && (net.ParseIP(host) != nil || !strings.ContainsAny(host, " \t@/:?"))
}

// isRelay tells whether a text is a TURN server: as isServer, with the transport of RFC 7065 behind it
// if need be.
func isRelay(s string) bool {
	s = strings.TrimPrefix(strings.TrimPrefix(s, "turns:"), "turn:")
	s, how, more := strings.Cut(s, "?")
	return isServer(s) && (!more || how == "transport=udp" || how == "transport=tcp")
}

// into writes the fields into the description of an account.
func (m *accountMedia) into(spec *app.AccountSpec) {
	p := &spec.MediaPolicy
	p.Security = securities()[max(0, m.security.SelectedIndex())]
	p.Keys = keyWays()[max(0, m.keys.SelectedIndex())]
	p.ICE = m.ice.On()
	p.STUN = strings.TrimPrefix(strings.TrimSpace(m.stun.Text), "stun:")
	p.TURN, p.TURNUser, spec.TURNPassword = strings.TrimSpace(m.turn.Text), "", ""
	if p.TURN == "" {
		return
	}
	if !strings.HasPrefix(p.TURN, "turn:") && !strings.HasPrefix(p.TURN, "turns:") {
		p.TURN = "turn:" + p.TURN
	}
	p.TURNUser, spec.TURNPassword = strings.TrimSpace(m.user.Text), m.password.Text
}
