// Package theme is how Peregrine looks: the palette of the design in its dark and light form, the
// sizes, and the icons in the colours of the theme. Make a theme with New, give it to
// fyne.Settings.SetTheme, then draw with Color and Icon. Everything here belongs to the UI thread.
package theme

import (
	"image/color"

	"fyne.io/fyne/v2"
	fynetheme "fyne.io/fyne/v2/theme"
)

// Mode says which variant of the palette is used.
type Mode string

// The values of the setting "theme".
const (
	System Mode = "system"
	Dark   Mode = "dark"
	Light  Mode = "light"
)

// ParseMode reads the setting "theme"; anything unknown is System.
func ParseMode(s string) Mode {
	switch m := Mode(s); m {
	case Dark, Light:
		return m
	case System:
	}
	return System
}

// The palette's own colour names.
const (
	Window       fyne.ThemeColorName = fynetheme.ColorNameBackground
	Text         fyne.ThemeColorName = fynetheme.ColorNameForeground
	Accent       fyne.ThemeColorName = fynetheme.ColorNamePrimary
	Quiet        fyne.ThemeColorName = fynetheme.ColorNamePlaceHolder
	Good         fyne.ThemeColorName = fynetheme.ColorNameSuccess
	Attention    fyne.ThemeColorName = fynetheme.ColorNameWarning
	Stop         fyne.ThemeColorName = fynetheme.ColorNameError
	Missed       fyne.ThemeColorName = "missed"
	Hairline     fyne.ThemeColorName = fynetheme.ColorNameSeparator
	Hover        fyne.ThemeColorName = fynetheme.ColorNameHover
	Selection    fyne.ThemeColorName = fynetheme.ColorNameSelection
	Surface      fyne.ThemeColorName = "surface"
	Raised       fyne.ThemeColorName = "raised"
	OnAccent     fyne.ThemeColorName = fynetheme.ColorNameForegroundOnPrimary
	OnGood       fyne.ThemeColorName = fynetheme.ColorNameForegroundOnSuccess
	OnStop       fyne.ThemeColorName = fynetheme.ColorNameForegroundOnError
	QuietAccent  fyne.ThemeColorName = "quiet_accent"  // quiet text on an own bubble
	TonalAccent  fyne.ThemeColorName = "tonal_accent"  // accent seen through the surface
	TonalGood    fyne.ThemeColorName = "tonal_good"    // good seen through the surface
	TonalWarning fyne.ThemeColorName = "tonal_warning" // attention seen through the surface
	Transparent  fyne.ThemeColorName = "transparent"
)

// The radii, sizes and steps of the design, in canvas units.
const (
	Step         float32 = 4  // every distance is a multiple of it
	RadiusCard   float32 = 12 // cards and bubbles
	RadiusField  float32 = 10
	SizeCaption  float32 = 12
	SizeText     float32 = 14
	SizeTitle    float32 = 18
	SizeDisplay  float32 = 26
	NarrowBelow  float32 = 640 // one column under this width
	SizeControl  float32 = 40  // round buttons
	SizeIcon     float32 = 20
	SizeSmall    float32 = 16
	SizeGlyph    float32 = 13 // presence in a line of text
	SidebarWidth float32 = 320
)

type palette map[fyne.ThemeColorName]color.Color

// Theme is Peregrine's theme. It implements fyne.Theme.
type Theme struct {
	mode Mode
	dark palette
	lite palette
}

var _ fyne.Theme = (*Theme)(nil)

// New returns the theme in the given mode.
func New(mode Mode) *Theme {
	return &Theme{mode: mode, dark: darkPalette(), lite: lightPalette()}
}

// Mode returns the mode given to New.
func (t *Theme) Mode() Mode { return t.mode }

func (t *Theme) variant(v fyne.ThemeVariant) fyne.ThemeVariant {
	switch t.mode {
	case Dark:
		return fynetheme.VariantDark
	case Light:
		return fynetheme.VariantLight
	case System:
	}
	return v
}

// Color implements fyne.Theme.
func (t *Theme) Color(name fyne.ThemeColorName, v fyne.ThemeVariant) color.Color {
	p := t.lite
	if t.variant(v) == fynetheme.VariantDark {
		p = t.dark
	}
	if c, ok := p[name]; ok {
		return c
	}
	return fynetheme.DefaultTheme().Color(name, t.variant(v))
}

// Font implements fyne.Theme.
func (t *Theme) Font(s fyne.TextStyle) fyne.Resource { return fynetheme.DefaultTheme().Font(s) }

// Icon implements fyne.Theme.
func (t *Theme) Icon(n fyne.ThemeIconName) fyne.Resource { return fynetheme.DefaultTheme().Icon(n) }

// Size implements fyne.Theme.
func (t *Theme) Size(name fyne.ThemeSizeName) float32 {
	switch name {
	case fynetheme.SizeNamePadding:
		return Step
	case fynetheme.SizeNameInnerPadding:
		return 2 * Step
	case fynetheme.SizeNameText:
		return SizeText
	case fynetheme.SizeNameCaptionText:
		return SizeCaption
	case fynetheme.SizeNameSubHeadingText:
		return SizeTitle
	case fynetheme.SizeNameHeadingText:
		return SizeDisplay
	case fynetheme.SizeNameInputBorder:
		return 1.5
	case fynetheme.SizeNameInputRadius, fynetheme.SizeNameSelectionRadius, fynetheme.SizeNameButtonRadius:
		return RadiusField
	case fynetheme.SizeNameCardRadius, fynetheme.SizeNamePopupRadius, fynetheme.SizeNameMenuRadius,
		fynetheme.SizeNameDialogRadius:
		return RadiusCard
	case fynetheme.SizeNameScrollBar:
		return 8
	case fynetheme.SizeNameScrollBarSmall:
		return 3
	case fynetheme.SizeNameModalBlurRadius:
		return 0 // software rendering pays too much for the blur; the veil alone is calm enough
	}
	return fynetheme.DefaultTheme().Size(name)
}

// Color returns the named colour of the application's present theme.
func Color(name fyne.ThemeColorName) color.Color {
	s := fyne.CurrentApp().Settings()
	return s.Theme().Color(name, s.ThemeVariant())
}
