package page

import (
	"path/filepath"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"
	"fyne.io/fyne/v2/layout"

	"github.com/peregrine-softphone/peregrine/app"
	"github.com/peregrine-softphone/peregrine/app/ui/theme"
	"github.com/peregrine-softphone/peregrine/app/ui/widget"
)

// Sound is the page of everything about sound: devices by role with a test, what is done to the
// voice, ringing and tones, codecs and the network, recordings.
type Sound struct {
	Root                     fyne.CanvasObject
	Scroll                   *container.Scroll
	Input, Output, Ringer    *DeviceChoice
	Test, Play               *widget.Button
	Echo, Noise, Gain, Adapt *widget.Toggle
	Ringtone, Tones, Format  *widget.Select
	Codecs                   *codecOrder
	Folder, ShowFolder       *widget.Button
	DefaultFolder            *widget.Button

	act           Actions
	choices       choices
	spoken, heard *widget.Meter
	testing       *widget.Text
	problem       *problem
	folder        *widget.Text
	formatWords   *remark
	snap          app.Snapshot
	asking        bool // the devices have been asked for
	told          bool // that they cannot be listed
	asked         time.Time
}

// devicesEvery is how often the page looks for devices that have come or gone.
const devicesEvery = 2 * time.Second

// NewSound returns the page and asks for the devices.
func NewSound(act Actions) *Sound {
	s := &Sound{
		act: act, problem: newProblem(), spoken: widget.NewMeter(), heard: widget.NewMeter(),
		testing: widget.NewText("", widget.Caption()), folder: widget.NewText("", widget.Body()),
		formatWords: newRemark(), choices: choices{act: act, values: map[string]string{}},
	}
	s.Input = newDeviceChoice(act, "input", "audio.input", lang.L("Microphone"))
	s.Output = newDeviceChoice(act, "output", "audio.output", lang.L("Speaker"))
	s.Ringer = newDeviceChoice(act, "output", "audio.ringer", lang.L("Where calls ring"))
	s.spoken.Label, s.heard.Label = lang.L("Level of the microphone"), lang.L("Level of the speaker")
	s.Test = widget.NewButton("mic", lang.L("Test"), widget.Tonal, act.SoundTest)
	s.Play = widget.NewIconButton("play", lang.L("Play the ringtone"), widget.Tonal, act.PlayRingtone).Height(36)
	s.makeVoice()
	s.makeRinging()
	s.makeRecordings()
	s.Codecs = newCodecList(act, func(order string) { act.Set("codecs", order) })
	s.Root = s.build()
	s.ask()
	return s
}

func (s *Sound) makeVoice() {
	toggle := func(word, key string) *widget.Toggle {
		return widget.NewToggle(word, func(on bool) { s.act.Set(key, onOff(on)) })
	}
	s.Echo = toggle(lang.L("Echo cancellation"), "audio.echo")
	s.Noise = toggle(lang.L("Noise suppression"), "audio.noise")
	s.Gain = toggle(lang.L("Automatic volume of the microphone"), "audio.gain")
	s.Adapt = toggle(lang.L("Fit calls to the network"), "adaptation")
}

func (s *Sound) makeRinging() {
	words, values := countries()
	s.Tones = s.choices.of("tones", words, values...)
	s.Ringtone = widget.NewSelect(nil, s.chooseRingtone)
	s.Ringtone.Label = lang.L("Ringtone")
}

func (s *Sound) makeRecordings() {
	s.Format = s.choices.of("recording.format", []string{lang.L("WAV"), lang.L("Ogg Opus")}, "wav", "opus")
	s.Format.Label = lang.L("Format")
	s.Folder = widget.NewButton("folder", lang.L("Choose a folder…"), widget.Tonal, func() {
		s.act.ChooseFolder(recordings(s.snap), func(path string) { s.act.Set("recording.folder", path) })
	})
	s.ShowFolder = widget.NewButton("", lang.L("Show"), widget.Plain, func() { s.act.OpenFolder(recordings(s.snap)) })
	s.DefaultFolder = widget.NewButton("", lang.L("Use the default"), widget.Plain,
		func() { s.act.Set("recording.folder", "") })
	s.DefaultFolder.Hide()
}

// recordings is the folder recordings go to.
func recordings(snap app.Snapshot) string {
	if f := snap.Settings["recording.folder"]; f != "" {
		return f
	}
	return filepath.Join(snap.Profile, "Recordings")
}

// explained is a switch with a sentence about it.
func explained(t *widget.Toggle, text string) fyne.CanvasObject {
	words := tight(paragraph(text, "helperText", theme.Quiet, fyne.TextAlignLeading))
	right := container.New(layout.NewCustomPaddedLayout(0, 0, 0, 14*theme.Step), words) // clear of the switch
	return container.New(layout.NewCustomPaddedVBoxLayout(0), t, right)
}

func (s *Sound) build() fyne.CanvasObject {
	rows := func(o ...fyne.CanvasObject) fyne.CanvasObject {
		return container.New(layout.NewCustomPaddedVBoxLayout(4*theme.Step), o...)
	}
	near := func(o ...fyne.CanvasObject) *fyne.Container {
		return container.New(layout.NewCustomPaddedVBoxLayout(2*theme.Step), o...)
	}
	test := container.New(&beside{gap: 12}, s.Test, s.testing)
	devices := rows(s.problem.root,
		near(s.Input.root, s.spoken), near(s.Output.root, s.heard), s.Ringer.root, test)
	voice := rows(
		explained(s.Echo, lang.L("Takes what your speaker plays out of your microphone, "+
			"so that others do not hear themselves.")),
		explained(s.Noise, lang.L("Takes out what goes on evenly: a fan, a train, a computer.")),
		explained(s.Gain, lang.L("Makes you equally loud, whether you lean back or come close.")))
	ring := container.NewBorder(nil, nil, nil, s.Play, s.Ringtone)
	ringing := rows(field(lang.L("Ringtone"), ring), field(lang.L("Ringback and busy tones"), s.Tones))
	net := rows(
		explained(s.Adapt, lang.L("When the network gets slow or loses sound, Peregrine sends less, "+
			"and changes the codec if that helps. A codec you choose in a call stays.")),
		near(caption(lang.L("Codecs, the best first")), s.Codecs.root))
	record := rows(
		field(lang.L("Format"), near(s.Format, s.formatWords.root)),
		field(lang.L("Folder"), near(s.folder, container.NewHBox(s.Folder, s.ShowFolder, s.DefaultFolder))))
	box := container.New(layout.NewCustomPaddedVBoxLayout(5*theme.Step), widget.Gap(1),
		group(lang.L("Devices"), devices), group(lang.L("Your voice"), voice),
		group(lang.L("Ringtone and tones"), ringing), group(lang.L("Network and codecs"), net),
		group(lang.L("Recordings"), record), widget.Gap(4))
	s.Scroll = container.NewVScroll(container.New(&column{most: 560, top: true}, box))
	return flat(s.Scroll)
}

// caption is a quiet line.
func caption(text string) fyne.CanvasObject { return widget.NewText(text, widget.Caption()) }

// beside puts a second part to the right of the first one, in the middle of its height.
type beside struct{ gap float32 }

func (b *beside) MinSize(o []fyne.CanvasObject) fyne.Size {
	first, second := o[0].MinSize(), o[1].MinSize()
	return fyne.NewSize(first.Width+b.gap+second.Width, max(first.Height, second.Height))
}

func (b *beside) Layout(o []fyne.CanvasObject, s fyne.Size) {
	first, second := o[0].MinSize(), o[1].MinSize()
	put(o[0], 0, (s.Height-first.Height)/2, first.Width, first.Height)
	x := first.Width + b.gap
	put(o[1], x, (s.Height-second.Height)/2, s.Width-x, second.Height)
}

// Show fills the page.
func (s *Sound) Show(snap app.Snapshot) {
	s.snap = snap
	set := snap.Settings
	s.choices.filling = true
	s.Input.show(snap.Audio.Input)
	s.Output.show(snap.Audio.Output)
	s.Ringer.show(set["audio.ringer"])
	for _, t := range []struct {
		toggle *widget.Toggle
		key    string
	}{{s.Echo, "audio.echo"}, {s.Noise, "audio.noise"}, {s.Gain, "audio.gain"}, {s.Adapt, "adaptation"}} {
		t.toggle.Set(set[t.key] != "off")
	}
	s.choices.mark("tones", s.Tones, set["tones"])
	s.choices.mark("recording.format", s.Format, set["recording.format"])
	s.showRingtone(set["ringtone"])
	s.choices.filling = false
	s.Codecs.show(set["codecs"])
	if set["recording.format"] == "opus" {
		s.formatWords.show(lang.L("A tenth of the size, as good as the call."))
	} else {
		s.formatWords.show(lang.L("Large, and every player can play it."))
	}
	s.folder.SetText(recordings(snap))
	show(s.DefaultFolder, set["recording.folder"] != "")
	if snap.Audio.Problem != "" {
		s.problem.show(sentence(snap.Audio.Problem), "")
	} else {
		s.problem.hide()
	}
	s.showTest(snap.Audio.Test, len(live(snap)) > 0)
	s.Levels(snap)
	s.Root.Refresh()
}

// showTest tells where the sound test is. In a call there is none, and no ringtone either.
func (s *Sound) showTest(state string, calling bool) {
	icon, word, words := "mic", lang.L("Test"), lang.L("Speak for three seconds, then listen.")
	switch state {
	case "":
		if calling {
			words = lang.L("In a call the lines above show how loud it is.")
		}
	case "recording":
		icon, word, words = "stop", lang.L("Stop"), lang.L("Speak now.")
	case "playing":
		icon, word, words = "stop", lang.L("Stop"), lang.L("You hear yourself now.")
	}
	s.Test.SetText(word)
	s.Test.Set(icon, word)
	s.testing.SetText(words)
	for _, b := range []*widget.Button{s.Test, s.Play} {
		if calling {
			b.Disable()
		} else {
			b.Enable()
		}
	}
}

// Levels shows how loud the test or the call is, if there is one.
func (s *Sound) Levels(snap app.Snapshot) {
	in, out := 0.0, 0.0
	if calls := answered(snap); len(calls) > 0 {
		c := calls[len(calls)-1]
		in, out = c.Quality.LevelIn, c.Quality.LevelOut
	}
	switch snap.Audio.Test {
	case "recording":
		in = snap.Audio.Level
	case "playing":
		out = snap.Audio.Level
	}
	s.spoken.Set(in)
	s.heard.Set(out)
}

// Heights are the levels shown of microphone and speaker.
func (s *Sound) Heights() (spoken, heard float64) { return s.spoken.Level(), s.heard.Level() }

// Tick looks for devices that have come or gone.
func (s *Sound) Tick(now time.Time) {
	if now.Sub(s.asked) >= devicesEvery && !s.asking {
		s.asked = now
		s.ask()
	}
}

func (s *Sound) ask() {
	s.asking = true
	s.act.Devices(s.gotDevices)
}

func (s *Sound) gotDevices(devices []app.Device, err error) {
	s.asking = false
	if err != nil {
		if !s.told {
			s.act.Tell(ErrorText(err))
		}
		s.told = true
		return
	}
	s.told = false
	changed := false
	for _, d := range []*DeviceChoice{s.Input, s.Output, s.Ringer} {
		changed = d.setDevices(devices) || changed
	}
	if changed {
		s.Root.Refresh()
	}
}

// showRingtone shows the file calls ring with.
func (s *Sound) showRingtone(file string) {
	options := []string{lang.L("The built-in one")}
	if file != "" {
		options = append(options, filepath.Base(file))
	}
	options = append(options, lang.L("Choose a file…"))
	setOptions(s.Ringtone, options)
	s.Ringtone.SetSelectedIndex(len(options) - 2)
}

func (s *Sound) chooseRingtone(string) {
	if s.choices.filling {
		return
	}
	switch i := s.Ringtone.SelectedIndex(); i {
	case 0:
		s.act.Set("ringtone", "")
	case len(s.Ringtone.Options) - 1:
		s.act.ChooseFile([]string{".wav"}, func(path string) { s.act.Set("ringtone", path) })
		s.Show(s.snap) // the choice is made in the dialog
	}
}
