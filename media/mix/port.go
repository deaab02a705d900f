package mix

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Port is the place of one call in a conversation: the recorder and the player of its session.
type Port struct {
	m         *Mixer
	recording chan struct{}
	first     sync.Once

	// The mixer's mu guards what follows.
	voice   voice // what the call says
	gain    limiter
	hears   voice // only its level: how much of the conversation the call gets
	pull    func(frame []int16)
	push    func(frame []int16)
	pulled  chan struct{} // closed when the voice has faded; nil: nobody waits
	pushed  chan struct{} // closed when what the call hears has faded
	closed  bool
	scratch [frameSamples]int16
}

// Port gives a place to a call. The error wraps nothing but ErrFull.
func (m *Mixer) Port() (*Port, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.ports) >= MaxPorts {
		return nil, ErrFull
	}
	p := &Port{m: m, recording: make(chan struct{}), gain: newLimiter()}
	m.ports = append(m.ports, p)
	return p, nil
}

// Close gives the place back, at the latest when the session has let go of both sides: give it its devices before.
func (p *Port) Close() {
	p.m.mu.Lock()
	defer p.m.mu.Unlock()
	p.closed = true
	p.vacate()
}

// vacate removes a closed port that nobody uses. The caller holds the mixer's mu.
func (p *Port) vacate() {
	if p.closed && p.push == nil && p.pull == nil {
		p.m.ports = slices.DeleteFunc(p.m.ports, func(o *Port) bool { return o == p })
	}
}

// Recording is closed when the call's session has begun to take its sound from the port.
func (p *Port) Recording() <-chan struct{} { return p.recording }

// SetMuted takes the call's voice out of the conversation, or back in; the call goes on hearing it.
func (p *Port) SetMuted(on bool) {
	p.m.mu.Lock()
	defer p.m.mu.Unlock()
	p.voice.mute(on)
}

// Record gives the session what its call is to hear. It implements media.Recorder and audio.Recorder, but for the
// goroutine: push runs on that of the microphone.
func (p *Port) Record(ctx context.Context, push func(frame []int16)) error {
	p.m.mu.Lock()
	if p.push != nil || p.closed {
		p.m.mu.Unlock()
		return ErrBusy
	}
	p.push = push
	p.hears.level, p.hears.want = 0, 1 // no click at the start
	p.m.mu.Unlock()
	p.first.Do(func() { close(p.recording) })
	<-ctx.Done()
	p.leave(&p.hears, &p.pushed)
	p.m.mu.Lock()
	defer p.m.mu.Unlock()
	p.push = nil
	p.vacate()
	return nil
}

// Play takes from the session what its call says. It implements media.Player and audio.Player, but for the goroutine.
func (p *Port) Play(ctx context.Context, pull func(frame []int16)) error {
	p.m.mu.Lock()
	if p.pull != nil || p.closed {
		p.m.mu.Unlock()
		return ErrBusy
	}
	p.pull = pull
	p.voice.level = 0
	p.voice.mute(p.voice.muted)
	p.m.mu.Unlock()
	<-ctx.Done()
	p.leave(&p.voice, &p.pulled)
	p.m.mu.Lock()
	defer p.m.mu.Unlock()
	p.pull = nil
	clear(p.voice.frame[:])
	p.vacate()
	return nil
}

// leave lets a sound fade in the next round, and waits for that as long as there are rounds.
func (p *Port) leave(v *voice, gone *chan struct{}) {
	p.m.mu.Lock()
	v.want = 0
	faded := make(chan struct{})
	*gone = faded
	p.m.mu.Unlock()
	limit := time.NewTimer(farewell)
	defer limit.Stop()
	select {
	case <-faded:
	case <-limit.C:
		p.m.mu.Lock()
		*gone = nil
		p.m.mu.Unlock()
	}
}

// listen asks the session for a frame.
func (p *Port) listen() {
	if p.pull == nil {
		return // the frame is silent
	}
	p.pull(p.scratch[:])
	p.voice.take(p.scratch[:])
	if p.voice.level == 0 && p.voice.want == 0 {
		release(&p.pulled)
	}
}

// speak gives the session all the voices but its own.
func (p *Port) speak(total *[frameSamples]int32, mixed *[frameSamples]int16) {
	if p.push == nil {
		return
	}
	p.gain.apply(mixed, total, &p.voice.frame)
	p.hears.fade(mixed[:])
	p.push(mixed[:])
	if p.hears.level == 0 && p.hears.want == 0 {
		release(&p.pushed)
	}
}

func release(c *chan struct{}) {
	if *c != nil {
		close(*c)
		*c = nil
	}
}
