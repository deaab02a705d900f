// Package voice makes the sound of a microphone fit to send: it takes out the echo of the loudspeaker and steady noise,
// and brings speech to an even loudness. It is for whoever owns a microphone and its loudspeaker: a call, and the mixer
// of a conference.
//
// Order of calls: [New], one for each pair of microphone and loudspeaker; [Processor.Wrap] and [Processor.WrapPlayer]
// give devices that are used in place of the real ones; the switches work at any time. Wrap only devices that people
// speak into: a file, a tone or a loop has no room around it, and whoever chooses one wants its sound as it is.
//
// # How
//
// The 48 kHz of the devices are split at 7.2 kHz. Below, at 16 kHz, for which it is tuned, works libspeexdsp (package
// speexdsp); the rest is carried past it and lowered as much as the top of the lower band was. Where nothing is lowered
// the two add up to what came in, fullband sound stays so. What comes out is 11.5 ms late. With every switch off frames
// pass untouched.
//
//	loudspeaker -> 16 kHz -> ring -> delay as found --+
//	                                    +-------------+
//	                                    v
//	microphone -+-> 16 kHz -> echo, residual echo, noise -> 48 kHz -+-> loudness -> out
//	            +-> delay, minus what goes below -----> lowered ----+
//
// Without cgo there is no libspeexdsp: devices come back from Wrap as they are, and [Available] is false.
package voice

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/peregrine-softphone/peregrine/media/voice/speexdsp"
)

// frameSamples is the length of every frame: 10 ms at 48 kHz, mono, 16 bits, as in package audio.
const frameSamples = 480

const (
	lowRate    = 16000
	lowSamples = lowRate / 100
	// tail is how much echo the canceller takes out: 120 ms of a room and what the delay was found wrong by. One that
	// also spans the delay learns three times as slowly.
	tail = lowRate * 13 / 100
	// noiseDB is how much steady noise is lowered: enough to be out of the way, too little to make speech watery.
	noiseDB = 20
)

// Recorder is a microphone, as package audio has it.
type Recorder interface {
	Record(ctx context.Context, push func(frame []int16)) error
}

// Player is a loudspeaker, as package audio has it.
type Player interface {
	Play(ctx context.Context, pull func(frame []int16)) error
}

// Config says what a Processor does at first. The zero value does nothing until a switch is turned on.
type Config struct {
	Echo  bool // take the loudspeaker out of the microphone
	Noise bool // lower steady noise
	Gain  bool // bring speech to an even loudness
}

// Processor works on one microphone with its loudspeaker. All its methods may be called from any goroutine.
type Processor struct {
	echo, noise, gain atomic.Bool
	far               *reference // what the loudspeaker plays

	playing sync.Mutex // one frame played at a time: devices change on goroutines of their own

	mu      sync.Mutex // one frame recorded at a time; guards what is below
	dsp     *speexdsp.State
	split   *splitter
	loud    leveller
	delay   *finder
	newest  [lowSamples]int16 // what the loudspeaker plays
	echoed  [lowSamples]int16 // what the loudspeaker played when the microphone heard it
	clean   [frameSamples]int16
	now     Config // what dsp is set to
	working bool   // the last frame was processed
}

// Available reports whether this build can process at all.
func Available() bool { return speexdsp.Available() }

// New makes a Processor. It takes about 1 MB, outside Go's memory for the most part, until it is garbage.
func New(cfg Config) *Processor {
	p := &Processor{far: newReference(), split: newSplitter(), loud: newLeveller(), delay: newFinder()}
	if Available() {
		// Only memory can be missing, and then devices pass as they are.
		p.dsp, _ = speexdsp.New(speexdsp.Config{Rate: lowRate, Frame: lowSamples, Tail: tail})
	}
	p.echo.Store(cfg.Echo)
	p.noise.Store(cfg.Noise)
	p.gain.Store(cfg.Gain)
	return p
}

// SetEcho turns echo cancellation on or off.
func (p *Processor) SetEcho(on bool) {
	if p.echo.Swap(on) != on {
		p.far.restart()
	}
}

// SetNoise turns noise suppression on or off.
func (p *Processor) SetNoise(on bool) { p.noise.Store(on) }

// SetGain turns automatic gain on or off.
func (p *Processor) SetGain(on bool) { p.gain.Store(on) }

// Wrap gives r with the processing. One Recorder of a Processor works at a time.
func (p *Processor) Wrap(r Recorder) Recorder {
	if p.dsp == nil {
		return r
	}
	return recorder{p, r}
}

// WrapPlayer gives r's loudspeaker, listened to for its echo. One Player of a Processor works at a time.
func (p *Processor) WrapPlayer(r Player) Player {
	if p.dsp == nil {
		return r
	}
	return player{p, r}
}

type recorder struct {
	p     *Processor
	inner Recorder
}

// Record implements Recorder.
func (r recorder) Record(ctx context.Context, push func(frame []int16)) error {
	r.p.far.restart() // another microphone hears another echo
	return r.inner.Record(ctx, func(frame []int16) { push(r.p.recorded(frame)) })
}

type player struct {
	p     *Processor
	inner Player
}

// Play implements Player.
func (r player) Play(ctx context.Context, pull func(frame []int16)) error {
	r.p.far.restart()
	return r.inner.Play(ctx, func(frame []int16) {
		pull(frame)
		r.p.played(frame)
	})
}

// played takes note of a frame on its way to the loudspeaker. It allocates nothing.
func (p *Processor) played(frame []int16) {
	if !p.echo.Load() || len(frame) != frameSamples {
		return
	}
	p.playing.Lock()
	defer p.playing.Unlock()
	p.far.write(frame)
}

// recorded processes a frame of the microphone. What it returns is valid until the next call, or is frame itself. It
// allocates nothing.
func (p *Processor) recorded(frame []int16) []int16 {
	want := Config{Echo: p.echo.Load(), Noise: p.noise.Load(), Gain: p.gain.Load()}
	work := want != Config{}
	if len(frame) != frameSamples {
		return frame
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !work && !p.working {
		return frame
	}
	if work && want != p.now {
		p.set(want)
	}
	p.process(frame)
	switch {
	case !p.working: // the first frame fades in from the untouched sound, the last one fades out
		fade(p.clean[:], frame, p.clean[:])
	case !work:
		fade(p.clean[:], p.clean[:], frame)
		p.forget()
	}
	p.working = work
	return p.clean[:]
}

func (p *Processor) set(want Config) {
	noise := 0
	if want.Noise {
		noise = noiseDB
	}
	p.dsp.Set(want.Echo, noise)
	if want.Gain && !p.now.Gain {
		p.loud = newLeveller()
	}
	p.now = want
}

// forget starts anew at the next frame that is processed.
func (p *Processor) forget() {
	p.split.reset()
	p.now = Config{}
}

// process makes clean of frame.
func (p *Processor) process(frame []int16) {
	low := p.split.down(frame)
	far := false
	if p.now.Echo {
		if p.far.next(p.newest[:], p.echoed[:], p.delay.back()) {
			p.delay.reset()
			p.dsp.Reset()
		}
		if p.delay.find(p.newest[:], low) {
			p.dsp.Reset()
		}
		far = loudness(p.echoed[:]) > farSpeech
	}
	speech := p.dsp.Run(low, p.echoed[:])
	p.split.up(p.clean[:], far)
	if p.now.Gain {
		p.loud.process(p.clean[:], speech, far)
	}
}

// fade goes over from one frame to another, into dst, which may be either.
func fade(dst, from, to []int16) {
	for i := range dst {
		w := float32(i+1) / float32(len(dst))
		dst[i] = round16((1-w)*float32(from[i]) + w*float32(to[i]))
	}
}
