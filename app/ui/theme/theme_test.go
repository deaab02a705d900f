package theme_test

import (
	"fmt"
	"image/color"
	"math"
	"testing"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/driver/software"
	fynetest "fyne.io/fyne/v2/test"
	fynetheme "fyne.io/fyne/v2/theme"

	"github.com/peregrine-softphone/peregrine/app/ui/theme"
	"github.com/peregrine-softphone/peregrine/assets"
)

// luminance and contrast are those of WCAG 2.1, "relative luminance" and "contrast ratio".
func luminance(c color.Color) float64 {
	r, g, b, _ := c.RGBA()
	lin := func(v uint32) float64 {
		x := float64(v) / 0xffff
		if x <= 0.03928 {
			return x / 12.92
		}
		return math.Pow((x+0.055)/1.055, 2.4)
	}
	return 0.2126*lin(r) + 0.7152*lin(g) + 0.0722*lin(b)
}

func contrast(a, b color.Color) float64 {
	x, y := luminance(a), luminance(b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

func TestContrast(t *testing.T) {
	text := []struct{ ink, ground fyne.ThemeColorName }{
		{theme.Text, theme.Window},
		{theme.Text, theme.Surface},
		{theme.Text, theme.Raised},
		{theme.Text, theme.Selection},
		{theme.Text, theme.TonalGood},
		{theme.Text, theme.TonalWarning},
		{theme.Quiet, theme.Window},
		{theme.Quiet, theme.Surface},
		{theme.Quiet, theme.Raised},
		{theme.OnAccent, theme.Accent},
		{theme.QuietAccent, theme.Accent},
		{theme.Missed, theme.Surface},
		{theme.Missed, theme.Raised},
		{theme.Surface, theme.Text}, // tooltips and switches that are on
	}
	marks := []struct{ ink, ground fyne.ThemeColorName }{ // icons: WCAG 2.1, 1.4.11
		{theme.Good, theme.Surface},
		{theme.Attention, theme.Surface},
		{theme.Stop, theme.Surface},
		{theme.Accent, theme.TonalAccent},
		{theme.OnGood, theme.Good},
		{theme.OnStop, theme.Stop},
	}
	for _, mode := range []theme.Mode{theme.Dark, theme.Light} {
		th := theme.New(mode)
		for _, p := range text {
			t.Run(fmt.Sprintf("%s %s on %s", mode, p.ink, p.ground), func(t *testing.T) {
				if got := contrast(th.Color(p.ink, 0), th.Color(p.ground, 0)); got < 4.5 {
					t.Errorf("contrast %.2f, want at least 4.5", got)
				}
			})
		}
		for _, p := range marks {
			t.Run(fmt.Sprintf("%s %s on %s", mode, p.ink, p.ground), func(t *testing.T) {
				if got := contrast(th.Color(p.ink, 0), th.Color(p.ground, 0)); got < 3 {
					t.Errorf("contrast %.2f, want at least 3", got)
				}
			})
		}
	}
}

func TestPaletteOfTheDesign(t *testing.T) {
	want := map[theme.Mode]map[fyne.ThemeColorName]string{
		theme.Dark: {
			theme.Window: "#14181d", theme.Surface: "#1c2127", theme.Raised: "#262d35", theme.Text: "#e8ecf0", theme.Quiet: "#8f9aa5",
			theme.Accent: "#4f8cff", theme.Good: "#2fbf71", theme.Attention: "#f5a623", theme.Stop: "#e5484d",
		},
		theme.Light: {
			theme.Window: "#f6f7f9", theme.Surface: "#ffffff", theme.Raised: "#edf0f3", theme.Text: "#1b1f23", theme.Quiet: "#5f6b76",
			theme.Accent: "#2f6fed", theme.Good: "#1f9d57", theme.Attention: "#c77700", theme.Stop: "#d1343a",
		},
	}
	for mode, colors := range want {
		th := theme.New(mode)
		for name, hex := range colors {
			r, g, b, _ := th.Color(name, fynetheme.VariantDark).RGBA()
			if got := fmt.Sprintf("#%02x%02x%02x", r>>8, g>>8, b>>8); got != hex {
				t.Errorf("%s %s: got %s, want %s", mode, name, got, hex)
			}
		}
	}
}

func TestSystemModeFollowsTheVariant(t *testing.T) {
	th := theme.New(theme.System)
	dark, light := th.Color(theme.Window, fynetheme.VariantDark), th.Color(theme.Window, fynetheme.VariantLight)
	if luminance(dark) > 0.05 || luminance(light) < 0.8 {
		t.Errorf("got luminance %.2f and %.2f, want a dark and a light ground", luminance(dark), luminance(light))
	}
}

func TestParseMode(t *testing.T) {
	for in, want := range map[string]theme.Mode{"dark": theme.Dark, "light": theme.Light, "system": theme.System, "": theme.System, "pink": theme.System} {
		if got := theme.ParseMode(in); got != want {
			t.Errorf("ParseMode(%q): got %q, want %q", in, got, want)
		}
	}
}

func TestAvatarGroundsCarryWhiteInitials(t *testing.T) {
	seen := map[color.Color]bool{}
	for i := range 400 {
		c := theme.AvatarColor(fmt.Sprintf("sip:user%d@info.test", i))
		seen[c] = true
		if got := contrast(c, color.White); got < 4.5 {
			t.Errorf("%v: contrast %.2f, want at least 4.5", c, got)
		}
	}
	if len(seen) < 8 {
		t.Errorf("got %d grounds for 400 people, want all 8", len(seen))
	}
	if theme.AvatarColor("sip:a@b") != theme.AvatarColor("sip:a@b") {
		t.Error("the ground of an address changes")
	}
}

func TestEveryIconDraws(t *testing.T) {
	fynetest.NewTempApp(t).Settings().SetTheme(theme.New(theme.Light))
	for _, name := range assets.IconNames() {
		t.Run(name, func(t *testing.T) {
			image := canvas.NewImageFromResource(theme.Icon(name, theme.Text))
			image.FillMode = canvas.ImageFillContain
			c := software.NewTransparentCanvas()
			c.SetPadded(false)
			c.SetContent(image)
			c.Resize(fyne.NewSize(24, 24))
			picture := c.Capture()
			marked := 0
			for y := range 24 {
				for x := range 24 {
					if _, _, _, a := picture.At(x, y).RGBA(); a > 0x8000 {
						marked++
					}
				}
			}
			if marked < 8 {
				t.Errorf("%d pixels of 576 are drawn, want at least 8", marked)
			}
		})
	}
}
