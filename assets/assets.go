// Package assets holds what the program carries inside itself: the line icons of the window, the
// application icon and the translations. The icons are of one weight (1.8 in a box of 24) and draw
// with currentColor, which package app/ui/theme replaces by a colour of the theme.
package assets

import "embed"

// Translations holds translations/LANG.json: English, which is the base, and German. The keys are
// the English sentences that the source text names.
//
//go:embed translations/*.json
var Translations embed.FS

//go:embed icons/*.svg
var icons embed.FS

//go:embed peregrine.svg
var appIcon []byte

//go:embed peregrine.png
var appIconPNG []byte

// Icon returns the SVG text of the icon with the given name ("phone"), and whether there is one.
// The caller must not change the bytes.
func Icon(name string) ([]byte, bool) {
	b, err := icons.ReadFile("icons/" + name + ".svg")
	return b, err == nil
}

// IconNames returns the names of all icons, sorted.
func IconNames() []string {
	entries, err := icons.ReadDir("icons")
	if err != nil {
		return nil
	}
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		names = append(names, e.Name()[:len(e.Name())-len(".svg")])
	}
	return names
}

// AppIcon returns the application icon as SVG text.
func AppIcon() []byte { return appIcon }

// AppIconPNG returns the application icon as a PNG of 256 by 256 pixels.
func AppIconPNG() []byte { return appIconPNG }
