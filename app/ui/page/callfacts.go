package page

import (
	"fmt"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"
	"fyne.io/fyne/v2/layout"

	"github.com/peregrine-softphone/peregrine/app"
	"github.com/peregrine-softphone/peregrine/app/ui/theme"
	"github.com/peregrine-softphone/peregrine/app/ui/widget"
)

// encrypted tells whether the sound of a call is.
func encrypted(c app.Call) bool { return c.Encryption != "" && c.Encryption != "none" }

// encryptionWords tell how the sound of a call is protected.
func encryptionWords(c app.Call) string {
	switch c.Encryption {
	case "dtls":
		return lang.L("Encrypted, keys by DTLS")
	case "sdes":
		return lang.L("Encrypted, keys in the signalling")
	case "", "none":
		return lang.L("Not encrypted")
	}
	return lang.L("Encrypted")
}

// CipherName writes a protection profile of SRTP as people can read it: algorithm, length of the key,
// length of the tag.
func CipherName(c string) string {
	switch strings.TrimPrefix(strings.ToUpper(c), "SRTP_") {
	case "":
		return ""
	case "AES_CM_128_HMAC_SHA1_80", "AES128_CM_HMAC_SHA1_80":
		return "AES-128, SHA-1 80 bit"
	case "AES_CM_128_HMAC_SHA1_32", "AES128_CM_HMAC_SHA1_32":
		return "AES-128, SHA-1 32 bit"
	case "AES_256_CM_HMAC_SHA1_80", "AES_CM_256_HMAC_SHA1_80":
		return "AES-256, SHA-1 80 bit"
	case "AES_256_CM_HMAC_SHA1_32", "AES_CM_256_HMAC_SHA1_32":
		return "AES-256, SHA-1 32 bit"
	case "AEAD_AES_128_GCM":
		return "AES-128-GCM"
	case "AEAD_AES_256_GCM":
		return "AES-256-GCM"
	}
	return c
}

// pathWords tell which way the sound of a call takes; "" when it was not looked for.
func pathWords(c app.Call) (words, more string) {
	switch c.Path {
	case "direct":
		return lang.L("Direct"), lang.L("from here to there, nothing in between")
	case "nat":
		return lang.L("Through the router"), lang.L("no server in between")
	case "relay":
		return lang.L("By a relay"), lang.L("a TURN server passes the sound on")
	}
	return "", ""
}

// factRow is a line of the call's details: an icon, what it is, and more about it in a quiet voice.
type factRow struct {
	root  *fyne.Container
	icon  *widget.Icon
	words *widget.Text
	more  *widget.Text
}

// factHeight is the height of a factRow.
const factHeight float32 = 28

func newFactRow(icon string, first ...fyne.CanvasObject) *factRow {
	r := &factRow{
		icon:  widget.NewIcon(icon, theme.Quiet, theme.SizeSmall),
		words: widget.NewText("", widget.Style{Size: 13, Shrink: true}),
		more:  widget.NewText("", widget.Caption()),
	}
	var head fyne.CanvasObject = r.words
	if len(first) > 0 {
		head = first[0]
	}
	r.root = container.New(&free{
		min: func() fyne.Size { return fyne.NewSize(100, factHeight) },
		layout: func(s fyne.Size) {
			put(r.icon, 0, (s.Height-16)/2, 16, 16)
			const left = 28
			width := s.Width - left
			if head == r.words {
				width = min(width, fyne.MeasureText(r.words.Text(), 13, fyne.TextStyle{}).Width+1)
			} else {
				width = min(width, head.MinSize().Width)
			}
			h := head.MinSize().Height
			put(head, left, (s.Height-h)/2, width, h)
			x, m := left+width+2.5*theme.Step, r.more.MinSize().Height
			put(r.more, x, (s.Height-m)/2, max(0, s.Width-x), m)
		},
	}, r.icon, head, r.more)
	return r
}

func (r *factRow) set(words, more string) {
	r.words.SetText(words)
	r.more.SetText(more)
	show(r.root, words != "")
	r.root.Refresh()
}

// callFacts are the lines above the figures of a call: how it is protected, which way it goes, by
// which codec, and what was changed for the network's sake; beside them how loud it is.
type callFacts struct {
	Codec *widget.Button // opens the menu

	root                            *fyne.Container
	protected, path, codec, adapted *factRow
	spoken, heard                   *widget.Meter
	other                           *widget.Text
}

func newCallFacts(menu func(at *widget.Button)) *callFacts {
	f := &callFacts{
		protected: newFactRow("lock-open"), path: newFactRow("transfer"), adapted: newFactRow("spark"),
		spoken: widget.NewMeter(), heard: widget.NewMeter(),
		other: widget.NewText("", widget.Caption()),
	}
	f.Codec = widget.NewButton("", "", widget.Tonal, nil).Height(24).Caret()
	f.Codec.OnTapped = func() { menu(f.Codec) }
	f.codec = newFactRow("wave", f.Codec)
	f.spoken.Label, f.heard.Label = lang.L("Level of the microphone in this call"), lang.L("Level of what you hear")
	lines := container.New(layout.NewCustomPaddedVBoxLayout(0),
		f.protected.root, f.path.root, f.codec.root, f.adapted.root)
	levels := container.New(layout.NewCustomPaddedVBoxLayout(0),
		level("mic", widget.NewText(lang.L("You"), widget.Caption()), f.spoken), level("speaker", f.other, f.heard))
	f.root = container.New(&besides{}, lines, levels)
	return f
}

// level is a meter with an icon and the word for whose voice it shows.
func level(icon string, word *widget.Text, meter *widget.Meter) fyne.CanvasObject {
	mark := widget.NewIcon(icon, theme.Quiet, theme.SizeSmall)
	return container.New(&free{
		min: func() fyne.Size { return fyne.NewSize(140, factHeight) },
		layout: func(s fyne.Size) {
			put(mark, 0, (s.Height-16)/2, 16, 16)
			h := word.MinSize().Height
			put(word, 28, (s.Height-h)/2, 64, h)
			put(meter, 96, (s.Height-6)/2, max(0, s.Width-96), 6)
		},
	}, mark, word, meter)
}

// besides puts two parts side by side, or the second below the first where there is little room.
type besides struct{ width float32 }

const besidesFrom float32 = 520

func (b *besides) MinSize(o []fyne.CanvasObject) fyne.Size {
	l, r := o[0].MinSize().Height, o[1].MinSize().Height
	if b.width >= besidesFrom {
		return fyne.NewSize(200, max(l, r))
	}
	return fyne.NewSize(200, l+r)
}

func (b *besides) Layout(o []fyne.CanvasObject, s fyne.Size) {
	b.width = s.Width
	l, r := o[0].MinSize().Height, o[1].MinSize().Height
	if s.Width < besidesFrom {
		put(o[0], 0, 0, s.Width, l)
		put(o[1], 0, l, s.Width, r)
		return
	}
	left := s.Width * 0.62
	put(o[0], 0, 0, left, l)
	put(o[1], left+4*theme.Step, 0, s.Width-left-4*theme.Step, r)
}

func (f *callFacts) show(c app.Call) {
	icon, color := "lock-open", theme.Quiet
	if encrypted(c) {
		icon, color = "lock", theme.Good
	}
	f.protected.icon.Set(icon, color)
	f.protected.set(encryptionWords(c), CipherName(c.Cipher))
	f.path.set(pathWords(c))
	f.Codec.SetText(CodecName(c.Codec))
	f.Codec.Label = lang.L("Codec: {{.Codec}}. Change it.", data{"Codec": CodecName(c.Codec)})
	f.codec.set(CodecName(c.Codec), codecMore(c))
	f.adapted.set(sentence(c.Adaptation), "")
	f.other.SetText(shortName(c.PeerName))
	f.levels(c)
}

// levels shows how loud the call is.
func (f *callFacts) levels(c app.Call) {
	f.spoken.Set(c.Quality.LevelIn)
	f.heard.Set(c.Quality.LevelOut)
	if c.Muted {
		f.spoken.Set(0)
	}
}

// codecMore is what there is to say of the codec: its bitrate and who chose it.
func codecMore(c app.Call) string {
	var more []string
	if b := c.Quality.BitrateKbps; b > 0 {
		more = append(more, fmt.Sprintf("%.0f kbit/s", b))
	}
	if c.Chosen {
		more = append(more, lang.L("chosen by you"))
	} else {
		more = append(more, lang.L("chosen automatically"))
	}
	return strings.Join(more, " · ")
}

var _ fyne.Layout = (*besides)(nil)
