package theme

import (
	"image/color"

	fynetheme "fyne.io/fyne/v2/theme"
)

func rgb(v uint32) color.NRGBA {
	part := func(shift int) uint8 { return uint8(v >> shift & 0xFF) }
	return color.NRGBA{R: part(16), G: part(8), B: part(0), A: 255}
}

// alpha returns c with the given part of its opacity, 0 to 1.
func alpha(c color.NRGBA, part float64) color.NRGBA {
	c.A = uint8(part * 255)
	return c
}

// mix returns over with the given part, 0 to 1, laid on under: an opaque colour, so that what is
// drawn on it keeps the contrast that was measured.
func mix(under, over color.NRGBA, part float64) color.NRGBA {
	ch := func(a, b uint8) uint8 { return uint8(float64(a)*(1-part) + float64(b)*part + 0.5) }
	return color.NRGBA{R: ch(under.R, over.R), G: ch(under.G, over.G), B: ch(under.B, over.B), A: 255}
}

// base holds the eleven colours the design names.
type base struct {
	window, surface, raised, text, quiet, accent, good, attention, stop color.NRGBA
	onAccent, quietOnAccent, onGood, onStop                             color.NRGBA
	shade                                                               color.NRGBA
}

func darkPalette() palette {
	ink := rgb(0x08111F) // white on this accent has 3.2:1, ink has 5.8:1
	return base{
		window: rgb(0x14181D), surface: rgb(0x1C2127), raised: rgb(0x262D35),
		text: rgb(0xE8ECF0), quiet: rgb(0x8F9AA5), accent: rgb(0x4F8CFF),
		good: rgb(0x2FBF71), attention: rgb(0xF5A623), stop: rgb(0xE5484D),
		onAccent: ink, quietOnAccent: mix(ink, rgb(0x4F8CFF), 0.10), onGood: ink, onStop: rgb(0xFFFFFF),
		shade: color.NRGBA{A: 150},
	}.palette()
}

func lightPalette() palette {
	return base{
		window: rgb(0xF6F7F9), surface: rgb(0xFFFFFF), raised: rgb(0xEDF0F3),
		text: rgb(0x1B1F23), quiet: rgb(0x5F6B76), accent: rgb(0x2F6FED),
		good: rgb(0x1F9D57), attention: rgb(0xC77700), stop: rgb(0xD1343A),
		onAccent: rgb(0xFFFFFF), quietOnAccent: rgb(0xFFFFFF), onGood: rgb(0xFFFFFF), onStop: rgb(0xFFFFFF),
		shade: color.NRGBA{R: 0x1B, G: 0x1F, B: 0x23, A: 70},
	}.palette()
}

func (b base) palette() palette {
	hairline := alpha(b.text, 0.08)
	return palette{
		Window: b.window, Surface: b.surface, Raised: b.raised, Text: b.text, Quiet: b.quiet,
		Accent: b.accent, Good: b.good, Attention: b.attention, Stop: b.stop,
		OnAccent: b.onAccent, OnGood: b.onGood, OnStop: b.onStop,
		fynetheme.ColorNameForegroundOnWarning: b.onGood,
		QuietAccent:                            b.quietOnAccent,
		TonalAccent:                            mix(b.surface, b.accent, 0.20),
		TonalGood:                              mix(b.surface, b.good, 0.18),
		TonalWarning:                           mix(b.surface, b.attention, 0.14),
		Missed:                                 mix(b.stop, b.text, 0.25), // readable as small text, as stop is not
		Transparent:                            color.NRGBA{},
		Hairline:                               hairline,
		Hover:                                  alpha(b.text, 0.06),
		Selection:                              mix(b.surface, b.accent, 0.22),

		fynetheme.ColorNameButton:              b.raised,
		fynetheme.ColorNameDisabled:            mix(b.surface, b.quiet, 0.60),
		fynetheme.ColorNameDisabledButton:      b.raised,
		fynetheme.ColorNameFocus:               alpha(b.accent, 0.35),
		fynetheme.ColorNameHyperlink:           b.accent,
		fynetheme.ColorNameHeaderBackground:    b.surface,
		fynetheme.ColorNameInputBackground:     b.raised,
		fynetheme.ColorNameInputBorder:         color.NRGBA{}, // the change of surface will do
		fynetheme.ColorNameMenuBackground:      b.raised,
		fynetheme.ColorNameOverlayBackground:   b.surface,
		fynetheme.ColorNamePressed:             alpha(b.text, 0.12),
		fynetheme.ColorNameScrollBar:           alpha(b.text, 0.28),
		fynetheme.ColorNameScrollBarBackground: color.NRGBA{},
		fynetheme.ColorNameShadow:              b.shade,
	}
}
