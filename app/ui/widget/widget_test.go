package widget_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/driver/desktop"
	fynetest "fyne.io/fyne/v2/test"

	"github.com/peregrine-softphone/peregrine/app/ui/theme"
	"github.com/peregrine-softphone/peregrine/app/ui/widget"
)

var update = flag.Bool("update", false, "write the golden files anew")

func start(t *testing.T, mode theme.Mode) {
	t.Helper()
	fynetest.NewTempApp(t).Settings().SetTheme(theme.New(mode))
}

// golden compares the drawing of an object with testdata/NAME.
func golden(t *testing.T, name string, o fyne.CanvasObject, size fyne.Size) {
	t.Helper()
	w := fynetest.NewTempWindow(t, o)
	w.SetPadded(false)
	w.Resize(size)
	got := fynetest.RenderToMarkup(w.Canvas())
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: the drawing is another (write it anew with -update); got\n%s", path, got)
	}
}

func TestGoldens(t *testing.T) {
	person := widget.Person{Name: "Chloé Nguyen", Address: "sip:chloe@info.test", Presence: "lunch", Line: "back at two", Time: "14:02", Unread: 3}
	failed := widget.BubbleData{
		Outgoing: true, Text: "Here is the agenda for Thursday, with a second line.", Time: "14:04", Mark: "alert", First: true, Last: true,
		Below: "Bob's program cannot receive messages.", Action: "Try again", Alert: true,
	}
	for _, mode := range []theme.Mode{theme.Dark, theme.Light} {
		t.Run(string(mode), func(t *testing.T) {
			start(t, mode)
			row := widget.NewPersonRow()
			row.Set(person)
			golden(t, "person_"+string(mode)+".xml", row, fyne.NewSize(300, widget.PersonHeight))
			bubble := widget.NewBubble()
			bubble.Set(failed)
			golden(t, "bubble_"+string(mode)+".xml", bubble, fyne.NewSize(320, widget.BubbleHeight(failed, 320)))
			golden(t, "button_"+string(mode)+".xml", widget.NewButton("phone", "Call", widget.Tonal, nil), fyne.NewSize(100, 36))
			person := person
			person.Lamp, person.Unread = "busy", 0
			watched := widget.NewPersonRow()
			watched.Set(person)
			golden(t, "lamp_"+string(mode)+".xml", watched, fyne.NewSize(300, widget.PersonHeight))
			wire := widget.NewTraceRow()
			wire.Set(widget.TraceLine{Time: "14:05:09.123", Out: true, What: "INVITE bob@info.test", Peer: "tls 192.0.2.1:5061"})
			golden(t, "trace_"+string(mode)+".xml", wire, fyne.NewSize(560, widget.TraceHeight))
			tabs := widget.NewTabs([]string{"users", "clock"}, []string{"Buddies", "Recent"})
			tabs.SetBadge(1, 3)
			golden(t, "tabs_"+string(mode)+".xml", tabs, fyne.NewSize(240, 56))
			toggle := widget.NewToggle("Noise suppression", nil)
			toggle.Set(true)
			golden(t, "toggle_"+string(mode)+".xml", toggle, fyne.NewSize(300, 28))
			meter := widget.NewMeter()
			meter.Set(0.4)
			golden(t, "meter_"+string(mode)+".xml", meter, fyne.NewSize(200, 6))
			bars := widget.NewBars()
			bars.Set(2)
			golden(t, "bars_"+string(mode)+".xml", bars, fyne.NewSize(19, 14))
		})
	}
}

func TestPresenceIsToldByForm(t *testing.T) {
	forms := map[string]widget.Presence{}
	for _, p := range []widget.Presence{"online", "away", "busy", "on_the_phone", "lunch", "offline", "unknown"} {
		icon := widget.PresenceIcon(p)
		if other, ok := forms[icon]; ok {
			t.Errorf("%s and %s have the same form", p, other)
		}
		forms[icon] = p
	}
}

func TestLampIsToldByForm(t *testing.T) {
	start(t, theme.Dark)
	forms := map[string]string{}
	for _, lamp := range []string{"idle", "ringing", "busy", "unknown"} {
		icon := widget.NewIcon("", theme.Quiet, 13)
		widget.SetLamp(icon, lamp)
		if other, ok := forms[icon.Name()]; ok {
			t.Errorf("%s and %s have the same form", lamp, other)
		}
		forms[icon.Name()] = lamp
	}
}

func TestEnterAndSpaceCanDiffer(t *testing.T) {
	start(t, theme.Dark)
	n := 3
	var chosen, entered []int
	f := rows(&n, &chosen)
	f.Source.Enter = func(i int) bool { entered = append(entered, i); return i != 2 }
	w := fynetest.NewTempWindow(t, f)
	w.Resize(fyne.NewSize(200, 200))
	f.Reload()
	w.Canvas().Focus(f)
	f.SetCursor(1)
	f.TypedKey(&fyne.KeyEvent{Name: fyne.KeyReturn})
	f.TypedKey(&fyne.KeyEvent{Name: fyne.KeySpace})
	f.SetCursor(2)
	f.TypedKey(&fyne.KeyEvent{Name: fyne.KeyReturn}) // declined: as a click
	if fmt.Sprint(entered) != "[1 2]" || fmt.Sprint(chosen) != "[1 2]" {
		t.Errorf("entered %v, chosen %v; want [1 2] and [1 2]", entered, chosen)
	}
}

func TestInitials(t *testing.T) {
	for name, want := range map[string]string{
		"Bob Keller": "BK", "Chloé": "C", "élodie van Dam": "ÉD", "": "?", "…": "?", "sip:4930@x": "SX", "Ümit Özil (home)": "ÜH",
	} {
		if got := widget.Initials(name); got != want {
			t.Errorf("Initials(%q): got %q, want %q", name, got, want)
		}
	}
}

func TestShortenFits(t *testing.T) {
	start(t, theme.Dark)
	long := strings.Repeat("Übergabe zwischen Netzen ", 40)
	for _, width := range []float32{0, 8, 40, 120, 300} {
		got := widget.Shorten(long, 14, false, width)
		if w := fyne.MeasureText(got, 14, fyne.TextStyle{}).Width; w > width+0.5 {
			t.Errorf("width %v: %q is %v wide", width, got, w)
		}
	}
	if got := widget.Shorten("Bob", 14, false, 200); got != "Bob" {
		t.Errorf("got %q, want Bob", got)
	}
}

func TestWrapKeepsEveryCharacter(t *testing.T) {
	start(t, theme.Dark)
	texts := []string{
		"one", "", "a\n\nb", "The demo moved to Thursday, can you take the second half?",
		strings.Repeat("Donaudampfschifffahrt", 20), "https://example.org/" + strings.Repeat("x", 200) + " and more", "日本語のとても長い文章です" + strings.Repeat("字", 80),
	}
	for _, text := range texts {
		lines := widget.Wrap(text, 14, 200)
		strip := func(s string) string { return strings.NewReplacer(" ", "", "\n", "").Replace(s) }
		if got, want := strip(strings.Join(lines, "")), strip(text); got != want {
			t.Errorf("Wrap(%.20q): got %q, want %q", text, got, want)
		}
		for _, l := range lines {
			if w := fyne.MeasureText(l, 14, fyne.TextStyle{}).Width; w > 201 {
				t.Errorf("Wrap(%.20q): line %q is %v wide", text, l, w)
			}
		}
	}
}

// rows is a feed of n rows whose heights differ.
func rows(n *int, chosen *[]int) *widget.Feed {
	return widget.NewFeed(widget.FeedSource{
		Count: func() int { return *n }, Kind: func(i int) int { return i % 2 },
		Height: func(i int, _ float32) float32 { return float32(20 + i%3*10) },
		Create: func(int) fyne.CanvasObject { return widget.NewText("", widget.Style{}) },
		Update: func(i int, o fyne.CanvasObject) { o.(*widget.Text).SetText(fmt.Sprint("row ", i)) },
		Key:    func(i int) string { return fmt.Sprint(*n - i) }, // rows are added at the front
		Choose: func(i int) { *chosen = append(*chosen, i) },
	})
}

func TestFeedDrawsOnlyWhatIsVisible(t *testing.T) {
	start(t, theme.Dark)
	n := 10000
	f := rows(&n, nil)
	w := fynetest.NewTempWindow(t, f)
	w.SetPadded(false)
	w.Resize(fyne.NewSize(200, 300))
	f.Reload()
	if f.Rows() != n || f.Live() < 8 || f.Live() > 20 {
		t.Fatalf("%d rows, %d drawn; want %d and about 10", f.Rows(), f.Live(), n)
	}
	fynetest.Scroll(w.Canvas(), fyne.NewPos(100, 100), 0, -150000)
	if f.Row(0) != nil || f.Live() > 20 {
		t.Errorf("after scrolling row 0 still exists, or too many do: %d", f.Live())
	}
}

func TestFeedStaysAtItsEnd(t *testing.T) {
	start(t, theme.Dark)
	n := 50
	f := rows(&n, nil)
	f.ToEnd = true
	w := fynetest.NewTempWindow(t, f)
	w.SetPadded(false)
	w.Resize(fyne.NewSize(200, 300))
	f.Reload()
	if f.Row(49) == nil {
		t.Fatal("the last row is not visible at the start")
	}
	n = 60
	f.Reload()
	if f.Row(59) == nil {
		t.Error("the last row is not visible after ten more came")
	}
	w.Resize(fyne.NewSize(200, 150))
	if f.Row(59) == nil {
		t.Error("the last row is not visible after the window became lower")
	}
}

func TestFeedKeepsItsTopmostRowWhenResized(t *testing.T) {
	start(t, theme.Dark)
	n := 50
	f := rows(&n, nil)
	f.ToEnd = true
	w := fynetest.NewTempWindow(t, f)
	w.SetPadded(false)
	w.Resize(fyne.NewSize(200, 300))
	f.Reload()
	fynetest.Scroll(w.Canvas(), fyne.NewPos(100, 100), 0, 700)
	top := -1
	for i := range n {
		if f.Row(i) != nil {
			top = i
			break
		}
	}
	if top <= 0 || f.Row(49) != nil {
		t.Fatalf("topmost row %d, last row visible %v: want the middle", top, f.Row(49) != nil)
	}
	for _, size := range []fyne.Size{{Width: 200, Height: 120}, {Width: 200, Height: 330}, {Width: 320, Height: 200}, {Width: 200, Height: 300}} {
		w.Resize(size)
		if f.Row(top) == nil || f.Row(top-1) != nil {
			t.Errorf("at %v row %d is not the topmost", size, top)
		}
	}
}

func TestFeedKeepsItsPlaceWhenOlderRowsCome(t *testing.T) {
	start(t, theme.Dark)
	n := 100
	f := rows(&n, nil)
	f.ToEnd = true
	w := fynetest.NewTempWindow(t, f)
	w.SetPadded(false)
	w.Resize(fyne.NewSize(200, 300))
	f.Reload()
	fynetest.Scroll(w.Canvas(), fyne.NewPos(100, 100), 0, 1000)
	first := func() int {
		for i := range f.Rows() {
			if f.Row(i) != nil {
				return i
			}
		}
		return -1
	}
	before := n - first()
	n = 400
	f.Reload()
	if after := n - first(); after != before {
		t.Errorf("the first visible row was %d from the end, is %d", before, after)
	}
}

func TestFeedByKeyboard(t *testing.T) {
	start(t, theme.Dark)
	n := 30
	var chosen []int
	f := rows(&n, &chosen)
	w := fynetest.NewTempWindow(t, f)
	w.SetPadded(false)
	w.Resize(fyne.NewSize(200, 100))
	f.Reload()
	w.Canvas().Focus(f)
	for range 6 {
		f.TypedKey(&fyne.KeyEvent{Name: fyne.KeyDown})
	}
	f.TypedKey(&fyne.KeyEvent{Name: fyne.KeyReturn})
	if len(chosen) != 1 || chosen[0] != 6 {
		t.Errorf("chosen: got %v, want [6]", chosen)
	}
	if f.Row(6) == nil {
		t.Error("the row at the keyboard is not visible")
	}
}

func TestEntryEnterAndShiftEnter(t *testing.T) {
	start(t, theme.Dark)
	e := widget.NewTextArea("Write")
	sent := 0
	e.OnEnter = func() { sent++ }
	w := fynetest.NewTempWindow(t, e)
	w.Canvas().Focus(e)
	fynetest.Type(e, "one")
	e.KeyDown(&fyne.KeyEvent{Name: desktop.KeyShiftLeft})
	e.TypedKey(&fyne.KeyEvent{Name: fyne.KeyReturn})
	e.KeyUp(&fyne.KeyEvent{Name: desktop.KeyShiftLeft})
	fynetest.Type(e, "two")
	if e.Text != "one\ntwo" || sent != 0 {
		t.Fatalf("after Shift+Enter: text %q, sent %d times", e.Text, sent)
	}
	e.TypedKey(&fyne.KeyEvent{Name: fyne.KeyReturn})
	if sent != 1 {
		t.Errorf("sent %d times, want once", sent)
	}
}

func TestButtonByKeyboard(t *testing.T) {
	start(t, theme.Dark)
	tapped := 0
	b := widget.NewIconButton("phone", "Call", widget.Plain, func() { tapped++ })
	w := fynetest.NewTempWindow(t, b)
	w.Canvas().Focus(b)
	b.TypedKey(&fyne.KeyEvent{Name: fyne.KeySpace})
	b.Disable()
	b.TypedKey(&fyne.KeyEvent{Name: fyne.KeyReturn})
	if tapped != 1 {
		t.Errorf("tapped %d times, want once: a disabled button does nothing", tapped)
	}
	if b.AccessibilityLabel() != "Call" {
		t.Errorf("label: got %q", b.AccessibilityLabel())
	}
}

func BenchmarkFeedReload10000(b *testing.B) {
	fynetest.NewTempApp(b).Settings().SetTheme(theme.New(theme.Dark))
	n := 10000
	f := rows(&n, nil)
	w := fynetest.NewTempWindow(b, f)
	w.Resize(fyne.NewSize(300, 600))
	for b.Loop() {
		f.Reload()
	}
}
