package page

import (
	"fmt"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"
	"fyne.io/fyne/v2/layout"

	"github.com/peregrine-softphone/peregrine/app"
	"github.com/peregrine-softphone/peregrine/app/ui/theme"
	"github.com/peregrine-softphone/peregrine/app/ui/widget"
)

// sparkFor is how many values the sparklines show: two minutes, one a second.
const sparkFor = 120

// figure is one number of the quality with its last two minutes.
type figure struct {
	value  *widget.Text
	line   *widget.Sparkline
	past   []float64
	read   func(app.Quality) (v float64, known bool)
	format string
}

// words writes a value; what is there but rounds to nothing is "< 1 ms".
func (f *figure) words(v float64) string {
	text := fmt.Sprintf(f.format, v)
	if v > 0 && text == "0 ms" {
		return "< 1 ms"
	}
	return text
}

// callDetails is what is under the quality bars: protection, path and codec, figures with sparklines,
// counts, hand-offs.
type callDetails struct {
	root     *fyne.Container
	facts    *callFacts
	figures  []*figure
	counts   *widget.Text
	address  *widget.Text
	handOffs *fyne.Container
	shown    int // hand-offs drawn
	lastDone app.HandOff
}

func newCallDetails(codecMenu func(at *widget.Button)) *callDetails {
	d := &callDetails{
		facts: newCallFacts(codecMenu), counts: widget.NewText("", widget.Caption()),
		address:  widget.NewText("", widget.Caption()),
		handOffs: container.New(layout.NewCustomPaddedVBoxLayout(theme.Step)),
	}
	tiles := container.New(&tileLayout{least: 104})
	add := func(label, format string, top float64, read func(app.Quality) (float64, bool)) {
		f := &figure{
			value: widget.NewText("–", widget.Style{Size: 15, Bold: true, Shrink: true}),
			line:  widget.NewSparkline(sparkFor, top), read: read, format: format,
		}
		d.figures = append(d.figures, f)
		name := widget.NewText(label, widget.Style{Size: 11, Color: theme.Quiet, Shrink: true})
		box := container.New(layout.NewCustomPaddedVBoxLayout(0), name, f.value, f.line)
		tiles.Add(widget.NewCard(theme.Raised, widget.Sides(2, 2.5, 1.5, 2.5), box))
	}
	heard := func(q app.Quality) bool { return q.PacketsReceived > 0 }
	told := func(q app.Quality) bool { return q.RTTMS > 0 || q.RemoteLossPercent > 0 } // the other side reports
	add(lang.L("Loss, coming in"), "%.1f %%", 2, func(q app.Quality) (float64, bool) { return q.LossPercent, heard(q) })
	add(lang.L("Loss, going out"), "%.1f %%", 2,
		func(q app.Quality) (float64, bool) { return q.RemoteLossPercent, told(q) })
	add(lang.L("Jitter"), "%.0f ms", 20, func(q app.Quality) (float64, bool) { return q.JitterMS, heard(q) })
	add(lang.L("Round trip"), "%.0f ms", 100, func(q app.Quality) (float64, bool) { return q.RTTMS, q.RTTMS > 0 })
	add(lang.L("Delay"), "%.0f ms", 100, func(q app.Quality) (float64, bool) { return q.DelayMS, q.DelayMS > 0 })
	add(lang.L("Sound, 1 to 4.5"), "%.1f", 4.5, func(q app.Quality) (float64, bool) { return q.MOS, q.MOS > 0 })
	box := container.New(layout.NewCustomPaddedLayout(0, 12, 12, 12), container.New(
		layout.NewCustomPaddedVBoxLayout(2*theme.Step), d.facts.root, tiles,
		container.New(layout.NewCustomPaddedVBoxLayout(0), d.counts, d.address), d.handOffs))
	scroll := flat(container.NewVScroll(box))
	d.root = container.New(&capped{content: box}, scroll)
	return d
}

// capped gives a part that scrolls the height of its content, as far as the window has room for it
// besides the call above and the field for messages below.
type capped struct{ content fyne.CanvasObject }

const (
	cappedBeside float32 = 340 // header, strip, composer and some of the chat
	cappedLeast  float32 = 120
)

func (c *capped) MinSize(o []fyne.CanvasObject) fyne.Size {
	h := c.content.MinSize().Height
	if window := fyne.CurrentApp().Driver().CanvasForObject(o[0]); window != nil {
		h = min(h, max(cappedLeast, window.Size().Height-cappedBeside))
	}
	return fyne.NewSize(100, h)
}

func (c *capped) Layout(o []fyne.CanvasObject, s fyne.Size) { put(o[0], 0, 0, s.Width, s.Height) }

// tileLayout fills rows with tiles of one width that are at least so wide.
type tileLayout struct {
	least float32
	width float32
}

// columns is how many tiles stand in a row: as few as fill as many rows as are needed anyway.
func (t *tileLayout) columns(n int) int {
	most := max(1, min(n, int((t.width+theme.Step*2)/(t.least+theme.Step*2))))
	rows := (n + most - 1) / most
	return (n + rows - 1) / rows
}

func (t *tileLayout) Layout(o []fyne.CanvasObject, s fyne.Size) {
	t.width = s.Width
	n := t.columns(len(o))
	const gap = 2 * theme.Step
	w := (s.Width - gap*float32(n-1)) / float32(n)
	h := t.height(o)
	for i, x := range o {
		put(x, float32(i%n)*(w+gap), float32(i/n)*(h+gap), w, h)
	}
}

func (t *tileLayout) height(o []fyne.CanvasObject) float32 {
	h := float32(0)
	for _, x := range o {
		h = max(h, x.MinSize().Height)
	}
	return h
}

func (t *tileLayout) MinSize(o []fyne.CanvasObject) fyne.Size {
	n := t.columns(len(o))
	rows := (len(o) + n - 1) / n
	return fyne.NewSize(t.least, float32(rows)*(t.height(o)+2*theme.Step)-2*theme.Step)
}

// show fills the details.
func (d *callDetails) show(c app.Call, now time.Time) {
	q := c.Quality
	d.facts.show(c)
	for _, f := range d.figures {
		if v, known := f.read(q); known {
			f.value.SetText(f.words(v))
		}
	}
	counts := lang.L("{{.Sent}} packets sent · {{.Received}} received · {{.Lost}} lost", data{
		"Sent": q.PacketsSent, "Received": q.PacketsReceived, "Lost": q.Lost,
	})
	if q.ConcealedMS >= 1 {
		counts += " · " + lang.L("{{.Time}} of sound filled in", data{"Time": millis(q.ConcealedMS)})
	}
	d.counts.SetText(counts)
	d.address.SetText(ShowAddress(c.Peer))
	d.showHandOffs(c, now)
}

func (d *callDetails) showHandOffs(c app.Call, now time.Time) {
	if n := len(c.HandOffs); n == d.shown && (n == 0 || c.HandOffs[n-1] == d.lastDone) {
		return
	}
	d.handOffs.RemoveAll()
	from := max(0, len(c.HandOffs)-4) // the newest four: the strip must not cover the chat
	for _, h := range c.HandOffs[from:] {
		head := lang.L("{{.Time}} · moved to {{.Link}}, {{.Address}}", data{
			"Time": clock(h.At, now), "Link": h.Link, "Address": h.To,
		})
		gaps := lang.L("silence heard {{.In}}, sent {{.Out}} · re-INVITE {{.Invite}} · REGISTER {{.Register}}", data{
			"In":       millis(h.GapInMS),
			"Out":      millis(h.GapOutMS),
			"Invite":   millis(h.InviteMS),
			"Register": millis(h.RegisterMS),
		})
		row := container.New(&gapBorder{gap: 8}, widget.NewIcon("transfer", theme.Quiet, 14),
			container.New(
				layout.NewCustomPaddedVBoxLayout(0),
				widget.NewText(head, widget.Style{Size: theme.SizeCaption, Shrink: true}),
				widget.NewText(gaps, widget.Caption()),
			))
		d.handOffs.Add(row)
	}
	d.shown = len(c.HandOffs)
	if d.shown > 0 {
		d.lastDone = c.HandOffs[d.shown-1]
	}
}

func millis(v float64) string {
	if v < 0 {
		return "–"
	}
	return fmt.Sprintf("%.0f ms", v)
}

// unfolded draws what was noted while nobody looked.
func (d *callDetails) unfolded() {
	for _, f := range d.figures {
		f.line.Set(f.past)
	}
}

// tick adds one value to each sparkline.
func (d *callDetails) tick(c app.Call) {
	for _, f := range d.figures {
		v, known := f.read(c.Quality)
		if !known {
			continue
		}
		f.past = append(f.past, max(0, v))
		if len(f.past) > sparkFor {
			f.past = f.past[len(f.past)-sparkFor:]
		}
		if d.root.Visible() {
			f.line.Set(f.past)
		}
	}
}
