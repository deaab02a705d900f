package page

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"
	"fyne.io/fyne/v2/layout"
	fynewidget "fyne.io/fyne/v2/widget"

	"github.com/peregrine-softphone/peregrine/app"
	"github.com/peregrine-softphone/peregrine/app/ui/theme"
	"github.com/peregrine-softphone/peregrine/app/ui/widget"
)

// How much of the trace the page keeps: two thousand messages are ten busy minutes, and 8 MB is far
// more than they have.
const (
	traceMost  = 2000
	traceBytes = 8 << 20
)

// Support is the page of details for whoever helps the user: the SIP messages as they go, one of them
// in full, and the figures of accounts and calls.
type Support struct {
	Root             fyne.CanvasObject
	Messages         *widget.Button // the two sides of the page
	Numbers          *widget.Button
	Pause, Copy, All *widget.Button
	Write            *widget.Button
	Path             *widget.Entry
	List             *widget.Feed
	Pane             *fynewidget.Label

	act     Actions
	entries []traceEntry
	bytes   int
	next    uint64 // number of the next message
	chosen  uint64 // number of the one shown in full; 0: none
	dropped int    // not shown because they came too fast
	missed  int    // not shown because the page was paused
	count   *widget.Text
	figures *fynewidget.Label
	split   *fyne.Container
	numbers fyne.CanvasObject
	file    string // where the trace goes; "": nowhere
	zone    *time.Location
}

type traceEntry struct {
	app.TraceEntry
	number uint64
	what   string
	alert  bool
}

// NewSupport returns the page; times are shown in the zone of now.
func NewSupport(act Actions, now time.Time) *Support {
	s := &Support{
		act: act, next: 1, zone: now.Location(), count: widget.NewText("", widget.Caption()),
		Pane: fynewidget.NewLabel(lang.L("Choose a message to read it in full.")), figures: fynewidget.NewLabel(""),
	}
	for _, l := range []*fynewidget.Label{s.Pane, s.figures} {
		l.TextStyle.Monospace, l.Selectable, l.Wrapping, l.SizeName = true, true, fyne.TextWrapBreak, "helperText"
	}
	s.Messages = widget.NewButton("", lang.L("Messages"), widget.Tonal, func() { s.turn(true) }).Height(32)
	s.Numbers = widget.NewButton("", lang.L("Figures"), widget.Tonal, func() { s.turn(false) }).Height(32)
	s.Pause = widget.NewButton("hold", lang.L("Pause"), widget.Tonal, s.pause).Height(32)
	s.Copy = widget.NewButton("copy", lang.L("Copy"), widget.Tonal, func() { act.Copy(s.Pane.Text) }).Height(32)
	s.All = widget.NewButton("copy", lang.L("Copy all"), widget.Tonal, s.copyAll).Height(32)
	s.Write = widget.NewButton("save", lang.L("Write to a file"), widget.Tonal, s.write)
	s.Path = widget.NewEntry(lang.L("File"))
	if home, err := os.UserHomeDir(); err == nil {
		s.Path.SetText(filepath.Join(home, "peregrine-sip.txt"))
	}
	s.Path.OnEnter = s.write
	s.Copy.Disable()
	s.List = widget.NewFeed(widget.FeedSource{
		Count: func() int { return len(s.entries) }, Kind: func(int) int { return 0 },
		Height: func(int, float32) float32 { return widget.TraceHeight },
		Create: func(int) fyne.CanvasObject { return widget.NewTraceRow() },
		Update: s.update,
		Key:    func(i int) string { return fmt.Sprint(s.entries[i].number) },
		Choose: s.choose,
	})
	s.List.ToEnd, s.List.FromTop = true, true
	s.Root = s.build()
	s.turn(true)
	s.say()
	return s
}

func (s *Support) build() fyne.CanvasObject {
	tools := container.New(&flow{}, s.Messages, s.Numbers, widget.Gap(2), s.Pause, s.Copy, s.All)
	file := container.NewBorder(nil, nil, nil, container.New(layout.NewCustomPaddedLayout(0, 0, 8, 0), s.Write), s.Path)
	head := container.New(layout.NewCustomPaddedLayout(12, 8, 16, 16),
		container.New(layout.NewCustomPaddedVBoxLayout(2*theme.Step), tools, file, s.count))
	pane := widget.NewCard(theme.Surface, widget.Even(2), flat(container.NewVScroll(s.Pane)))
	s.split = container.New(&sides{}, s.List, pane)
	s.numbers = container.New(layout.NewCustomPaddedLayout(0, 16, 16, 16),
		widget.NewCard(theme.Surface, widget.Even(2), flat(container.NewVScroll(s.figures))))
	return container.New(&topped{}, head, container.NewStack(s.split, s.numbers))
}

// topped puts a part that wraps above one that takes what is left.
type topped struct{}

func (t *topped) MinSize([]fyne.CanvasObject) fyne.Size { return fyne.NewSize(200, 200) }
func (t *topped) Layout(o []fyne.CanvasObject, s fyne.Size) {
	h := float32(0)
	for range 2 { // its height is known once it has its width
		o[0].Resize(fyne.NewSize(s.Width, o[0].MinSize().Height))
		h = o[0].MinSize().Height
	}
	put(o[0], 0, 0, s.Width, h)
	put(o[1], 0, h, s.Width, s.Height-h)
}

// sides puts a list and what it opens beside each other, or where there is less room above each other.
type sides struct{}

// sidesFrom is the width at which a message fits beside the list: its lines are 80 characters long.
const sidesFrom float32 = 1000

func (*sides) MinSize([]fyne.CanvasObject) fyne.Size { return fyne.NewSize(200, 160) }
func (*sides) Layout(o []fyne.CanvasObject, s fyne.Size) {
	const edge = 16
	if s.Width >= sidesFrom {
		list := s.Width * 0.5
		put(o[0], 8, 0, list-8, s.Height-edge)
		put(o[1], list+8, 0, s.Width-list-8-edge, s.Height-edge)
		return
	}
	list := s.Height * 0.45
	put(o[0], 8, 0, s.Width-16, list)
	put(o[1], edge, list+8, s.Width-2*edge, s.Height-list-8-edge)
}

// turn shows the messages or the figures.
func (s *Support) turn(messages bool) {
	show(s.split, messages)
	show(s.numbers, !messages)
	s.Messages.SetOn(messages)
	s.Numbers.SetOn(!messages)
}

func (s *Support) pause() {
	on := !s.Pause.On()
	s.Pause.SetOn(on)
	if on {
		s.Pause.SetText(lang.L("Go on"))
	} else {
		s.Pause.SetText(lang.L("Pause"))
	}
	s.say()
}

// Add shows messages that came; dropped is how many were left out because they came too fast.
func (s *Support) Add(entries []app.TraceEntry, dropped int) {
	s.dropped += dropped
	if s.Pause.On() {
		s.missed += len(entries)
		s.say()
		return
	}
	for _, e := range entries {
		what, alert := traceSummary(e.Text)
		s.entries = append(s.entries, traceEntry{TraceEntry: e, number: s.next, what: what, alert: alert})
		s.next++
		s.bytes += len(e.Text)
	}
	gone := 0
	for len(s.entries)-gone > traceMost || s.bytes > traceBytes {
		s.bytes -= len(s.entries[gone].Text)
		gone++
	}
	s.entries = append(s.entries[:0:0], s.entries[gone:]...)
	s.say()
	s.List.Reload()
}

// say tells how many messages there are, and how many are not among them.
func (s *Support) say() {
	words := []string{lang.L("{{.Count}} messages", data{"Count": len(s.entries)})}
	if s.missed > 0 {
		words = append(words, lang.L("{{.Count}} not shown while paused", data{"Count": s.missed}))
	}
	if s.dropped > 0 {
		words = append(words, lang.L("{{.Count}} left out, they came too fast", data{"Count": s.dropped}))
	}
	if s.file != "" {
		words = append(words, lang.L("everything goes to {{.Path}}", data{"Path": s.file}))
	}
	words = append(words, lang.L("passwords and texts are masked"))
	s.count.SetText(strings.Join(words, " · "))
}

func (s *Support) update(i int, o fyne.CanvasObject) {
	e, row := s.entries[i], o.(*widget.TraceRow)
	row.OnTapped = func() { s.choose(i) }
	row.Set(widget.TraceLine{
		Time: e.At.In(s.zone).Format("15:04:05.000"), Out: e.Out, What: e.what, Alert: e.alert,
		Peer: e.Transport + " " + e.Remote, Selected: e.number == s.chosen, Focused: s.List.Cursor() == i,
	})
}

// choose shows a message in full.
func (s *Support) choose(i int) {
	if i >= len(s.entries) {
		return
	}
	s.chosen = s.entries[i].number
	s.Pane.SetText(traceText(s.entries[i].TraceEntry, s.zone))
	s.Copy.Enable()
	s.List.Reload()
}

// traceText is a message with a line that tells when, and from where to where.
func traceText(e app.TraceEntry, zone *time.Location) string {
	from, to := e.Remote, e.Local
	if e.Out {
		from, to = e.Local, e.Remote
	}
	return e.At.In(zone).Format("2006-01-02 15:04:05.000") + " " + e.Transport + " " + from + " → " + to + "\n\n" +
		strings.ReplaceAll(e.Text, "\r\n", "\n")
}

func (s *Support) copyAll() {
	if s.numbers.Visible() {
		s.act.Copy(s.figures.Text)
		return
	}
	var b strings.Builder
	for _, e := range s.entries {
		b.WriteString(traceText(e.TraceEntry, s.zone))
		b.WriteString("\n\n")
	}
	s.act.Copy(b.String())
}

// write begins to write the trace into the file named, or ends it.
func (s *Support) write() {
	path := strings.TrimSpace(s.Path.Text)
	if s.file != "" {
		path = ""
	} else if path == "" {
		s.act.Tell(lang.L("Type the name of the file to write to."), "")
		return
	}
	s.act.TraceTo(path, func(err error) {
		if err != nil {
			s.act.Tell(ErrorText(err))
			return
		}
		s.setFile(path)
	})
}

func (s *Support) setFile(path string) {
	s.file = path
	if path == "" {
		s.Write.SetText(lang.L("Write to a file"))
		s.Path.Enable()
	} else {
		s.Write.SetText(lang.L("Stop writing"))
		s.Path.SetText(path)
		s.Path.Disable()
	}
	s.say()
}

// Show fills in the figures.
func (s *Support) Show(snap app.Snapshot, now time.Time) {
	if path := snap.Settings["trace.file"]; path != "" && path != s.file {
		s.setFile(path)
	}
	if text := supportFigures(snap, now); text != s.figures.Text {
		s.figures.SetText(text)
	}
}
