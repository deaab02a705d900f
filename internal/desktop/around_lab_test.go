//go:build lab && linux

package desktop

import (
	"image"
	"image/color"
	"image/draw"
	"strconv"
	"time"
)

// mood is longer than any that Echo has in its first minute.
const mood = time.Minute

// statusChanges: Echo is not always there; the list tells.
func (w *walk) statusChanges() {
	for _, want := range []struct {
		status string
		color  color.RGBA
	}{{"away", w.colors.attention}, {"online", w.colors.good}} {
		awaitFor(w.t, mood, "Echo "+want.status, func() bool {
			b, _ := w.p.buddyNamed("Echo")
			return b.Status == want.status
		})
		w.sees(want.status+" in the list", w.echoRow, want.color, 20)
	}
}

// settings: by the keyboard.
func (w *walk) settings() {
	w.press("ctrl+comma")
	w.sees("the cards of the settings", func(size image.Point) image.Rectangle {
		return image.Rect(size.X/2, 100, size.X-80, size.Y)
	}, w.colors.surface, 20000)
	w.keep("settings", w.s.still(w.window))
}

// soundPage: the second card of the settings leads to it, Escape back.
func (w *walk) soundPage() {
	before := w.inside()
	size, side := before.Rect.Max, w.sidebar()
	row := runs(before, across(126, side+20, size.X), w.colors.surface, 200) // above what is in the first card
	if len(row) == 0 {
		w.t.Fatal("no card in the settings")
	}
	edge := row[0].Min.X + 8 // left of what is in the cards
	cards := runs(before, down(edge, 80, size.Y), w.colors.surface, 40)
	if len(cards) < 2 {
		w.t.Fatalf("cards %v in the settings", cards)
	}
	w.click(image.Pt((edge+size.X)/2, center(cards[1]).Y))
	await(w.t, "the page of sound", func() bool { return changed(before, w.inside()) > panelPixels })
	w.keep("sound", w.s.still(w.window))
	w.press("Escape")
	await(w.t, "the settings again", func() bool { return changed(before, w.inside()) < panelPixels })
}

// quality: the bars open what is known of the call, Escape folds it.
func (w *walk) quality() {
	// The bars stand left of the pill with the codec, in a colour that tells how well it goes.
	var pill []image.Rectangle
	await(w.t, "the name of the codec", func() bool {
		pill = runs(w.inside(), across(w.hangup.Y+22, w.sidebar(), w.buttons[buttonMute].X-20), w.colors.raised, 16)
		return len(pill) == 1
	})
	tiles := func(size image.Point) image.Rectangle {
		return image.Rect(w.sidebar()+20, w.hangup.Y+70, size.X, w.hangup.Y+220)
	}
	w.click(image.Pt(pill[0].Min.X-24, w.hangup.Y+12))
	w.sees("the figures", tiles, w.colors.raised, 20000)
	w.keep("quality", w.s.moving(w.window))
	w.press("Escape")
	await(w.t, "the figures gone", func() bool {
		img := w.inside()
		return spot(img, tiles(img.Rect.Max), w.colors.raised, 20000).Empty()
	})
}

// lightAndDark: the last choice of the settings, reached from the end; the arrow keys choose.
func (w *walk) lightAndDark() {
	w.click(image.Pt(w.inside().Rect.Dx()-8, w.inside().Rect.Dy()-8)) // where nothing takes the focus
	w.press("shift+Tab", "shift+Tab")                                 // the last is the button of the page for support
	theme := func(want string) {
		w.t.Helper()
		await(w.t, "the theme "+want, func() bool {
			var got struct{ Value string }
			must(w.t, w.p.verb(&got, "get", "theme"))
			return got.Value == want
		})
	}
	w.press("Left") // before the first choice is the last
	theme("light")
	w.colors = light()
	w.sees("the light window", func(size image.Point) image.Rectangle { return image.Rectangle{Max: size} }, w.colors.window, 50000)
	w.openEcho()
	w.keep("light", w.s.moving(w.window))
	w.p.do("set", "theme", "dark")
	w.colors = dark()
	w.sees("the dark window", func(size image.Point) image.Rectangle { return image.Rectangle{Max: size} }, w.colors.window, 50000)
}

// openEcho opens the chat by the keyboard, empties the search field and puts the keyboard into the
// composer at the foot of the window.
func (w *walk) openEcho() {
	w.t.Helper()
	w.press("ctrl+k")
	w.write("Echo")
	w.press("Return")
	side := w.sidebar()
	w.sees("the button to call", w.callButton(side), w.colors.good, 10)
	w.press("ctrl+k", "Escape")
	size := w.inside().Rect.Max
	w.click(image.Pt((side+size.X)/2, size.Y-36))
}

// narrow: one column, the person first, then by Escape the list.
func (w *walk) narrow() {
	before := w.s.place(w.window)
	w.s.do("windowsize", "--sync", w.window, "420", "720")
	await(w.t, "one column", func() bool {
		img := w.inside()
		return img.Rect.Dx() == 420 && like(img.RGBAAt(2, img.Rect.Dy()/3), w.colors.window)
	})
	w.keep("narrow", w.s.moving(w.window))
	w.press("Escape")
	w.sees("the list", func(size image.Point) image.Rectangle { return image.Rectangle{Max: size} }, w.colors.surface, 100000)
	w.keep("more/narrow-list", w.s.still(w.window))
	w.s.do("windowsize", "--sync", w.window, strconv.Itoa(before.Dx()), strconv.Itoa(before.Dy()))
}

// incoming: somebody calls; a small window tells of it and leaves the keyboard where it is.
func (w *walk) incoming() {
	bob := launch(w.t, nil, "peregrinectl", "run")
	bob.ready()
	bob.do("set", "audio.input", "tone:440")
	bob.do("set", "audio.output", "none")
	bob.contact("bob")

	w.openEcho()
	w.write("I am writing ")
	if got := w.s.focus(); got != w.window {
		w.t.Fatalf("window %s has the focus, not %s", got, w.window)
	}
	bob.do("call", w.p.accounts()[0].Contact)
	ring := w.s.window(w.p.cmd.Process.Pid, "is calling$")
	w.p.awaitCall("an incoming call", func(c call) bool { return c.State == "incoming" })
	w.s.moving(ring)
	if got := w.s.focus(); got != w.window {
		w.t.Errorf("window %s has the focus now, not %s", got, w.window)
	}
	if got := w.s.do("getactivewindow"); got != w.window {
		w.t.Errorf("window %s is active now, not %s", got, w.window)
	}
	w.keep("incoming", w.both(ring))
	w.write("to you")
	w.press("Return") // sends the message, and does not answer
	await(w.t, "the message", func() bool {
		list := w.p.messages(w.echo)
		return len(list) >= 2 && list[len(list)-2].Text == "I am writing to you"
	})
	if c := w.p.calls()[0]; c.State != "incoming" {
		w.t.Errorf("Enter in the chat made the call %s", c.State)
	}
	w.clickIn(ring, center(spot(w.s.picture(ring), w.s.picture(ring).Rect, w.colors.good, 300)))
	w.p.awaitCall("the call answered", func(c call) bool { return c.State == "established" })
	bob.awaitCall("the call answered at the other side", func(c call) bool { return c.State == "established" })
	bob.do("hangup")
	w.p.awaitCall("the call ended", func(c call) bool { return c.State == "ended" })
	bob.do("quit")
	bob.ended()
}

// both is a picture of the two windows as they lie on the desktop.
func (w *walk) both(ring string) image.Image {
	all, main, small := w.s.look(), w.s.place(w.window), w.s.place(ring)
	box := main.Union(small).Inset(-16)
	img := image.NewRGBA(image.Rect(0, 0, box.Dx(), box.Dy()))
	draw.Draw(img, img.Rect, image.NewUniform(rgb(0x596673)), image.Point{}, draw.Src)
	for _, r := range []image.Rectangle{main, small} {
		paste(img, all, r, r.Min.Sub(box.Min))
	}
	return img
}

// quit: the newcomer closes the window.
func (w *walk) quit() {
	w.s.do("windowfocus", "--sync", w.window, "key", "alt+F4")
	w.p.ended()
}
