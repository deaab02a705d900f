package theme

import (
	"bytes"
	"fmt"
	"image/color"

	"fyne.io/fyne/v2"

	"github.com/peregrine-softphone/peregrine/assets"
)

// Icon returns the line icon with the given name of package assets, drawn in the named colour of
// the present theme. Ask again after a change of the theme. An unknown name gives an empty drawing.
func Icon(name string, c fyne.ThemeColorName) fyne.Resource {
	return IconIn(name, Color(c))
}

// IconIn is Icon with a colour instead of a name.
func IconIn(name string, c color.Color) fyne.Resource {
	r, g, b, a := c.RGBA()
	if a == 0 {
		a = 1
	}
	// RGBA gives colours multiplied by their opacity, in 16 bits.
	hex := fmt.Sprintf("#%02x%02x%02x", r*255/a, g*255/a, b*255/a)
	svg, ok := assets.Icon(name)
	if !ok {
		svg = []byte(`<svg xmlns="http://www.w3.org/2000/svg" width="24" height="24" viewBox="0 0 24 24"></svg>`)
	}
	// Fyne caches drawings by the resource's name, so the colour belongs to the name.
	return fyne.NewStaticResource(name+hex+".svg", bytes.ReplaceAll(svg, []byte("currentColor"), []byte(hex)))
}

// AppIcon returns the application's icon.
func AppIcon() fyne.Resource {
	return fyne.NewStaticResource("peregrine.png", assets.AppIconPNG())
}

// AvatarColor returns the ground of an avatar for an address: always the same for the same
// address, and dark enough for white initials (4.5:1).
func AvatarColor(address string) color.Color {
	grounds := [...]uint32{0x3D6BD1, 0x8A55CC, 0xB54580, 0xB2552B, 0x886A17, 0x3A7D44, 0x247B77, 0x5A6B8C}
	h := uint32(2166136261) // FNV-1a, 32 bits: offset basis and prime
	for i := range len(address) {
		h = (h ^ uint32(address[i])) * 16777619
	}
	h ^= h >> 15 // the low bits alone are alike for addresses of one domain
	h *= 0x2C1B3C6D
	h ^= h >> 12
	return rgb(grounds[h%uint32(len(grounds))])
}
