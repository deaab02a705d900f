package widget

import (
	"image/color"
	"strings"
	"unicode"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	fynewidget "fyne.io/fyne/v2/widget"

	"github.com/peregrine-softphone/peregrine/app/ui/theme"
)

// Presence names a presence glyph: the words of the control contract, or "" for none.
type Presence string

// PresenceColor returns the colour that belongs to a presence; its form tells the same.
func PresenceColor(p Presence) fyne.ThemeColorName {
	switch p {
	case "online":
		return theme.Good
	case "away", "lunch":
		return theme.Attention
	case "busy", "on_the_phone":
		return theme.Stop
	}
	return theme.Quiet
}

// PresenceIcon returns the name of the glyph of a presence.
func PresenceIcon(p Presence) string {
	switch p {
	case "online", "away", "busy", "on_the_phone", "lunch", "offline":
		return "presence-" + string(p)
	}
	return "presence-unknown"
}

// NewPresence returns the glyph of a presence, for a line of text.
func NewPresence(p Presence) *Icon {
	return NewIcon(PresenceIcon(p), PresenceColor(p), theme.SizeGlyph)
}

// SetPresence changes a glyph made by NewPresence.
func SetPresence(i *Icon, p Presence) { i.Set(PresenceIcon(p), PresenceColor(p)) }

// SetLamp makes an icon the busy lamp of a line: hollow and green while it is free, a bell while it
// rings, a full red square while it is in use.
func SetLamp(i *Icon, lamp string) {
	switch lamp {
	case "idle":
		i.Set("lamp-idle", theme.Good)
	case "ringing":
		i.Set("lamp-ringing", theme.Attention)
	case "busy":
		i.Set("lamp-busy", theme.Stop)
	default:
		i.Set("lamp-unknown", theme.Quiet)
	}
}

// Initials returns one or two capital letters for a name.
func Initials(name string) string {
	words := strings.FieldsFunc(name, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	switch len(words) {
	case 0:
		return "?"
	case 1:
		return string(unicode.ToUpper([]rune(words[0])[0]))
	}
	first, last := []rune(words[0])[0], []rune(words[len(words)-1])[0]
	return string(unicode.ToUpper(first)) + string(unicode.ToUpper(last))
}

// Avatar is a circle with initials and, at its edge, the glyph of a presence.
type Avatar struct {
	fynewidget.BaseWidget
	size     float32
	name     string
	address  string
	presence Presence
	ground   fyne.ThemeColorName // what the avatar stands on; the glyph is cut out of it
}

// NewAvatar returns an avatar of the given size, standing on the named colour.
func NewAvatar(size float32, ground fyne.ThemeColorName) *Avatar {
	a := &Avatar{size: size, ground: ground}
	a.ExtendBaseWidget(a)
	return a
}

// Set changes who is shown.
func (a *Avatar) Set(name, address string, p Presence) {
	if a.name == name && a.address == address && a.presence == p {
		return
	}
	a.name, a.address, a.presence = name, address, p
	a.Refresh()
}

// SetGround changes the colour the avatar stands on.
func (a *Avatar) SetGround(c fyne.ThemeColorName) {
	if a.ground == c {
		return
	}
	a.ground = c
	a.Refresh()
}

// MinSize implements fyne.Widget.
func (a *Avatar) MinSize() fyne.Size { return fyne.NewSquareSize(a.size) }

// CreateRenderer implements fyne.Widget.
func (a *Avatar) CreateRenderer() fyne.WidgetRenderer {
	r := &avatarRenderer{
		a: a, disc: canvas.NewCircle(color.Transparent), text: canvas.NewText("", color.White),
		ring: canvas.NewCircle(color.Transparent), glyph: canvas.NewImageFromResource(nil),
	}
	r.text.Alignment = fyne.TextAlignCenter
	r.text.TextStyle.Bold = true
	r.glyph.FillMode = canvas.ImageFillContain
	r.Refresh()
	return r
}

type avatarRenderer struct {
	a          *Avatar
	disc, ring *canvas.Circle
	text       *canvas.Text
	glyph      *canvas.Image
}

func (r *avatarRenderer) Destroy() {}

func (r *avatarRenderer) Objects() []fyne.CanvasObject {
	return []fyne.CanvasObject{r.disc, r.text, r.ring, r.glyph}
}

func (r *avatarRenderer) MinSize() fyne.Size { return fyne.NewSquareSize(r.a.size) }

func (r *avatarRenderer) Layout(s fyne.Size) {
	side := r.a.size
	x, y := (s.Width-side)/2, (s.Height-side)/2
	r.disc.Resize(fyne.NewSquareSize(side))
	r.disc.Move(fyne.NewPos(x, y))
	h := r.text.MinSize().Height
	r.text.Resize(fyne.NewSize(side, h))
	r.text.Move(fyne.NewPos(x, y+(side-h)/2))
	glyph := max(12, side*0.34)
	const rim = 2.5
	at := fyne.NewPos(x+side-glyph+2, y+side-glyph+2)
	r.ring.Resize(fyne.NewSquareSize(glyph + 2*rim))
	r.ring.Move(at.SubtractXY(rim, rim))
	r.glyph.Resize(fyne.NewSquareSize(glyph))
	r.glyph.Move(at)
}

func (r *avatarRenderer) Refresh() {
	r.disc.FillColor = theme.AvatarColor(r.a.address)
	r.text.Text, r.text.TextSize = Initials(r.a.name), r.a.size*0.36
	r.ring.FillColor = theme.Color(r.a.ground)
	if r.a.presence == "" {
		r.ring.Hide()
		r.glyph.Hide()
	} else {
		setIcon(r.glyph, PresenceIcon(r.a.presence), PresenceColor(r.a.presence))
		r.ring.Show()
		r.glyph.Show()
	}
	r.Layout(r.a.Size())
	canvas.Refresh(r.disc)
	canvas.Refresh(r.text)
	canvas.Refresh(r.ring)
}
