package page

import (
	"slices"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"
	"fyne.io/fyne/v2/layout"

	"github.com/peregrine-softphone/peregrine/app"
	"github.com/peregrine-softphone/peregrine/app/ui/theme"
	"github.com/peregrine-softphone/peregrine/app/ui/widget"
)

// accountMore is the part of the form for an account that most people leave folded away.
type accountMore struct {
	root                         fyne.CanvasObject
	display, identity, auth      *widget.Entry
	proxy, caFile                *widget.Entry
	transport, verify            *widget.Select
	codecs                       *codecOrder
	media                        *accountMedia
	inFile                       *widget.Toggle
	wrongProxy, wrongIdentity    *hint
	certificate, caBox, pinWords fyne.CanvasObject
	act                          Actions
}

func newAccountMore(act Actions, submit func()) *accountMore {
	m := &accountMore{
		act: act, display: widget.NewEntry(lang.L("How others see you")),
		auth: widget.NewEntry(lang.L("As in the address")), identity: widget.NewEntry(lang.L("As in the address")),
		proxy:  widget.NewEntry(lang.L("Found by DNS")),
		caFile: widget.NewEntry("/etc/ssl/company-ca.pem"), wrongProxy: newHint(), wrongIdentity: newHint(),
	}
	m.caFile.Label = lang.L("File of the authority")
	for _, e := range []*widget.Entry{m.display, m.identity, m.proxy, m.auth, m.caFile} {
		e.OnEnter = submit
	}
	changed := func(string) { m.showTLS() }
	m.transport = widget.NewSelect([]string{lang.L("Found by DNS"), "UDP", "TCP", "TLS"}, changed)
	m.verify = widget.NewSelect([]string{
		lang.L("By the authorities of this system"), lang.L("By an authority of your own"),
		lang.L("By the key it shows first"),
	}, changed)
	m.codecs = newCodecOrder(act)
	m.media = newAccountMedia(act, submit)
	m.caBox = field(lang.L("File of the authority"), m.caFile)
	m.pinWords = tight(paragraph(lang.L("The key is kept at the first connection. "+
		"Should the server show another one later, Peregrine does not sign in and tells you."),
		"helperText", theme.Quiet, fyne.TextAlignLeading))
	m.certificate = container.New(layout.NewCustomPaddedVBoxLayout(2*theme.Step),
		field(lang.L("How the server is verified"), m.verify), m.caBox, m.pinWords)
	m.inFile = widget.NewToggle(lang.L("Keep the password in a file, not in the keyring"), nil)
	m.root = container.New(
		layout.NewCustomPaddedVBoxLayout(3*theme.Step),
		field(lang.L("Name"), m.display),
		field(lang.L("Shown to those you call, if your server agrees"), withHint(m.identity, m.wrongIdentity)),
		field(lang.L("User name for signing in"), m.auth),
		field(lang.L("Outbound proxy"), withHint(m.proxy, m.wrongProxy)),
		field(lang.L("Transport"), m.transport),
		m.certificate,
		m.media.root,
		m.codecs.root,
		m.inFile,
	)
	m.proxy.OnChanged = func(string) { m.wrongProxy.hide() }
	m.identity.OnChanged = func(string) { m.wrongIdentity.hide() }
	m.transport.SetSelectedIndex(0)
	m.verify.SetSelectedIndex(0)
	return m
}

// showTLS shows what belongs to encrypted connections where there may be one.
func (m *accountMore) showTLS() {
	if m.certificate == nil {
		return // still being made
	}
	how := m.transport.SelectedIndex()
	show(m.certificate, how == 0 || how == 3)
	show(m.caBox, m.verify.SelectedIndex() == 1)
	show(m.pinWords, m.verify.SelectedIndex() == 2)
	m.media.wrongKeys.hide()
	m.act.Resize()
}

// verifies are the values of AccountSpec.Verify in the order of the choice.
func verifies() []app.Verify { return []app.Verify{app.VerifySystem, app.VerifyCA, app.VerifyPin} }

// set fills the fields with an account that is there.
func (m *accountMore) set(a app.Account) {
	m.display.SetText(a.DisplayName)
	m.identity.SetText(ShowAddress(a.Identity))
	m.proxy.SetText(ShowAddress(a.Proxy))
	m.auth.SetText(a.AuthUser)
	m.inFile.Set(a.Stored == app.StoreFile)
	m.caFile.SetText(a.CAFile)
	for i, t := range m.transport.Options {
		if i > 0 && strings.EqualFold(t, a.Transport) {
			m.transport.SetSelectedIndex(i)
		}
	}
	if i := slices.Index(verifies(), a.Verify); i >= 0 {
		m.verify.SetSelectedIndex(i)
	}
	m.codecs.set(a.Codecs)
	m.media.set(a.MediaPolicy)
}

// check says what is wrong with what was typed.
func (m *accountMore) check() bool {
	badProxy := strings.ContainsAny(strings.TrimSpace(m.proxy.Text), " \t@/")
	if badProxy {
		m.wrongProxy.show(lang.L("A proxy is a host name or an address, like sip.example.org or 192.0.2.1:5060."))
	}
	identity := strings.TrimSpace(m.identity.Text)
	badIdentity := identity != "" && !isAddress(identity)
	if badIdentity {
		m.wrongIdentity.show(lang.L("A SIP address has a name and a domain, like alice@example.org."))
	}
	i := m.transport.SelectedIndex()
	return m.media.check(i == 1 || i == 2) && !badProxy && !badIdentity
}

// into writes the fields into the description of an account.
func (m *accountMore) into(spec *app.AccountSpec) {
	spec.AuthUser, spec.Proxy = strings.TrimSpace(m.auth.Text), strings.TrimSpace(m.proxy.Text)
	spec.DisplayName, spec.Identity = strings.TrimSpace(m.display.Text), strings.TrimSpace(m.identity.Text)
	spec.Codecs = m.codecs.value()
	i := m.transport.SelectedIndex()
	if i > 0 {
		spec.Transport = strings.ToLower(m.transport.Options[i])
	}
	if v := m.verify.SelectedIndex(); v > 0 && (i == 0 || i == 3) {
		spec.Verify = verifies()[v]
	}
	if spec.Verify == app.VerifyCA {
		spec.CAFile = strings.TrimSpace(m.caFile.Text)
	}
	m.media.into(spec)
	if m.inFile.On() {
		spec.PasswordStore = app.StoreFile
	}
}
