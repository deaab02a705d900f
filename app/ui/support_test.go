package ui

import (
	"fmt"
	"strings"
	"testing"

	"fyne.io/fyne/v2"
	fynetest "fyne.io/fyne/v2/test"

	"github.com/peregrine-softphone/peregrine/app"
	"github.com/peregrine-softphone/peregrine/app/ui/uitest"
	"github.com/peregrine-softphone/peregrine/app/ui/widget"
)

func support(t *testing.T) *harness {
	t.Helper()
	h := open(t, uitest.Accounts(uitest.Noon()), fyne.NewSize(1600, 900)) // the message beside the list
	h.ShowDetails()
	h.until("the trace is there", func() bool { return h.support.List.Rows() == 12 })
	return h
}

func TestTraceShowsMessages(t *testing.T) {
	h := support(t)
	row, ok := h.support.List.Row(1).(*widget.TraceRow)
	if !ok || row.Line().What != "401 Unauthorized (REGISTER)" || row.Line().Out || row.Line().Alert {
		t.Fatalf("row 1: %+v", row)
	}
	busy, ok := h.support.List.Row(10).(*widget.TraceRow)
	if !ok || busy.Line().What != "486 Busy Here (INVITE)" || !busy.Line().Alert {
		t.Fatalf("row 10: %+v", busy)
	}
	busy.OnTapped()
	if text := h.support.Pane.Text; !strings.Contains(text, "CSeq: 4 INVITE") || !strings.Contains(text, "192.0.2.1:5061 → 192.0.2.10:40312") {
		t.Errorf("the message: %q", text)
	}
	fynetest.Tap(h.support.Copy)
	if got := h.app.Clipboard().Content(); got != h.support.Pane.Text {
		t.Errorf("copied: %q", got)
	}
	fynetest.Tap(h.support.All)
	if got := h.app.Clipboard().Content(); strings.Count(got, "CSeq: ") != 12 {
		t.Errorf("%d messages copied, want 12", strings.Count(got, "CSeq: "))
	}
}

func TestTraceByKeyboard(t *testing.T) {
	h := support(t)
	h.win.Canvas().Focus(h.support.List)
	h.key(fyne.KeyDown)
	h.key(fyne.KeyReturn)
	if !strings.Contains(h.support.Pane.Text, "SIP/2.0 401 Unauthorized") {
		t.Errorf("shown: %.40q", h.support.Pane.Text)
	}
}

func TestTracePausesAndEnds(t *testing.T) {
	h := support(t)
	fynetest.Tap(h.support.Pause)
	h.e.Wire(app.TraceEntry{Text: "OPTIONS sip:x SIP/2.0\r\n\r\n"})
	h.until("it is counted", func() bool {
		return h.says("12 messages · 1 not shown while paused · passwords and texts are masked")
	})
	fynetest.Tap(h.support.Pause)
	h.e.Wire(app.TraceEntry{Text: "OPTIONS sip:y SIP/2.0\r\n\r\n"})
	h.until("the next one is shown", func() bool { return h.support.List.Rows() == 13 })
	h.Back()
	h.until("nobody watches any more", func() bool { return h.e.Tracers() == 0 })
	if h.view != viewSettings {
		t.Error("the way back does not lead to the settings")
	}
}

func TestTraceIsBounded(t *testing.T) {
	h := support(t)
	batch := make([]app.TraceEntry, 500)
	for i := range batch {
		batch[i] = app.TraceEntry{At: uitest.Noon(), Text: fmt.Sprintf("INFO sip:%d SIP/2.0\r\n\r\n", i)}
	}
	for range 10 {
		h.support.Add(batch, 3)
	}
	if h.support.List.Rows() != 2000 || h.support.List.Live() > 40 {
		t.Errorf("%d rows, %d drawn", h.support.List.Rows(), h.support.List.Live())
	}
	if !h.says("2000 messages · 30 left out, they came too fast · passwords and texts are masked") {
		t.Error("what was left out is not counted")
	}
	huge := app.TraceEntry{Text: strings.Repeat("x", 5<<20)}
	h.support.Add([]app.TraceEntry{huge, huge}, 0)
	if h.support.List.Rows() != 1 {
		t.Errorf("%d rows of 5 MB, want 1", h.support.List.Rows())
	}
}

func TestTraceGoesToAFile(t *testing.T) {
	h := support(t)
	h.support.Path.SetText("/tmp/sip.txt")
	fynetest.Tap(h.support.Write)
	h.verb("TraceTo /tmp/sip.txt")
	h.until("it says so", func() bool { return h.support.Write.Text() == "Stop writing" && h.support.Path.Disabled() })
	fynetest.Tap(h.support.Write)
	h.verb("TraceTo ")
	h.until("it has stopped", func() bool { return h.support.Write.Text() == "Write to a file" })
}

func TestFiguresForSupport(t *testing.T) {
	h := open(t, uitest.Call(uitest.Noon()), wide())
	h.ShowDetails()
	fynetest.Tap(h.support.Numbers)
	fynetest.Tap(h.support.All)
	text := h.app.Clipboard().Content()
	for _, want := range []string{"account   alice@info.test (sip)", "loss      0.1 %", "roundtrip 24 ms", "hand-off  14:03 to 198.51.100.7 (wlan0)"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in %q", want, text)
		}
	}
}

// BenchmarkTrace is a batch of 40 messages, a fifth of a second at 200 a second, into a full page.
func BenchmarkTrace(b *testing.B) {
	a := fynetest.NewTempApp(b)
	e := uitest.New(uitest.Accounts(uitest.Noon()), uitest.Noon)
	w := newWindow(a, e, newBinder(b.Context(), func(func()) {}), Options{Now: uitest.Noon}.withDefaults())
	w.win.Resize(wide())
	w.ShowDetails()
	batch := make([]app.TraceEntry, 40)
	for i := range batch {
		batch[i] = uitest.Trace(uitest.Noon())[i%12]
	}
	for range 50 {
		w.support.Add(batch, 0)
	}
	for b.Loop() {
		w.support.Add(batch, 0)
	}
}
