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

// callDetails is what is under the quality bars: figures with sparklines, counts, hand-offs.
type callDetails struct {
	root     *fyne.Container
	figures  []*figure
	counts   *widget.Text
	path     *widget.Text
	handOffs *fyne.Container
	shown    int // hand-offs drawn
	lastDone app.HandOff
}

func newCallDetails() *callDetails {
	d := &callDetails{
		counts: widget.NewText("", widget.Caption()), path: widget.NewText("", widget.Caption()),
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
	add(
		lang.L("Loss"),
		"%.1f %%",
		2,
		func(q app.Quality) (float64, bool) { return q.LossPercent, q.PacketsReceived > 0 },
	)
	add(
		lang.L("Jitter"),
		"%.0f ms",
		20,
		func(q app.Quality) (float64, bool) { return q.JitterMS, q.PacketsReceived > 0 },
	)
	add(lang.L("Round trip"), "%.0f ms", 100, func(q app.Quality) (float64, bool) { return q.RTTMS, q.RTTMS > 0 })
	add(lang.L("Buffer"), "%.0f ms", 100, func(q app.Quality) (float64, bool) { return q.DelayMS, q.DelayMS > 0 })
	add(lang.L("Sound, 1 to 4.5"), "%.1f", 4.5, func(q app.Quality) (float64, bool) { return q.MOS, q.MOS > 0 })
	d.root = container.New(layout.NewCustomPaddedLayout(0, 12, 12, 12),
		container.New(layout.NewCustomPaddedVBoxLayout(2*theme.Step), tiles, d.path, d.counts, d.handOffs))
	return d
}

// tileLayout fills rows with tiles of one width that are at least so wide.
type tileLayout struct {
	least float32
	width float32
}

func (t *tileLayout) columns(n int) int {
	return max(1, min(n, int((t.width+theme.Step*2)/(t.least+theme.Step*2))))
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

func (d *callDetails) show(c app.Call, now time.Time) {
	q := c.Quality
	for _, f := range d.figures {
		if v, known := f.read(q); known {
			f.value.SetText(f.words(v))
		}
	}
	d.counts.SetText(lang.L("{{.Sent}} packets sent · {{.Received}} received · {{.Lost}} lost", data{
		"Sent": q.PacketsSent, "Received": q.PacketsReceived, "Lost": q.Lost,
	}))
	secure := lang.L("Not encrypted")
	if c.Encryption != "" && c.Encryption != "none" {
		secure = c.Encryption
	}
	d.path.SetText(CodecName(c.Codec) + " · " + secure + " · " + ShowAddress(c.Peer))
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
