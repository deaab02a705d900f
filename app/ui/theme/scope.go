package theme

import (
	"image/color"

	"fyne.io/fyne/v2"
	fynetheme "fyne.io/fyne/v2/theme"
)

// Scope is a theme for one part of the window: the application's present theme, also after it was
// changed, with some colours replaced by others of the same theme and some sizes of its own.
type Scope struct {
	Colors map[fyne.ThemeColorName]fyne.ThemeColorName
	Sizes  map[fyne.ThemeSizeName]float32
}

var _ fyne.Theme = (*Scope)(nil)

// Color implements fyne.Theme.
func (s *Scope) Color(n fyne.ThemeColorName, v fyne.ThemeVariant) color.Color {
	if other, ok := s.Colors[n]; ok {
		n = other
	}
	return fyne.CurrentApp().Settings().Theme().Color(n, v)
}

// Font implements fyne.Theme.
func (s *Scope) Font(st fyne.TextStyle) fyne.Resource {
	return fyne.CurrentApp().Settings().Theme().Font(st)
}

// Icon implements fyne.Theme.
func (s *Scope) Icon(n fyne.ThemeIconName) fyne.Resource {
	return fyne.CurrentApp().Settings().Theme().Icon(n)
}

// Size implements fyne.Theme.
func (s *Scope) Size(n fyne.ThemeSizeName) float32 {
	if size, ok := s.Sizes[n]; ok {
		return size
	}
	return fyne.CurrentApp().Settings().Theme().Size(n)
}

// Flat is the scope of what scrolls: without the shadows at its edges.
func Flat() *Scope {
	return &Scope{Colors: map[fyne.ThemeColorName]fyne.ThemeColorName{fynetheme.ColorNameShadow: Transparent}}
}

// Inline is the scope of a field that looks like a line of quiet text until it is used.
func Inline() *Scope {
	return &Scope{
		Colors: map[fyne.ThemeColorName]fyne.ThemeColorName{
			fynetheme.ColorNameInputBackground: Transparent, fynetheme.ColorNameInputBorder: Transparent, Text: Quiet,
		},
		Sizes: map[fyne.ThemeSizeName]float32{
			fynetheme.SizeNameText: SizeCaption, fynetheme.SizeNameInnerPadding: Step, fynetheme.SizeNameInputRadius: 8,
		},
	}
}
