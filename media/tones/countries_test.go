package tones

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/peregrine-softphone/peregrine/media/wav"
)

// TestTable reads every cadence of the table, and asks for what every country's telephone does.
func TestTable(t *testing.T) {
	if !slices.IsSortedFunc(countries, func(a, b country) int { return strings.Compare(a.code, b.code) }) {
		t.Error("the table is not sorted")
	}
	for code := range strings.FieldsSeq("at au be br ca ch cn cz de dk es fi fr gb gr hu ie il in it jp kr mx nl no nz " +
		"pl pt ro ru se sg sk tr tw ua us za") {
		if In(code).c.code != code {
			t.Errorf("no tones for %s", code)
		}
	}
	for _, c := range countries {
		for name, text := range map[string]string{
			"ringback": c.ringback, "busy": c.busy, "congestion": c.congestion, "waiting": c.waiting, "info": c.info,
		} {
			if text == "" && name == "info" {
				continue
			}
			notes := cadence(text)
			if len(notes) < 2 && name != "info" || len(notes) == 0 {
				t.Errorf("%s, %s: %q has %d parts", c.code, name, text, len(notes))
				continue
			}
			if notes[0].hz[0] == 0 {
				t.Errorf("%s, %s: %q begins with silence", c.code, name, text)
			}
			for _, n := range notes {
				for _, hz := range n.hz {
					if hz != 0 && (hz < 300 || hz > 2000) {
						t.Errorf("%s, %s: %g Hz", c.code, name, hz)
					}
				}
				if n.length < 15*time.Millisecond || n.length > 15*time.Second || n.swell != 0 && (n.swell < 10 || n.swell > 50) {
					t.Errorf("%s, %s: %+v", c.code, name, n)
				}
			}
		}
		if ring := inEar(c.ringback).Length(); ring < 2*time.Second || ring > 6*time.Second {
			t.Errorf("%s: it rings every %v", c.code, ring)
		}
	}
}

// TestNational hears the tones of some countries: their frequencies, and where they are silent.
func TestNational(t *testing.T) {
	for name, tt := range map[string]struct {
		source   *Source
		from, to time.Duration
		hz       []float64
	}{
		"gb ringback":           {In("gb").Ringback(), 600 * time.Millisecond, time.Second, []float64{400, 450}},
		"gb ringback's pause":   {In("gb").Ringback(), 410 * time.Millisecond, 590 * time.Millisecond, nil},
		"us busy":               {In("us").Busy(), 0, 500 * time.Millisecond, []float64{480, 620}},
		"fr ringback":           {In("fr").Ringback(), 0, 1500 * time.Millisecond, []float64{440}},
		"in ringback":           {In("in").Ringback(), 0, 400 * time.Millisecond, []float64{400, 375, 425}},
		"de information":        {In("de").Information(), 330 * time.Millisecond, 660 * time.Millisecond, []float64{1400}},
		"unknown country":       {In("xx").Busy(), 0, 500 * time.Millisecond, []float64{425}},
		"at waiting":            {In("at").Waiting(), 100 * time.Millisecond, 1900 * time.Millisecond, nil},
		"end, the second beep":  {In("us").Ended(), 250 * time.Millisecond, 400 * time.Millisecond, []float64{480, 620}},
		"end, behind the beeps": {In("us").Ended(), 650 * time.Millisecond, 9 * time.Second, nil},
	} {
		pcm := make([]int16, samples(tt.to))
		tt.source.Pull(pcm)
		pcm = pcm[samples(tt.from):]
		var power float64
		for _, x := range pcm {
			power += float64(x) * float64(x) / float64(len(pcm))
		}
		var found float64
		for _, hz := range tt.hz {
			a := strength(pcm, hz)
			if found += a * a / 2; a < callLevel/6 {
				t.Errorf("%s: %g Hz at %.0f", name, hz, a)
			}
		}
		if found < 0.85*power || power > 0 && tt.hz == nil {
			t.Errorf("%s: %.0f of %.0f in %v Hz", name, found, power, tt.hz)
		}
		if peak := loudest(pcm); peak > callLevel+1 {
			t.Errorf("%s: peak %d", name, peak)
		}
	}
}

func TestRegion(t *testing.T) {
	for locale, want := range map[string]string{
		"de_AT.UTF-8": "at", "en_GB": "gb", "pt-BR": "br", "C": "", "C.UTF-8": "", "": "", "de": "", "de_DE@euro": "de",
		"es_419": "", "zh_Hant_TW": "", "x_../": "",
	} {
		if got := Region(locale); got != want {
			t.Errorf("%q is in %q, want %q", locale, got, want)
		}
	}
}

// writeTone makes a WAV file of a sawtooth.
func writeTone(t *testing.T, rate, channels int, length time.Duration) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ring.wav")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w, err := wav.NewWriter(file, rate, channels)
	if err != nil {
		t.Fatal(err)
	}
	pcm := make([]int16, int(length*time.Duration(rate)/time.Second)*channels)
	for i := range pcm {
		pcm[i] = int16(i/channels%100*100 + 500)
	}
	if err := errors.Join(w.Write(pcm), w.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLoad(t *testing.T) {
	for name, tt := range map[string]struct {
		rate, channels int
		length, want   time.Duration
	}{
		"as it is":         {48000, 1, time.Second, time.Second},
		"stereo, 44.1 kHz": {44100, 2, 2 * time.Second, 2 * time.Second},
		"8 kHz":            {8000, 1, 3 * time.Second, 3 * time.Second},
		"long":             {8000, 1, time.Minute, 30 * time.Second},
	} {
		s, err := Load(writeTone(t, tt.rate, tt.channels, tt.length))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if d := s.Length() - tt.want; d < -20*time.Millisecond || d > 20*time.Millisecond {
			t.Errorf("%s: lasts %v, want %v", name, s.Length(), tt.want)
		}
		frame := make([]int16, 480)
		if a := testing.AllocsPerRun(5000, func() { s.Pull(frame) }); a != 0 {
			t.Errorf("%s: %.1f allocations a frame", name, a)
		}
		if loudest(frame) < 1000 {
			t.Errorf("%s: not repeated", name)
		}
	}
}

func TestLoadBroken(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "text.wav")
	if err := os.WriteFile(text, []byte("RIFF but not really a WAVE file of any kind"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{
		"not there": filepath.Join(dir, "none.wav"), "a folder": dir, "a device": os.DevNull, "text": text,
		"too short": writeTone(t, 48000, 1, 50*time.Millisecond),
	} {
		if _, err := Load(path); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}
