//go:build lab && linux

package desktop

import (
	"image"
	"image/color"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// walk is one newcomer on the way through the program.
type walk struct {
	t        *testing.T // of the station
	s        *screen
	sound    *sound
	p        *program
	wire     *capture
	window   string // number of the main window
	colors   palette
	pictures string // folder of those for the documentation
	echo     string // Echo's address
	buttons  []image.Point
	hangup   image.Point
}

// The places of strip.buttons while a call is up (UI.md: the same buttons in the same order).
const (
	buttonMute = iota
	buttonKeypad
	buttonHold
	buttonMore
	buttonCount
)

// TestNewcomer goes through the demo with the real window as somebody who has just got the program:
// each station is a subtest, and those that follow need it.
func TestNewcomer(t *testing.T) {
	w := &walk{t: t, s: newScreen(t), sound: newSound(t), wire: newCapture(t), colors: dark()}
	w.pictures = os.Getenv("PEREGRINE_SCREENS")
	if w.pictures == "" {
		w.pictures = t.ArtifactDir()
	}
	w.p = launch(t, append(w.sound.env, "DISPLAY="+w.s.display), "peregrine")
	w.window = w.s.window(w.p.cmd.Process.Pid, "^Peregrine$")
	w.p.ready()
	stations := []struct {
		name string
		run  func(*walk)
	}{
		{"three cards", (*walk).threeCards},
		{"Echo is online", (*walk).echoOnline},
		{"chat", (*walk).chat},
		{"Echo changes its status", (*walk).statusChanges},
		{"call", (*walk).call},
		{"own voice comes back", (*walk).ownVoice},
		{"quality", (*walk).quality},
		{"mute", (*walk).mute},
		{"hold", (*walk).hold},
		{"keypad", (*walk).keypad},
		{"another codec", (*walk).codec},
		{"transfer", (*walk).transfer},
		{"hang up", (*walk).hangUp},
		{"history", (*walk).history},
		{"support", (*walk).support},
		{"settings", (*walk).settings},
		{"sound", (*walk).soundPage},
		{"light and dark", (*walk).lightAndDark},
		{"narrow window", (*walk).narrow},
		{"incoming call", (*walk).incoming},
		{"quit", (*walk).quit},
	}
	for _, station := range stations {
		ok := t.Run(station.name, func(t *testing.T) {
			w.t, w.s.t, w.p.t, w.sound.t = t, t, t, t
			defer func() {
				if t.Failed() {
					save(t, w.s.look(), filepath.Join(t.ArtifactDir(), "failed.png"))
				}
			}()
			station.run(w)
		})
		w.t, w.s.t, w.p.t, w.sound.t = t, t, t, t
		if !ok {
			return
		}
	}
}

// inside is the picture of the window as it is now.
func (w *walk) inside() *image.RGBA {
	w.t.Helper()
	return w.s.picture(w.window)
}

// keep saves the picture of a station: with a name without folder for the documentation, else only
// among the artifacts.
func (w *walk) keep(name string, img image.Image) {
	w.t.Helper()
	dir := w.pictures
	if extra, ok := strings.CutPrefix(name, "more/"); ok {
		dir, name = w.t.ArtifactDir(), extra
	}
	save(w.t, img, filepath.Join(dir, name+".png"))
}

// click clicks at a place of the window and moves the pointer away, so that nothing is drawn as
// hovered.
func (w *walk) click(at image.Point) {
	w.t.Helper()
	w.clickIn(w.window, at)
}

func (w *walk) clickIn(window string, at image.Point) {
	w.t.Helper()
	w.s.do("mousemove", "--sync", "--window", window, strconv.Itoa(at.X), strconv.Itoa(at.Y), "click", "1")
	w.s.away()
}

func (w *walk) press(keys ...string) {
	w.t.Helper()
	for _, k := range keys {
		w.s.do("key", "--clearmodifiers", k)
	}
}

func (w *walk) write(text string) {
	w.t.Helper()
	w.s.do("type", "--delay", "15", text)
}

// sees waits until a colour is in a part of the window, and returns where.
func (w *walk) sees(what string, part func(size image.Point) image.Rectangle, c color.RGBA, least int) (box image.Rectangle) {
	w.t.Helper()
	await(w.t, what+" in the window", func() bool {
		img := w.inside()
		box = spot(img, part(img.Rect.Max), c, least)
		return !box.Empty()
	})
	return box
}

// sidebar is the width of the list: where the line below the header of the person begins.
func (w *walk) sidebar() int {
	w.t.Helper()
	img := w.inside()
	y := img.Rect.Dy() / 3
	first := img.RGBAAt(2, y)
	if !like(first, w.colors.surface) {
		w.t.Fatalf("the left edge is %v, not the surface of the list", first)
	}
	lines := runs(img, across(y, img.Rect.Dx()/5, img.Rect.Dx()/2), w.colors.window, 8)
	if len(lines) == 0 {
		w.t.Fatal("no place where the list ends")
	}
	return lines[0].Min.X
}

// threeCards: the first start offers three ways in, and nothing else is there yet.
func (w *walk) threeCards() {
	if list := w.p.accounts(); len(list) != 0 {
		w.t.Fatalf("a new profile has accounts: %v", list)
	}
	var cards []image.Rectangle
	await(w.t, "three cards", func() bool {
		img := w.inside()
		// A line through the left margins of the cards, 12 units wide, where there is nothing else.
		for x := 0; x < img.Rect.Dx()/2; x++ {
			if cards = runs(img, down(x, 0, img.Rect.Dy()), w.colors.surface, 48); len(cards) == 3 {
				return true
			}
		}
		return false
	})
	w.keep("start", w.s.still(w.window))
	card := cards[2]
	w.click(image.Pt(w.inside().Rect.Dx()/2, center(card).Y)) // "Just try it"
	await(w.t, "the demo account", func() bool {
		list := w.p.accounts()
		return len(list) == 1 && list[0].State == "registered"
	})
}

// echoRow is where the list stands below the own identity and the search field.
func (w *walk) echoRow(size image.Point) image.Rectangle {
	return image.Rect(0, 125, size.X*2/7, size.Y-60)
}

// echoOnline: the buddy is there, on line, and the list shows it by the green disc.
func (w *walk) echoOnline() {
	await(w.t, "Echo on line", func() bool {
		b, ok := w.p.buddyNamed("Echo")
		w.echo = b.Address
		return ok && b.Status == "online"
	})
	w.sees("a green disc", w.echoRow, w.colors.good, 20)
	w.keep("more/list", w.s.still(w.window))
}

// chat: the newcomer opens the chat by the row, writes, and is answered.
func (w *walk) chat() {
	w.click(center(w.sees("a green disc", w.echoRow, w.colors.good, 20)))
	side := w.sidebar()
	w.sees("the button to call", w.callButton(side), w.colors.good, 10)
	const text = "Hello Echo, can you hear me?"
	w.write(text)
	w.press("Return")
	await(w.t, "the message sent and answered", func() bool {
		list := w.p.messages(w.echo)
		return len(list) == 2 && list[0].Outgoing && list[0].Text == text && list[0].State == "sent" && !list[1].Outgoing
	})
	// The chat is open: the answer counts as read, in the engine and in the list.
	await(w.t, "the answer read", func() bool {
		b, _ := w.p.buddyNamed("Echo")
		return b.Unread == 0 && w.p.messages(w.echo)[1].State == "read"
	})
	w.sees("an own bubble", func(size image.Point) image.Rectangle { return image.Rect(side, 68, size.X, size.Y-70) }, w.colors.accent, 2000)
	w.keep("chat", w.s.still(w.window))
}

// callButton is the right end of the bar with the name of the person, where the green handset is.
func (w *walk) callButton(side int) func(image.Point) image.Rectangle {
	return func(size image.Point) image.Rectangle { return image.Rect((side+size.X)/2, 0, size.X, 68) }
}

// strip is where the card of the call can be.
func (w *walk) strip(size image.Point) image.Rectangle {
	return image.Rect(size.X/2, 68, size.X, 220)
}

// call: Call in the header; Echo answers; the strip appears.
func (w *walk) call() {
	w.click(center(w.sees("the button to call", w.callButton(w.sidebar()), w.colors.good, 10)))
	c := w.p.awaitCall("a call with Echo", func(c call) bool { return c.State == "established" && c.Codec != "" })
	w.t.Logf("talking with %s by %s", c.Peer, c.Codec)
	await(w.t, "the buttons of the call", func() bool { return w.findButtons(w.inside()) })
	await(w.t, "on the phone", func() bool {
		b, _ := w.p.buddyNamed("Echo")
		return b.Status == "on_the_phone"
	})
}

// findButtons finds the red button that ends the call and, left of it, the grey ones.
func (w *walk) findButtons(img *image.RGBA) bool {
	red := spot(img, w.strip(img.Rect.Max), w.colors.stop, 300)
	if red.Empty() {
		return false
	}
	w.hangup = center(red)
	w.buttons = nil
	// Above the icons a round button of that size is still 28 wide.
	line := across(w.hangup.Y-red.Dy()*7/20, img.Rect.Dx()/3, red.Min.X)
	for _, r := range runs(img, line, w.colors.raised, red.Dx()/3) {
		w.buttons = append(w.buttons, image.Pt(center(r).X, w.hangup.Y))
	}
	return len(w.buttons) == buttonCount
}

// ownVoice: what is said into the microphone comes back out of the speaker, whole.
func (w *walk) ownVoice() {
	w.sound.speak()
	w.sound.heard.more(time.Second) // the echo has begun
	w.keep("call", w.s.moving(w.window))
	from, to := w.sound.heard.more(12 * time.Second)
	late := w.sound.echo("own voice", from, to)
	w.t.Logf("the program says %+v", w.p.calls()[0].Quality)
	// Twice one way, each a packet, a jitter buffer and the devices: 150 ms one way is good (ITU-T G.114).
	if late <= 0 || late > 400*time.Millisecond {
		w.t.Errorf("the echo came after %v, want 400 ms at most", late)
	}
}

// mute: silent by the button, back by the keyboard.
func (w *walk) mute() {
	w.click(w.buttons[buttonMute])
	w.p.awaitCall("muted", func(c call) bool { return c.Muted })
	w.silent("muted")
	w.keep("more/muted", w.inside())
	w.press("ctrl+m")
	w.p.awaitCall("not muted", func(c call) bool { return !c.Muted })
	w.audible("unmuted")
}

// silent checks that nothing is heard. What was under way before may take its time to arrive.
func (w *walk) silent(when string) {
	w.t.Helper()
	w.sound.heard.more(time.Second)
	if from, to := w.sound.heard.more(1500 * time.Millisecond); w.sound.heard.loudIn(from, to) {
		w.t.Errorf("%s: something is heard", when)
	}
}

// audible waits until the own voice is heard again, and judges some seconds of it.
func (w *walk) audible(when string) {
	w.t.Helper()
	from := w.sound.heard.length()
	await(w.t, "sound when "+when, func() bool { return w.sound.heard.loudSince(from) })
	w.sound.heard.more(time.Second)
	first, last := w.sound.heard.more(4 * time.Second)
	w.sound.echo(when, first, last)
}

// hold: by the keyboard, and back by the button that has come in place of the others.
func (w *walk) hold() {
	w.press("ctrl+h")
	w.p.awaitCall("held by us", func(c call) bool { return c.State == "held" && c.HeldBy == "us" })
	w.silent("on hold")
	resume := w.sees("the button to resume", w.strip, w.colors.accent, 300)
	w.keep("more/held", w.s.moving(w.window))
	w.click(center(resume))
	w.p.awaitCall("no longer held", func(c call) bool { return c.State == "established" })
	w.audible("resumed")
}

// keypad: keys of the keypad of the call go out as telephone events (RFC 4733).
func (w *walk) keypad() {
	w.click(w.buttons[buttonKeypad])
	// Four rows of three round grey keys, below the strip's own buttons, in the middle of the card.
	var keys [][]image.Rectangle
	await(w.t, "twelve keys", func() bool {
		keys = w.findKeys(w.inside())
		return len(keys) == 4
	})
	w.keep("more/keypad", w.s.moving(w.window))
	before := w.wire.events()
	for _, at := range []image.Rectangle{keys[0][0], keys[1][1], keys[3][2]} { // 1, 5, #
		w.click(center(at))
	}
	await(w.t, "three keys on the wire", func() bool {
		for s, n := range w.wire.events() {
			if _, old := before[s]; !old && n == 3 {
				w.t.Logf("telephone events: %+v", s)
				return true
			}
		}
		return false
	})
	w.click(w.buttons[buttonKeypad])
	await(w.t, "the keypad gone", func() bool { return len(w.findKeys(w.inside())) == 0 })
}

// findKeys finds rows of three grey keys.
func (w *walk) findKeys(img *image.RGBA) (rows [][]image.Rectangle) {
	top := w.hangup.Y + 30
	for y := top; y < img.Rect.Dy()-70; y++ {
		// The upper edge of a row of keys: three short runs where the line above had none.
		line := runs(img, across(y, w.hangup.X/2, w.hangup.X-80), w.colors.raised, 12)
		if len(line) != 3 || line[0].Dx() > 40 {
			continue
		}
		for i := range line {
			line[i].Max.Y += 44 // the size of a key
		}
		rows = append(rows, line)
		y += 46
	}
	return rows
}

// codec: another one by the menu under the name of the present one.
func (w *walk) codec() {
	c := w.p.calls()[0]
	at := -1
	for i, name := range c.Codecs {
		if name != c.Codec {
			at = i
			break
		}
	}
	if at < 0 {
		w.t.Fatalf("no other codec in %v", c.Codecs)
	}
	// Of the second line of the strip, the pill is what is grey below the middle of the buttons.
	var pill []image.Rectangle
	await(w.t, "the name of the codec", func() bool {
		img := w.inside()
		pill = runs(img, across(w.hangup.Y+22, w.sidebar(), w.buttons[buttonMute].X-20), w.colors.raised, 16)
		return len(pill) == 1
	})
	w.click(center(pill[0]).Sub(image.Pt(0, 8)))
	await(w.t, "the menu", func() bool {
		img := w.inside()
		below := image.Rect(pill[0].Min.X, pill[0].Max.Y+8, pill[0].Min.X+80, pill[0].Max.Y+80)
		return !spot(img, below, w.colors.raised, 2000).Empty()
	})
	w.keep("more/codecs", w.s.moving(w.window))
	for range at + 2 { // the first leaves the choice to the program
		w.press("Down")
	}
	w.press("Return")
	w.p.awaitCall("the codec "+c.Codecs[at], func(now call) bool { return now.Codec == c.Codecs[at] && now.State == "established" })
	w.audible("with " + c.Codecs[at])
}

// hangUp: the red button.
func (w *walk) hangUp() {
	before := w.wire.requests(w.p, "BYE")
	w.click(w.hangup)
	w.p.awaitCall("the end of the call", func(c call) bool { return c.State == "ended" })
	await(w.t, "one BYE", func() bool { return w.wire.requests(w.p, "BYE") == before+1 })
	w.sound.hush()
	w.silent("after the call")
	await(w.t, "the strip gone", func() bool {
		img := w.inside()
		return spot(img, w.strip(img.Rect.Max), w.colors.stop, 1).Empty()
	})
}
