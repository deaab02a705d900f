// Package mix joins the sound of several calls, one microphone and one speaker into one conversation: each call hears
// everybody but itself, the user hears all the calls. It is for package app, which gives the sessions of the calls a
// [Port] each in place of the devices.
//
// The order of calls is [New], [Mixer.Run] on a goroutine of its own, and at any time [Mixer.Port] for each call; the
// port is the recorder and the player of the call's session. Ports come and go while the mixer runs, without a click.
// PCM is mono, signed 16 bit, 48 kHz, in frames of 10 ms, as in package media/audio.
//
// The clock is the microphone's: each of its frames makes one round, in which every call is asked for a frame and given
// one. Without a microphone the speaker drives the rounds, without both a timer. So the calls need no queue, their
// jitter buffers follow the clock of who asks; a short one stands between the rounds and the speaker. The way of a
// sample, microphone to call and call to call: no delay; call to speaker: 20 ms at the most, when neither device works
// in longer periods. Nothing is allocated on the way.
package mix

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/peregrine-softphone/peregrine/media/device"
)

const (
	// MaxPorts is how many calls can be mixed.
	MaxPorts = 8

	frameSamples = 480
	frameTime    = 10 * time.Millisecond

	// silent is the pause of a device after which another clock takes over: device periods are up to 40 ms, and after
	// 60 ms a session stands in for its recorder itself.
	silent = 50 * time.Millisecond
	// atOnce is a distance of two recorded frames that only a device catching up can have.
	atOnce = 2 * time.Millisecond
	// farewell is how long a leaving port waits for the round in which its sound fades.
	farewell = 3 * frameTime
)

var (
	// ErrFull says that the mixer has MaxPorts ports.
	ErrFull = errors.New("conference is full")
	// ErrBusy says that a port records or plays for somebody already, or is closed.
	ErrBusy = errors.New("port of the conference is in use")
)

// Recorder is a source of sound: a microphone of package media/audio.
type Recorder interface {
	// Record calls push with frames, paced by the clock of the source, until ctx ends (nil) or the source fails.
	Record(ctx context.Context, push func(frame []int16)) error
}

// Player is a sink of sound.
type Player interface {
	// Play calls pull with frames to be filled whenever it needs one, until ctx ends (nil) or the sink fails.
	Play(ctx context.Context, pull func(frame []int16)) error
}

// Config is what a mixer is made of.
type Config struct {
	Logger   *slog.Logger // nil: nothing is logged
	Recorder Recorder     // the microphone; nil: the user is not heard
	Player   Player       // the speaker; nil: the user hears nothing
	// OnChange is told that Problems has changed. It must not block. nil: ignored
	OnChange func()
}

// Mixer is a conversation. Its methods may be called from any goroutine.
type Mixer struct {
	epoch time.Time // the mixer's clock counts from here

	lastMic  atomic.Int64 // on the mixer's clock: the microphone's last frame
	lastPull atomic.Int64 // the speaker's last frame
	stoodIn  atomic.Int64 // rounds made since the microphone's last one

	out speaker

	mic *device.Keeper[Recorder]
	ear *device.Keeper[Player]

	mu    sync.Mutex // one round, or one change of the ports, at a time; held while sessions make and take a frame
	ports []*Port
	user  voice // the microphone
	total [frameSamples]int32
	mixed [frameSamples]int16
	gain  limiter // of the speaker
}

// New makes a mixer without ports.
func New(cfg Config) *Mixer {
	m := &Mixer{epoch: time.Now(), ports: make([]*Port, 0, MaxPorts), gain: newLimiter()}
	m.mic = device.New(device.Config[Recorder]{
		Logger: cfg.Logger, Role: "recorder", Device: cfg.Recorder, OnChange: cfg.OnChange,
		Run: func(ctx context.Context, r Recorder) error { return r.Record(ctx, m.heard) },
	})
	m.ear = device.New(device.Config[Player]{
		Logger: cfg.Logger, Role: "player", Device: cfg.Player, OnChange: cfg.OnChange,
		Run: func(ctx context.Context, p Player) error { return p.Play(ctx, m.wanted) },
	})
	m.user.level, m.user.want = 1, 1
	m.lastMic.Store(int64(-silent)) // no device has shown itself yet
	m.lastPull.Store(int64(-silent))
	return m
}

// Run mixes until ctx ends and returns nil when the devices are closed. It is called once.
func (m *Mixer) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	wg.Go(func() { m.mic.Keep(ctx) })
	wg.Go(func() { m.ear.Keep(ctx) })
	wg.Go(func() { m.runPacer(ctx) })
	wg.Wait()
	return nil
}

// SetRecorder replaces the microphone at once; nil: the user is not heard.
func (m *Mixer) SetRecorder(r Recorder) { m.mic.Set(r) }

// SetPlayer replaces the speaker at once; nil: the user hears nothing.
func (m *Mixer) SetPlayer(p Player) { m.ear.Set(p) }

// SetMuted takes the microphone out of the conversation, or back in; the calls go on hearing each other.
func (m *Mixer) SetMuted(on bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.user.mute(on)
}

// Muted tells whether the microphone is out of the conversation.
func (m *Mixer) Muted() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.user.muted
}

// Problems says what is wrong with microphone and speaker; empty: nothing.
func (m *Mixer) Problems() (recorder, player string) {
	return m.mic.Problem(), m.ear.Problem()
}

// Stats are counters since New.
type Stats struct {
	Ports     int    // now
	Underruns uint64 // frames of silence the speaker got because nothing was mixed yet
	Dropped   uint64 // frames the speaker was spared because it fell behind
}

// Stats reads the counters.
func (m *Mixer) Stats() Stats {
	m.mu.Lock()
	n := len(m.ports)
	m.mu.Unlock()
	under, dropped := m.out.counts()
	return Stats{Ports: n, Underruns: under, Dropped: dropped}
}

func (m *Mixer) now() time.Duration { return time.Since(m.epoch) }

// heard makes a round of each frame of the microphone.
func (m *Mixer) heard(frame []int16) {
	now := m.now()
	last := time.Duration(m.lastMic.Swap(int64(now)))
	if m.stoodIn.Load() > 0 {
		if now-last < atOnce {
			m.stoodIn.Add(-1) // what the device held back during a stall: a round without it was made in its place
			return
		}
		if now-last < silent {
			m.stoodIn.Store(0)
		}
	}
	m.round(frame)
}

// wanted fills a frame for the speaker, which drives the rounds while there is no microphone.
func (m *Mixer) wanted(frame []int16) {
	now := m.now()
	m.lastPull.Store(int64(now))
	if now-time.Duration(m.lastMic.Load()) >= silent {
		m.stoodIn.Add(1)
		m.round(nil)
	}
	m.out.take(frame)
}

// round asks every call for a frame and gives it one. mic is the microphone's frame; nil: there is none.
func (m *Mixer) round(mic []int16) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.user.take(mic)
	for i, x := range m.user.frame {
		m.total[i] = int32(x)
	}
	for _, p := range m.ports {
		p.listen()
		for i, x := range p.voice.frame {
			m.total[i] += int32(x)
		}
	}
	for _, p := range m.ports {
		p.speak(&m.total, &m.mixed)
	}
	m.gain.apply(&m.mixed, &m.total, &m.user.frame)
	m.out.put(&m.mixed)
}

// runPacer makes the rounds while neither device does: calls go on hearing each other, and each of them, like a peer
// without microphone, gets silence in the user's place. While a device works it wakes up only to see that it does.
func (m *Mixer) runPacer(ctx context.Context) {
	timer := time.NewTimer(frameTime)
	defer timer.Stop()
	due := m.now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		now := m.now()
		seen := time.Duration(max(m.lastMic.Load(), m.lastPull.Load()))
		if now-seen < silent {
			due = seen + silent - frameTime
			timer.Reset(seen + silent - now)
			continue
		}
		due = max(due, now-silent) // after a pause of the whole process the missed time is not made up for
		for now-due >= frameTime {
			m.stoodIn.Add(1)
			m.round(nil)
			due += frameTime
		}
		timer.Reset(due + frameTime - now)
	}
}
