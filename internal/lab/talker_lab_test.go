//go:build lab

package lab

import (
	"context"
	"fmt"
	"net/netip"
	"path/filepath"
	"testing"
	"time"
)

// talker is a foreign program in a call, so that one test serves all of them.
type talker interface {
	address() string
	listen() error                                  // before a call: marks the moment from which established and closed look
	dial(ctx context.Context, address string) error // calls
	established(ctx context.Context) error          // waits until its own call is up
	hangup(ctx context.Context) error
	closed(ctx context.Context) error // waits until it knows that the call has ended
	hold(ctx context.Context) error
	resume(ctx context.Context) error
	recorded(t *testing.T) string // WAV file of what it heard in the last call
}

var (
	_ talker = (*baresipTalker)(nil)
	_ talker = (*linphoneTalker)(nil)
)

type baresipTalker struct {
	b     *Baresip
	since time.Time
}

func (p *baresipTalker) address() string { return p.b.AOR }

func (p *baresipTalker) listen() error {
	p.since = time.Now()
	return nil
}

func (p *baresipTalker) dial(ctx context.Context, address string) error {
	return p.b.Dial(ctx, address)
}

func (p *baresipTalker) established(ctx context.Context) error {
	_, err := p.b.WaitEvent(ctx, p.since, "CALL_ESTABLISHED")
	return err
}

func (p *baresipTalker) hangup(ctx context.Context) error { return p.b.Hangup(ctx) }

func (p *baresipTalker) closed(ctx context.Context) error {
	_, err := p.b.WaitEvent(ctx, p.since, "CALL_CLOSED")
	return err
}

func (p *baresipTalker) hold(ctx context.Context) error {
	_, err := p.b.Command(ctx, "hold", "")
	return err
}

func (p *baresipTalker) resume(ctx context.Context) error {
	_, err := p.b.Command(ctx, "resume", "")
	return err
}

func (p *baresipTalker) recorded(t *testing.T) string {
	t.Helper()
	recordings, err := p.b.Recordings()
	must(t, err)
	if len(recordings) == 0 {
		t.Fatalf("%s has recorded nothing", p.b.AOR)
	}
	return recordings[len(recordings)-1]
}

type linphoneTalker struct {
	p         *Linphone
	mark      int64
	recording string
}

func (p *linphoneTalker) address() string { return p.p.AOR }

// listen also names a new recording: linphonec would append to the one of the call before.
func (p *linphoneTalker) listen() error {
	p.mark = p.p.TraceSize()
	p.recording = filepath.Join(p.p.Dir, fmt.Sprintf("rec%d.wav", p.mark)) // the trace grows with every call
	return p.p.Command("record " + p.recording)
}

func (p *linphoneTalker) dial(_ context.Context, address string) error {
	return p.p.Command("call " + address)
}

func (p *linphoneTalker) established(ctx context.Context) error {
	_, err := p.p.WaitTrace(ctx, p.mark, `LinphoneCallStreamsRunning`)
	return err
}

func (p *linphoneTalker) hangup(context.Context) error { return p.p.Command("terminate") }

func (p *linphoneTalker) closed(ctx context.Context) error {
	_, err := p.p.WaitTrace(ctx, p.mark, `LinphoneCallReleased`)
	return err
}

func (p *linphoneTalker) hold(context.Context) error   { return p.p.Command("pause") }
func (p *linphoneTalker) resume(context.Context) error { return p.p.Command("resume") }

func (p *linphoneTalker) recorded(*testing.T) string { return p.recording }

// sipAt is where a Peregrine on the host takes SIP.
func sipAt(h *Host) netip.AddrPort { return netip.AddrPortFrom(h.Addr(), 5060) }
