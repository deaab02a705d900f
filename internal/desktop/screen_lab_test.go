//go:build lab && linux

package desktop

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

const (
	// patience bounds every wait. What is waited for takes milliseconds; a loaded machine needs more.
	patience = 20 * time.Second
	// lookEvery is how often a state is looked at that nobody tells of.
	lookEvery = 100 * time.Millisecond
	// screenWidth and screenHeight are those of a small notebook.
	screenWidth, screenHeight = 1280, 800
)

// must ends the test on an error.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// await looks until ok, and ends the test when it waited in vain.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	awaitFor(t, patience, what, ok)
}

func awaitFor(t *testing.T, most time.Duration, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(most)
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for !ok() {
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatalf("waited %v in vain for %s", most, what)
		}
	}
}

// start runs a program until the test ends. It gets SIGTERM, and SIGKILL when that is not enough.
func start(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	must(t, cmd.Start())
	t.Cleanup(func() {
		if cmd.ProcessState != nil {
			return // somebody waited for it
		}
		_ = cmd.Process.Signal(os.Interrupt)
		killer := time.AfterFunc(5*time.Second, func() { _ = cmd.Process.Kill() })
		defer killer.Stop()
		_ = cmd.Wait()
	})
}

// screen is an X server without a screen, with a window manager.
type screen struct {
	t       *testing.T
	display string
	frame   string // file of its picture, X window dump format, always up to date
}

// newScreen starts a server that ends with the test.
func newScreen(t *testing.T) *screen {
	t.Helper()
	s := &screen{t: t}
	dir := t.TempDir()
	number, writer, err := os.Pipe()
	must(t, err)
	defer number.Close()
	server := exec.Command("Xvfb", "-displayfd", "3", "-screen", "0", fmt.Sprintf("%dx%dx24", screenWidth, screenHeight),
		"-nolisten", "tcp", "-fbdir", dir, "-noreset")
	server.ExtraFiles = []*os.File{writer}
	start(t, server)
	must(t, writer.Close())
	line, err := bufio.NewReader(number).ReadString('\n')
	if err != nil {
		t.Fatalf("Xvfb told no display: %v", err)
	}
	s.display = ":" + strings.TrimSpace(line)
	s.frame = filepath.Join(dir, "Xvfb_screen0")
	config := filepath.Join(dir, "rc.xml")
	must(t, os.WriteFile(config, []byte(managerConfig), 0o600))
	manager := exec.Command("openbox", "--sm-disable", "--config-file", config)
	manager.Env = append(os.Environ(), "DISPLAY="+s.display, "HOME="+dir, noBus)
	start(t, manager)
	await(t, "the window manager", func() bool {
		out, err := s.try("get_num_desktops")
		return err == nil && out != ""
	})
	s.away()
	return s
}

// managerConfig is that of openbox: it gives the focus as any other manager. Windows have no frames,
// because xdotool counts those twice in the place of a window.
const managerConfig = `<?xml version="1.0"?>
<openbox_config xmlns="http://openbox.org/3.4/rc">
  <focus><focusNew>yes</focusNew><followMouse>no</followMouse></focus>
  <keyboard><keybind key="A-F4"><action name="Close"/></keybind></keyboard>
  <mouse><context name="Client">
    <mousebind button="Left" action="Press"><action name="Focus"/><action name="Raise"/></mousebind>
  </context></mouse>
  <theme><keepBorder>no</keepBorder></theme>
  <applications><application class="*"><decor>no</decor></application></applications>
</openbox_config>
`

// noBus keeps programs from starting a message bus that nobody would end.
const noBus = "DBUS_SESSION_BUS_ADDRESS=unix:path=/nonexistent"

// try runs xdotool.
func (s *screen) try(words ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "xdotool", words...)
	cmd.Env = append(os.Environ(), "DISPLAY="+s.display)
	out, err := cmd.Output()
	return strings.TrimSpace(string(out)), err
}

// do runs xdotool and returns what it printed.
func (s *screen) do(words ...string) string {
	s.t.Helper()
	out, err := s.try(words...)
	if err != nil {
		s.t.Fatalf("xdotool %v: %v", words, err)
	}
	return out
}

// away moves the pointer where it hovers over nothing.
func (s *screen) away() {
	s.t.Helper()
	s.do("mousemove", "--sync", strconv.Itoa(screenWidth-1), strconv.Itoa(screenHeight-1))
}

// window waits for a window of a process and returns its number.
func (s *screen) window(pid int, name string) string {
	s.t.Helper()
	return strings.Fields(s.do("search", "--sync", "--onlyvisible", "--all", "--pid", strconv.Itoa(pid), "--name", name))[0]
}

// place is where the inside of a window is on the screen.
func (s *screen) place(window string) image.Rectangle {
	s.t.Helper()
	var x, y, w, h int
	for line := range strings.SplitSeq(s.do("getwindowgeometry", "--shell", window), "\n") {
		key, value, _ := strings.Cut(line, "=")
		n, _ := strconv.Atoi(value)
		switch key {
		case "X":
			x = n
		case "Y":
			y = n
		case "WIDTH":
			w = n
		case "HEIGHT":
			h = n
		}
	}
	return image.Rect(x, y, x+w, y+h)
}

// focus is the window that has the keyboard.
func (s *screen) focus() string {
	s.t.Helper()
	return s.do("getwindowfocus")
}

// look takes a picture of the whole screen.
func (s *screen) look() *image.RGBA {
	s.t.Helper()
	data, err := os.ReadFile(s.frame)
	must(s.t, err)
	// XWDFile.h: 25 words, a name, then ncolors entries of 12 bytes, then rows of BGRX.
	word := func(i int) int { return int(binary.BigEndian.Uint32(data[4*i:])) }
	w, h, bits, stride := word(4), word(5), word(11), word(12)
	offset := word(0) + 12*word(19)
	if bits != 32 || len(data) < offset+h*stride {
		s.t.Fatalf("screen dump of %d bits a pixel and %d bytes", bits, len(data))
	}
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		row := data[offset+y*stride:]
		for x := range w {
			i := img.PixOffset(x, y)
			img.Pix[i], img.Pix[i+1], img.Pix[i+2], img.Pix[i+3] = row[4*x+2], row[4*x+1], row[4*x], 255
		}
	}
	return img
}

// picture is what a window shows, from (0, 0).
func (s *screen) picture(window string) *image.RGBA {
	s.t.Helper()
	return crop(s.look(), s.place(window))
}

func crop(img *image.RGBA, r image.Rectangle) *image.RGBA {
	out := image.NewRGBA(image.Rect(0, 0, r.Dx(), r.Dy()))
	paste(out, img, r, image.Point{})
	return out
}

// paste copies a part of a picture to a place in another.
func paste(to, from *image.RGBA, part image.Rectangle, at image.Point) {
	for y := range part.Dy() {
		for x := range part.Dx() {
			to.SetRGBA(at.X+x, at.Y+y, from.RGBAAt(part.Min.X+x, part.Min.Y+y))
		}
	}
}

// still waits until a window looks the same twice, and returns that picture: motion has ended and
// everything is drawn.
func (s *screen) still(window string) *image.RGBA {
	s.t.Helper()
	before := s.picture(window)
	await(s.t, "the window to be still", func() bool {
		now := s.picture(window)
		same := before.Rect == now.Rect && string(before.Pix) == string(now.Pix)
		before = now
		return same
	})
	return before
}

// moving waits until little changes in a window in which clocks and levels move, and returns its
// picture.
func (s *screen) moving(window string) *image.RGBA {
	s.t.Helper()
	before := s.picture(window)
	await(s.t, "the window to be drawn", func() bool {
		now := s.picture(window)
		changed := 0
		for i := range min(len(now.Pix), len(before.Pix)) {
			if now.Pix[i] != before.Pix[i] {
				changed++
			}
		}
		same := before.Rect == now.Rect && changed < len(now.Pix)/1000
		before = now
		return same
	})
	return before
}

// mostPicture is how large a picture in the documentation may be, in bytes.
const mostPicture = 250_000

// save writes a picture.
func save(t *testing.T, img image.Image, path string) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(path), 0o755))
	f, err := os.Create(path)
	must(t, err)
	defer f.Close()
	must(t, (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(f, img))
	info, err := f.Stat()
	must(t, err)
	if info.Size() > mostPicture {
		t.Errorf("%s has %d bytes, at most %d", path, info.Size(), mostPicture)
	}
}

// palette are the colours of the design (UI.md, app/ui/theme) by which things are found.
type palette struct {
	window, surface, raised, accent, good, attention, stop color.RGBA
}

func rgb(v uint32) color.RGBA {
	return color.RGBA{R: uint8(v >> 16), G: uint8(v >> 8), B: uint8(v), A: 255}
}

func dark() palette {
	return palette{rgb(0x14181D), rgb(0x1C2127), rgb(0x262D35), rgb(0x4F8CFF), rgb(0x2FBF71), rgb(0xF5A623), rgb(0xE5484D)}
}

func light() palette {
	return palette{rgb(0xF6F7F9), rgb(0xFFFFFF), rgb(0xEDF0F3), rgb(0x2F6FED), rgb(0x1F9D57), rgb(0xC77700), rgb(0xD1343A)}
}

// like tells whether nobody would see a difference: 2 of 255 in each channel. The palette's nearest
// colours differ by 4 and more.
func like(a, b color.RGBA) bool {
	near := func(x, y uint8) bool { return max(x, y)-min(x, y) <= 2 }
	return near(a.R, b.R) && near(a.G, b.G) && near(a.B, b.B)
}

// spot is the box around all pixels of a colour within a part of a picture; empty when there are
// fewer than least.
func spot(img *image.RGBA, part image.Rectangle, c color.RGBA, least int) image.Rectangle {
	var box image.Rectangle
	n := 0
	part = part.Intersect(img.Rect)
	for y := part.Min.Y; y < part.Max.Y; y++ {
		for x := part.Min.X; x < part.Max.X; x++ {
			if like(img.RGBAAt(x, y), c) {
				box = box.Union(image.Rect(x, y, x+1, y+1))
				n++
			}
		}
	}
	if n < least {
		return image.Rectangle{}
	}
	return box
}

// runs are the stretches of one colour along a line of the picture, in its order.
func runs(img *image.RGBA, line image.Rectangle, c color.RGBA, least int) []image.Rectangle {
	var found []image.Rectangle
	var run image.Rectangle
	for y := line.Min.Y; y < line.Max.Y; y++ {
		for x := line.Min.X; x < line.Max.X; x++ {
			if like(img.RGBAAt(x, y), c) {
				run = run.Union(image.Rect(x, y, x+1, y+1))
				continue
			}
			if max(run.Dx(), run.Dy()) >= least {
				found = append(found, run)
			}
			run = image.Rectangle{}
		}
	}
	if max(run.Dx(), run.Dy()) >= least {
		found = append(found, run)
	}
	return found
}

// across and down are lines for runs.
func across(y, from, to int) image.Rectangle { return image.Rect(from, y, to, y+1) }
func down(x, from, to int) image.Rectangle   { return image.Rect(x, from, x+1, to) }

func center(r image.Rectangle) image.Point { return r.Min.Add(r.Size().Div(2)) }
