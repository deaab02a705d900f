package assets_test

import (
	"bytes"
	"encoding/json"
	"image/png"
	"strings"
	"testing"

	"github.com/peregrine-softphone/peregrine/assets"
)

func messages(t *testing.T, language string) map[string]string {
	t.Helper()
	b, err := assets.Translations.ReadFile("translations/" + language + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]string
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatalf("%s: %v", language, err)
	}
	return m
}

func TestGermanHasEverySentence(t *testing.T) {
	english, german := messages(t, "en"), messages(t, "de")
	for key := range english {
		if german[key] == "" {
			t.Errorf("German lacks %q", key)
		}
		if strings.Count(german[key], "{{") != strings.Count(key, "{{") {
			t.Errorf("the German of %q has other places to fill in: %q", key, german[key])
		}
	}
	for key := range german {
		if _, ok := english[key]; !ok {
			t.Errorf("German has %q, English has not", key)
		}
	}
}

func TestIconsAreOfOneWeight(t *testing.T) {
	for _, name := range assets.IconNames() {
		svg, ok := assets.Icon(name)
		if !ok {
			t.Fatalf("%s is listed and not there", name)
		}
		if !bytes.Contains(svg, []byte("currentColor")) || !bytes.Contains(svg, []byte(`viewBox="0 0 24 24"`)) {
			t.Errorf("%s does not draw with currentColor in a box of 24", name)
		}
	}
	if _, ok := assets.Icon("no such icon"); ok {
		t.Error("an icon that does not exist was found")
	}
}

func TestAppIcon(t *testing.T) {
	p, err := png.Decode(bytes.NewReader(assets.AppIconPNG()))
	if err != nil {
		t.Fatal(err)
	}
	if b := p.Bounds(); b.Dx() != 256 || b.Dy() != 256 {
		t.Errorf("the icon is %d by %d, want 256 by 256", b.Dx(), b.Dy())
	}
	if !bytes.HasPrefix(assets.AppIcon(), []byte("<svg")) {
		t.Error("the SVG of the icon does not begin with <svg")
	}
}
