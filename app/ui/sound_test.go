package ui

import (
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"fyne.io/fyne/v2"
	fynetest "fyne.io/fyne/v2/test"

	"github.com/peregrine-softphone/peregrine/app"
	"github.com/peregrine-softphone/peregrine/app/ui/uitest"
	"github.com/peregrine-softphone/peregrine/app/ui/widget"
)

func openSound(t *testing.T) *harness {
	t.Helper()
	h := open(t, uitest.Unplugged(uitest.Noon()), wide())
	h.ShowSound()
	h.until("the devices are there", func() bool { return slices.Contains(h.sound.Output.Options, "Built-in Speakers") })
	return h
}

// told tells whether a toast says this.
func (h *harness) told(text string) bool {
	return slices.ContainsFunc(h.toasts, func(t toast) bool { return t.text == text })
}

// sets are the settings that were set up to now.
func (h *harness) sets() []string {
	return slices.DeleteFunc(h.e.Verbs(), func(v string) bool { return !strings.HasPrefix(v, "Set ") })
}

func TestSoundFollowsDevicesThatComeAndGo(t *testing.T) {
	h := openSound(t)
	in := h.sound.Input
	if in.Selected != "USB Microphone (not plugged in)" || in.Missing() != "Using Built-in Microphone until it is back." {
		t.Errorf("shown %q, said %q", in.Selected, in.Missing())
	}
	if got := h.sound.Output.Selected; got != "Headset" {
		t.Errorf("speaker %q, want Headset", got)
	}
	if got := h.sound.Ringer.Selected; got != "Same as the speaker" {
		t.Errorf("ringer %q", got)
	}
	h.e.Plug([]app.Device{
		{Setting: "device:USB Microphone", Name: "USB Microphone", Kind: "input"},
		{Setting: "device:Webcam", Name: "Webcam", Kind: "input", Default: true},
	})
	h.sound.Tick(uitest.Noon().Add(time.Minute))
	h.until("the microphone is back", func() bool { return in.Selected == "USB Microphone" && in.Missing() == "" })
	if got := h.sound.Output.Selected; got != "Headset (not plugged in)" {
		t.Errorf("speaker %q, want it missing", got)
	}
	if sets := h.sets(); len(sets) != 0 {
		t.Fatalf("looking at the page changed %q", sets)
	}
	in.SetSelected("Same as the system (Webcam now)")
	h.verb("Set audio.input default")
	h.sound.Ringer.SetSelected("None")
	h.verb("Set audio.ringer none")
}

func TestSoundAsksForDevicesNowAndThen(t *testing.T) {
	h := openSound(t)
	h.e.Fail(&app.UserError{Sentence: "The sound server does not answer."})
	for i := range 5 {
		h.sound.Tick(uitest.Noon().Add(time.Duration(i+1) * time.Minute))
		h.until("it was answered", func() bool { return len(h.layer.Toasts()) == 1 })
	}
	h.e.Fail(nil)
	h.e.Plug(nil)
	h.until("it is asked again", func() bool {
		h.sound.Tick(h.opts.Now().Add(time.Hour))
		return !slices.Contains(h.sound.Output.Options, "Built-in Speakers")
	})
}

func TestSoundTestTellsWhereItIs(t *testing.T) {
	h := openSound(t)
	if h.sound.Test.Text() != "Test" || !h.says("Speak for three seconds, then listen.") {
		t.Fatal("the test is not offered")
	}
	fynetest.Tap(h.sound.Test)
	h.verb("SoundTest")
	h.until("it records", func() bool { return h.sound.Test.Text() == "Stop" && h.says("Speak now.") })
	h.e.Testing("recording", 0.5)
	h.until("the meter moves", func() bool { spoken, heard := h.sound.Heights(); return spoken == 0.5 && heard == 0 })
	h.e.Testing("playing", 0.25)
	h.until("it plays", func() bool {
		spoken, heard := h.sound.Heights()
		return h.says("You hear yourself now.") && spoken == 0 && heard == 0.25
	})
	fynetest.Tap(h.sound.Test)
	h.until("it is over", func() bool { _, heard := h.sound.Heights(); return h.sound.Test.Text() == "Test" && heard == 0 })
	fynetest.Tap(h.sound.Play)
	h.verb("PlayTone ringtone")
}

func TestSoundMetersShowTheCall(t *testing.T) {
	h := open(t, uitest.Call(uitest.Noon()), wide())
	h.ShowSound()
	if !h.sound.Test.Disabled() || !h.sound.Play.Disabled() || !h.says("In a call the lines above show how loud it is.") {
		t.Error("a test can be made during a call")
	}
	if in, out := h.sound.Heights(); in != 0.42 || out != 0.61 {
		t.Errorf("meters at %g and %g, want those of the call", in, out)
	}
}

func TestSoundSwitches(t *testing.T) {
	for _, tc := range []struct {
		name, want string
		toggle     func(h *harness) *widget.Toggle
	}{
		{"echo", "Set audio.echo off", func(h *harness) *widget.Toggle { return h.sound.Echo }},
		{"noise", "Set audio.noise off", func(h *harness) *widget.Toggle { return h.sound.Noise }},
		{"gain", "Set audio.gain on", func(h *harness) *widget.Toggle { return h.sound.Gain }},
		{"adaptation", "Set adaptation off", func(h *harness) *widget.Toggle { return h.sound.Adapt }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := openSound(t)
			fynetest.Tap(tc.toggle(h))
			h.verb(tc.want)
		})
	}
}

func TestSoundChoices(t *testing.T) {
	h := openSound(t)
	if got := h.sound.Ringtone.Selected; got != "bells.wav" {
		t.Errorf("ringtone %q", got)
	}
	h.sound.Ringtone.SetSelectedIndex(0)
	h.verb("Set ringtone ")
	h.until("it is the built-in one", func() bool { return h.sound.Ringtone.Selected == "The built-in one" })
	h.sound.Tones.SetSelected("Germany")
	h.verb("Set tones de")
	h.sound.Format.SetSelected("Ogg Opus")
	h.verb("Set recording.format opus")
	h.until("it says what that means", func() bool { return h.says("A tenth of the size, as good as the call.") })
	if !h.says("/home/alice/.config/peregrine/Recordings") || h.sound.DefaultFolder.Visible() {
		t.Error("the folder of recordings is not shown, or it could be put back to itself")
	}
}

func TestCodecOrderByButtons(t *testing.T) {
	h := openSound(t)
	h.sound.Codecs.Raise("PCMU")
	h.verb("Set codecs opus,PCMU,G722,PCMA")
	if b, ok := h.win.Canvas().Focused().(*widget.Button); !ok || b.Label != "Prefer G.711 µ-law" {
		t.Error("the keyboard has lost the button")
	}
	h.sound.Codecs.Use("GSM")
	h.verb("Set codecs opus,PCMU,G722,PCMA,GSM")
	for _, off := range []struct{ name, left string }{
		{"opus", "PCMU,G722,PCMA,GSM"}, {"PCMU", "G722,PCMA,GSM"}, {"G722", "PCMA,GSM"}, {"PCMA", "GSM"},
	} {
		h.sound.Codecs.Use(off.name)
		h.verb("Set codecs " + off.left)
		h.until("it is shown", func() bool { return h.snap.Settings["codecs"] == off.left })
	}
	n := len(h.sets())
	h.sound.Codecs.Use("GSM")
	h.pump()
	if len(h.sets()) != n {
		t.Errorf("the last codec was taken away: %q", h.sets())
	}
}

func TestChooseARingtone(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("HOME", dir)
	for _, name := range []string{"a.wav", "b.mp3", ".hidden.wav", filepath.Join("Music", "Bells.WAV")} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	h := openSound(t)
	h.sound.Ringtone.SetSelectedIndex(2) // a file…
	h.until("the files are there", func() bool { return h.files != nil && len(h.files.Entries()) == 2 })
	if e := h.files.Entries(); e[0].Name != "Music" || !e[0].Folder || e[1].Name != "a.wav" {
		t.Errorf("files %+v, want the folder and the one WAV file that is not hidden", e)
	}
	h.files.List.Select(0)
	h.until("the folder is open", func() bool { return strings.HasSuffix(h.files.Path.Text, "Music") })
	h.files.List.Select(0)
	h.verb("Set ringtone " + filepath.Join(dir, "Music", "Bells.WAV"))
	h.until("the panel is gone", func() bool { return h.dialog == nil })
}

func TestChooseAFolderForRecordings(t *testing.T) {
	dir := t.TempDir()
	h := openSound(t)
	fynetest.Tap(h.sound.Folder)
	h.until("the nearest folder that is there is shown", func() bool { return h.files != nil && h.files.Path.Text != "" })
	h.files.Path.SetText(filepath.Join(dir, "no such folder"))
	h.key(fyne.KeyReturn)
	h.until("it says so", func() bool { return h.says("This folder cannot be") })
	h.files.Path.SetText(dir)
	h.key(fyne.KeyReturn)
	h.until("it is shown", func() bool { return !h.says("This folder cannot be") })
	fynetest.Tap(h.files.Submit)
	h.verb("Set recording.folder " + dir)
	h.until("it is shown", func() bool { return h.says(dir) && h.sound.DefaultFolder.Visible() })
	fynetest.Tap(h.sound.DefaultFolder)
	h.verb("Set recording.folder ")
}

func TestSettingsLeadToSoundAndBack(t *testing.T) {
	h := open(t, uitest.Unplugged(uitest.Noon()), wide())
	h.ShowSettings()
	if !h.says("USB Microphone · Headset") {
		t.Error("the settings do not say which devices are chosen")
	}
	fynetest.Tap(h.settings.Sound)
	if h.view != viewSound {
		t.Fatal("the page of sound is not open")
	}
	h.Back()
	if h.view != viewSettings {
		t.Error("the way back does not lead to the settings")
	}
}

func TestRecordACall(t *testing.T) {
	h := open(t, uitest.Call(uitest.Noon()), wide())
	now := uitest.Noon()
	h.opts.Now = func() time.Time { return now }
	var opened string
	h.openURL = func(u *url.URL) error { opened = u.Path; return nil }
	s := h.strips.Strip("7")
	if s.Recording.Visible() {
		t.Fatal("a call that is not recorded says that it is")
	}
	h.shortcut(fyne.KeyR, fyne.KeyModifierShift)
	h.verb("Record 7")
	h.until("the dot is there", func() bool { return s.Recording.Visible() })
	now = now.Add(75 * time.Second)
	h.tick()
	if s.Recording.Text() != "01:15" || s.Recording.AccessibilityLabel() != "Stop recording, 01:15" {
		t.Errorf("the dot says %q, to screen readers %q", s.Recording.Text(), s.Recording.AccessibilityLabel())
	}
	fynetest.Tap(s.Recording)
	h.verb("StopRecording 7")
	h.until("it is over", func() bool { return !s.Recording.Visible() && h.told("Your call with Bob Keller was recorded.") })
	h.toasts[len(h.toasts)-1].undo()
	if opened != "/home/alice/Recordings" {
		t.Errorf("opened %q, want the folder of the recording", opened)
	}
}

func TestRecordingEndsWithItsCall(t *testing.T) {
	h := open(t, uitest.Secured(uitest.Noon()), wide())
	h.e.Cancel("7", "Bob hung up.")
	h.until("it says where the recording is", func() bool { return h.told("Your call with Bob Keller was recorded.") })
}

func TestRecordingFromTheMenu(t *testing.T) {
	h := open(t, uitest.Call(uitest.Noon()), wide())
	s := h.strips.Strip("7")
	run := func(label string) {
		t.Helper()
		for _, item := range s.MoreItems() {
			if item.Label == label {
				item.Action()
				return
			}
		}
		t.Fatalf("the menu has no %q", label)
	}
	run("Record the call")
	h.verb("Record 7")
	h.until("it is recorded", func() bool { return s.Recording.Visible() })
	run("Stop recording")
	h.verb("StopRecording 7")
	run("Sound settings")
	if h.view != viewSound {
		t.Error("the page of sound is not open")
	}
}

func TestCallTellsHowItIsProtected(t *testing.T) {
	for _, tc := range []struct {
		name                     string
		encryption, cipher, path string
		strip, words             []string
	}{
		{"none", "none", "", "", []string{"Not encrypted"}, []string{"Not encrypted"}},
		{"dtls", "dtls", "AEAD_AES_128_GCM", "nat", []string{"Encrypted"}, []string{"Encrypted, keys by DTLS", "AES-128-GCM", "Through the router"}},
		{"sdes", "sdes", "AES_CM_128_HMAC_SHA1_80", "direct", []string{"Encrypted"}, []string{"Encrypted, keys in the signalling", "AES-128, SHA-1 80 bit", "Direct"}},
		{"relay", "dtls", "SRTP_AES128_CM_HMAC_SHA1_80", "relay", nil, []string{"AES-128, SHA-1 80 bit", "By a relay", "a TURN server passes the sound on"}},
		{"unknown cipher", "sdes", "ARIA_128", "", nil, []string{"ARIA_128"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := uitest.Call(uitest.Noon())
			c := &f.Snapshot.Calls[len(f.Snapshot.Calls)-1]
			c.Encryption, c.Cipher, c.Path = tc.encryption, tc.cipher, tc.path
			h := open(t, f, wide())
			for _, w := range tc.strip {
				if !h.says(">" + w + "<") {
					t.Errorf("the strip does not say %q", w)
				}
			}
			h.strips.Strip("7").ShowDetails(true)
			for _, w := range tc.words {
				if !h.says(">" + w + "<") {
					t.Errorf("the details do not say %q", w)
				}
			}
		})
	}
}

func TestCodecMenu(t *testing.T) {
	h := open(t, uitest.Call(uitest.Noon()), wide())
	s := h.strips.Strip("7")
	s.ShowDetails(true)
	marked := func() string {
		for _, item := range s.CodecItems() {
			if item.Checked {
				return item.Label
			}
		}
		return ""
	}
	if marked() != "Automatic" || !h.says("chosen automatically") {
		t.Fatalf("%q is marked, want Automatic", marked())
	}
	s.CodecItems()[3].Action() // after Automatic, a line and Opus
	h.verb("Codec PCMU 7")
	h.until("it is the user's choice", func() bool { return marked() == "G.711 µ-law" && h.says("chosen by you") })
	s.CodecItems()[0].Action()
	h.verb("Codec auto 7")
	h.until("it is the program's choice again", func() bool { return marked() == "Automatic" && h.says("chosen automatically") })
}

func TestAdaptationIsToldQuietly(t *testing.T) {
	h := open(t, uitest.Call(uitest.Noon()), wide())
	now := uitest.Noon()
	h.opts.Now = func() time.Time { return now }
	const told = "Switched to Opus: the network is slow."
	h.e.Change(func(s *app.Snapshot) { s.Calls[len(s.Calls)-1].Adaptation = told })
	h.until("the strip tells", func() bool { return h.says(told) })
	now = now.Add(10 * time.Second)
	h.tick()
	if h.says(told) {
		t.Error("it is still told after ten seconds")
	}
	h.strips.Strip("7").ShowDetails(true)
	if !h.says(told) {
		t.Error("the details do not tell it")
	}
	h.strips.Strip("7").ShowDetails(false)
	const small = "Sending less: the network is slow."
	h.e.Change(func(s *app.Snapshot) { s.Calls[len(s.Calls)-1].Adaptation = small })
	h.until("the engine has said it", func() bool { return h.snap.Calls[len(h.snap.Calls)-1].Adaptation == small })
	if h.says(small) {
		t.Error("the strip tells of a change that is none of the codec")
	}
}

func TestLevelsMoveWhileDetailsAreOpen(t *testing.T) {
	h := open(t, uitest.Call(uitest.Noon()), wide())
	s := h.strips.Strip("7")
	s.ShowDetails(true)
	h.e.Change(func(snap *app.Snapshot) { snap.Calls[len(snap.Calls)-1].Quality.LevelIn = 0.9 })
	h.until("the meter has moved", func() bool { in, _ := s.Levels(); return in == 0.9 })
	h.e.Change(func(snap *app.Snapshot) { snap.Calls[len(snap.Calls)-1].Muted = true })
	h.until("nothing is heard of one who is muted", func() bool { in, out := s.Levels(); return in == 0 && out == 0.61 })
}

func TestAccountKeepsHowCallsTravel(t *testing.T) {
	h, form := firstForm(t, func(*uitest.Engine) {})
	form.Unfold()
	form.ChooseSecurity(app.SecurityRequired, app.KeysDTLS)
	form.UseICE("stun.example.org", "turn.example.org:3478", "alice", "relay secret")
	h.until("it says what that means", func() bool { return h.says("A call that cannot be encrypted is not made and not taken.") })
	h.fill(form, "alice@info.test", "secret")
	h.verb("AddAccount sip alice@info.test")
	want := app.MediaPolicy{
		Security: app.SecurityRequired, Keys: app.KeysDTLS, ICE: true, STUN: "stun.example.org",
		TURN: "turn:turn.example.org:3478", TURNUser: "alice",
	}
	if got := h.e.Spec(); got.MediaPolicy != want || got.TURNPassword != "relay secret" {
		t.Errorf("policy %+v, password %q", got.MediaPolicy, got.TURNPassword)
	}
}

func TestAccountBlamesServersThatAreNone(t *testing.T) {
	h, form := firstForm(t, func(*uitest.Engine) {})
	form.Unfold()
	const stun, turn = "Write it like stun.", "Write it like turn."
	for _, tc := range []struct {
		stun, turn       string
		badSTUN, badTURN bool
	}{
		{"stun.example.org", "turn:192.0.2.7:3478?transport=tcp", false, false},
		{"[2001:db8::1]:3478", "turns:turn.example.org", false, false},
		{"sip:alice@example.org", "alice@turn.example.org", true, true},
		{"stun.example.org:99999", "turn.example.org?transport=sctp", true, true},
		{"", "", false, false},
	} {
		form.UseICE(tc.stun, tc.turn, "alice", "")
		form.Address.FocusLost()
		if h.says(stun) != tc.badSTUN || h.says(turn) != tc.badTURN {
			t.Errorf("%q, %q: blamed %v and %v", tc.stun, tc.turn, h.says(stun), h.says(turn))
		}
	}
}

func TestKeysInTheSignallingNeedTLS(t *testing.T) {
	h, form := firstForm(t, func(*uitest.Engine) {})
	form.Unfold()
	form.ChooseTransport("UDP")
	form.ChooseSecurity(app.SecurityRequired, app.KeysSDES)
	h.fill(form, "alice@info.test", "secret")
	for _, v := range h.e.Verbs() {
		if strings.HasPrefix(v, "AddAccount") {
			t.Fatal("an account was added that could never call")
		}
	}
	if !h.says("That needs TLS. Choose TLS as the transport.") {
		t.Error("it does not say why")
	}
	form.ChooseTransport("TLS")
	h.fill(form, "alice@info.test", "secret")
	h.verb("AddAccount sip alice@info.test")
}

func TestAccountShowsHowItsCallsTravel(t *testing.T) {
	f := uitest.Accounts(uitest.Noon())
	f.Snapshot.Accounts[0].MediaPolicy = app.MediaPolicy{
		Security: app.SecurityRequired, Keys: app.KeysSDES, ICE: true, TURN: "turn:turn.example.org", TURNUser: "alice",
	}
	h := open(t, f, wide())
	h.ShowAccount("sip:alice@info.test")
	form := h.account.AccountForm
	h.until("it is shown", func() bool { return h.says("A call that cannot be encrypted") })
	form.Submit.Tapped(nil)
	h.verb("AddAccount sip alice@info.test")
	if got := h.e.Spec(); got.MediaPolicy != f.Snapshot.Accounts[0].MediaPolicy || got.TURNPassword != "" {
		t.Errorf("policy %+v, want it unchanged; TURN password %q", got.MediaPolicy, got.TURNPassword)
	}
}

func TestRecordingInAConference(t *testing.T) {
	f := uitest.Conference(uitest.Noon())
	last := slices.IndexFunc(f.Snapshot.Calls, func(c app.Call) bool { return c.ID == "6" })
	f.Snapshot.Calls[last].Recording = "/home/alice/Recordings/farid.wav"
	h := open(t, f, wide())
	m := h.strips.Conference.Member("6")
	if !m.Recording.Visible() || h.strips.Conference.Member("7").Recording.Visible() {
		t.Fatal("the dot is not where the recording is")
	}
	fynetest.Tap(m.Recording)
	h.verb("StopRecording 6")
	h.until("the dot is gone", func() bool { return !m.Recording.Visible() })
}

func TestPagesFollowTheFocus(t *testing.T) {
	h := openSound(t)
	h.win.Canvas().Focus(h.sound.Folder)
	if h.sound.Scroll.Offset.Y == 0 {
		t.Error("the button at the foot of the page is not seen")
	}
	top := func(o fyne.CanvasObject) float32 { return fyne.CurrentApp().Driver().AbsolutePositionForObject(o).Y }
	if y, foot := top(h.sound.Folder), top(h.sound.Scroll)+h.sound.Scroll.Size().Height; y+h.sound.Folder.Size().Height > foot {
		t.Errorf("the button is at %g, the page ends at %g", y, foot)
	}
	h.win.Canvas().Focus(h.sound.Input.Select)
	if y, head := top(h.sound.Input.Select), top(h.sound.Scroll); y < head {
		t.Errorf("the first choice is at %g, the page begins at %g", y, head)
	}
	was := h.sound.Scroll.Offset
	h.win.Canvas().Focus(h.sidebar.Search) // no part of the page
	if h.sound.Scroll.Offset != was {
		t.Error("the page scrolls for the focus of another part")
	}
	h.win.Canvas().Focus(h.sound.Input.Select)
	h.key(fyne.KeyEscape)
	if h.view != viewSettings {
		t.Error("Escape does not lead back from a choice")
	}
}

func TestChoicesSayWhatTheyAreFor(t *testing.T) {
	h := openSound(t)
	for want, s := range map[string]*widget.Select{
		"Microphone USB Microphone (not plugged in)": h.sound.Input.Select, "Ringtone bells.wav": h.sound.Ringtone,
		"Where calls ring Same as the speaker": h.sound.Ringer.Select, "Format WAV": h.sound.Format,
	} {
		if got := s.AccessibilityLabel(); got != want {
			t.Errorf("screen readers say %q, want %q", got, want)
		}
	}
}
