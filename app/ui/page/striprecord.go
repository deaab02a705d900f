package page

import (
	"slices"
	"strings"
	"time"

	"fyne.io/fyne/v2/lang"

	"github.com/peregrine-softphone/peregrine/app"
	"github.com/peregrine-softphone/peregrine/app/ui/theme"
	"github.com/peregrine-softphone/peregrine/app/ui/widget"
)

// newRecording is the red dot with the clock of a recording; a click ends it.
func newRecording(stop func()) *widget.Button {
	b := widget.NewButton("record", duration(0), widget.Tonal, stop).Height(24).Tint(theme.Stop)
	b.Hide()
	return b
}

// taped is since when a call is recorded.
type taped struct {
	file  string
	since time.Time
}

// show shows the button while the call is recorded.
func (t *taped) show(b *widget.Button, c app.Call, now time.Time) {
	if c.State == app.CallEnded {
		c.Recording = ""
	}
	if c.Recording != t.file {
		t.file, t.since = c.Recording, now
	}
	show(b, t.file != "")
	t.tick(b, now)
}

// tick moves the clock on, and tells whether the button needs another room.
func (t *taped) tick(b *widget.Button, now time.Time) bool {
	if t.file == "" {
		return false
	}
	text := duration(now.Sub(t.since))
	wider := len(text) != len(b.Text())
	b.SetText(text)
	b.Label = lang.L("Stop recording") + ", " + text
	return wider
}

// adaptedFor is how long the strip tells that the call was fitted to the network; the details tell it
// as long as it lasts.
const adaptedFor = 8 * time.Second

// adapted is the line that tells that the codec was changed for the network's sake. Smaller changes
// come and go too often: they stand in the details alone.
type adapted struct {
	note *note
	said string
	at   time.Time
}

// show takes over what the engine says, and tells whether that changes the height.
func (a *adapted) show(c app.Call, now time.Time) bool {
	if c.Adaptation != a.said {
		a.said, a.at = c.Adaptation, now
		if !namesCodec(c) {
			a.at = now.Add(-adaptedFor)
		}
	}
	return a.tick(now)
}

// namesCodec tells whether what was changed is the codec: the sentence names one.
func namesCodec(c app.Call) bool {
	said := strings.ToLower(c.Adaptation)
	return slices.ContainsFunc(c.Codecs, func(name string) bool {
		return strings.Contains(said, strings.ToLower(name))
	})
}

func (a *adapted) tick(now time.Time) bool {
	if now.Sub(a.at) >= adaptedFor {
		return a.note.show("")
	}
	return a.note.show(sentence(a.said))
}
