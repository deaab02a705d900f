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

// DeviceChoice chooses the device for one role: microphone, speaker or ringer.
type DeviceChoice struct {
	*widget.Select

	root      fyne.CanvasObject
	act       Actions
	kind, key string
	values    map[string]string // what is shown to the value of the setting
	missing   *hint             // says what is used instead of a device that is not plugged in
	devices   []app.Device
	asked     bool // the devices are known
	chosen    string
	filling   bool
}

func newDeviceChoice(act Actions, kind, key, label string) *DeviceChoice {
	d := &DeviceChoice{act: act, kind: kind, key: key, missing: newHint()}
	d.Select = widget.NewSelect(nil, func(shown string) {
		if value, ok := d.values[shown]; ok && !d.filling {
			d.act.Set(d.key, value)
		}
	})
	d.Label = label
	d.root = field(label, container.New(layout.NewCustomPaddedVBoxLayout(theme.Step), d.Select, d.missing.root))
	return d
}

// setDevices takes over which devices there are, and tells whether that changes anything.
func (d *DeviceChoice) setDevices(devices []app.Device) bool {
	if d.asked && slices.Equal(d.devices, devices) {
		return false
	}
	d.devices, d.asked = devices, true
	d.show(d.chosen)
	return true
}

// Missing is what is said of a chosen device that is not plugged in; "" if it is.
func (d *DeviceChoice) Missing() string { return d.missing.says() }

// show shows the value of the setting, without that counting as a choice.
func (d *DeviceChoice) show(chosen string) {
	d.filling = true
	defer func() { d.filling = false }()
	d.chosen, d.values = chosen, map[string]string{}
	var options []string
	shown := ""
	add := func(words, value string) {
		options = append(options, words)
		d.values[words] = value
		if value == chosen {
			shown = words
		}
	}
	now := d.now()
	if d.key == "audio.ringer" {
		add(lang.L("Same as the speaker"), "same")
	}
	if now != "" {
		add(lang.L("Same as the system ({{.Name}} now)", data{"Name": now}), "default")
	} else {
		add(lang.L("Same as the system"), "default")
	}
	for _, x := range d.devices {
		if x.Kind == d.kind {
			add(x.Name, x.Setting)
		}
	}
	if shown == "" && chosen != "" && chosen != "none" { // not plugged in, a tone, a file
		add(settingName(chosen, d.asked), chosen)
	}
	add(lang.L("None"), "none")
	if shown == "" {
		shown = options[0]
	}
	setOptions(d.Select, options)
	d.SetSelected(shown)
	d.showMissing(now)
}

// now is the device the system uses for this role; "" when that is not known.
func (d *DeviceChoice) now() string {
	for _, x := range d.devices {
		if x.Kind == d.kind && x.Default {
			return x.Name
		}
	}
	return ""
}

func (d *DeviceChoice) showMissing(now string) {
	device := strings.HasPrefix(d.chosen, "device:")
	there := slices.ContainsFunc(d.devices, func(x app.Device) bool {
		return x.Kind == d.kind && x.Setting == d.chosen
	})
	switch {
	case !device || there || !d.asked:
		d.missing.hide()
	case now == "":
		d.missing.show(lang.L("Plug it in, or choose another one."))
	default:
		d.missing.show(lang.L("Using {{.Other}} until it is back.", data{"Other": now}))
	}
}

// setOptions changes the options of a choice if they are others: an open list stays open.
func setOptions(s *widget.Select, options []string) {
	if !slices.Equal(s.Options, options) {
		s.SetOptions(options)
	}
}

// settingName is how a value of audio.input or audio.output is shown that is no device at hand; asked
// says that the devices are known.
func settingName(v string, asked bool) string {
	kind, rest, _ := strings.Cut(v, ":")
	switch kind {
	case "none":
		return lang.L("None")
	case "tone":
		return lang.L("A tone of {{.Hertz}} Hz", data{"Hertz": rest})
	case "file":
		return lang.L("The file {{.Path}}", data{"Path": rest})
	case "loop":
		return lang.L("What the other side says")
	case "device":
		if !asked {
			return rest
		}
		return lang.L("{{.Name}} (not plugged in)", data{"Name": rest})
	}
	return v
}

// choices are selections between the values of settings, each value with its words.
type choices struct {
	act     Actions
	values  map[string]string // "key:words" to the value
	filling bool              // what is selected now is no choice of the user
}

// of is a choice between the values of a setting.
func (c *choices) of(key string, words []string, values ...string) *widget.Select {
	for i, w := range words {
		c.values[key+":"+w] = values[i]
	}
	return widget.NewSelect(words, func(w string) {
		if !c.filling {
			c.act.Set(key, c.values[key+":"+w])
		}
	})
}

// mark shows the value of a setting among its words; one that is not known is the first.
func (c *choices) mark(key string, sel *widget.Select, value string) {
	for i, w := range sel.Options {
		if c.values[key+":"+w] == value {
			sel.SetSelectedIndex(i)
			return
		}
	}
	sel.SetSelectedIndex(0)
}
