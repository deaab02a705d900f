//go:build lab && linux

package desktop

import (
	"syscall"
	"testing"
	"time"
)

// TestQuit ends the program in the middle of a call, in each of the ways there are. It ends soon and
// well, and the other side hears of it.
func TestQuit(t *testing.T) {
	ways := []struct {
		name string
		end  func(p *program, s *screen, window string)
	}{
		{"peregrinectl quit", func(p *program, _ *screen, _ string) { p.do("quit") }},
		{"closing the window", func(_ *program, s *screen, window string) { s.do("windowfocus", "--sync", window, "key", "alt+F4") }},
		{"SIGTERM", func(p *program, _ *screen, _ string) { must(p.t, p.cmd.Process.Signal(syscall.SIGTERM)) }},
	}
	for _, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			wire := newCapture(t)
			peer := launch(t, nil, "peregrinectl", "run")
			peer.ready()
			peer.do("set", "audio.input", "tone:440")
			peer.do("set", "audio.output", "none")
			peer.do("set", "autoanswer", "on")
			address := peer.contact("peer")

			s := newScreen(t)
			p := launch(t, []string{"DISPLAY=" + s.display}, "peregrine")
			p.ready()
			p.do("set", "audio.input", "tone:440")
			p.do("set", "audio.output", "none")
			p.contact("alice")
			window := s.window(p.cmd.Process.Pid, "^Peregrine$")
			p.do("call", address)
			p.awaitCall("a call with sound", func(c call) bool {
				return c.State == "established" && c.Quality.PacketsReceived > 20
			})

			way.end(p, s, window)
			t.Logf("the program ended after %v", p.ended().Round(time.Millisecond))
			peer.awaitCall("the end of the call at the other side", func(c call) bool { return c.State == "ended" })
			if n := wire.requests(p, "BYE"); n != 1 {
				t.Errorf("%d BYE were seen, want one", n)
			}
		})
	}
}
