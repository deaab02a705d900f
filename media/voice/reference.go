package voice

import (
	"sync/atomic"
	"time"
)

const (
	ringSamples = 96 * lowSamples // 960 ms: what the finder looks back, and more than any device plays ahead
	// backMost is how much earlier than the newest the canceller may want its frame.
	backMost = longest * bandFactor
	// settleFrames after a start the slack of the ring is known, and then looked at every watchFrames.
	settleFrames = 50
	watchFrames  = 1000
	// slack is what the ring holds at least when a frame is taken: that frame, and one for a player that is late. More
	// could be as much as the sound takes from loudspeaker to microphone, and an echo before its cause is never found.
	slack = 2 * lowSamples
	// spare samples are looked at beyond the last one taken.
	spare = 3
	// missMost frames in missFrames may be late, 80 ms in 2 s.
	missFrames = 200
	missMost   = 8
	// meanFrames is over how many frames it is seen how far one is ahead of the other: 4 s.
	meanFrames = 400
	// part is how far the clocks of microphone and loudspeaker may part before they count as two: 2.5 ms. Goroutines
	// are late by tens now and then, in the mean by one or two.
	part = 40.0
	// jump is more than clocks can part at once: a device lost sound.
	jump = 5 * lowSamples
	// The loop that follows a clock, of 0.04 rad/s and well damped, in samples a frame: slower than lateness, quicker
	// than quartz changes.
	loopRate  = 5.6e-4
	loopDrift = 1.6e-7
	// fastest is a drift of 1000 ppm; no quartz has a fifth of it.
	fastest = lowSamples * 1e-3
)

// reference brings what the loudspeaker plays to the microphone's goroutine, at 16 kHz and always with the same delay,
// so that the echo stays where the canceller learnt it to be. The player writes frames as the device asks for them,
// often several at once; the recorder takes one with each of its own. restart may be called by anyone.
//
// When it runs dry, silence stands in. In the first half second the slack grows by it; later the frame is late and is
// passed over when it comes, unless that happens often: then the device lost sound, and the delay is found anew. The
// canceller, which needs what was played some time ago, has that all the same. When there is more slack than needed,
// some is left out at once; when the clocks drift apart, as those of a USB microphone and another loudspeaker do, the
// sound is stretched as much. When it runs over, nobody has recorded for long: it starts anew.
type reference struct {
	ring  [ringSamples]int16
	wrote atomic.Uint64 // samples since the beginning; the player's
	read  atomic.Uint64 // the recorder's
	start atomic.Bool   // begin anew with what is played from now on
	over  atomic.Bool   // the ring was full
	stamp atomic.Int64  // when wrote last grew, in nanoseconds since epoch
	epoch time.Time

	// The player's.
	in    decimator
	frame [lowSamples]int16

	// The recorder's.
	age     int     // frames since the delay was settled or left
	least   int     // samples that the ring held at least in this time
	settled bool    // aim is known
	aim     float64 // how far, in samples, the loudspeaker's clock should be ahead of what is read
	mean    float64 // how far it is
	two     bool    // the clocks are two
	drift   float64 // of the loudspeaker's, in samples a frame
	stretch float64 // samples to take besides those of a frame
	between float64 // 0 to 1: the fraction of a sample that read is ahead
	misses  int     // frames that were not there when needed,
	missed  int     // since this age
	late    int     // frames in a row that were not there
}

func newReference() *reference {
	r := &reference{epoch: time.Now()}
	r.wrote.Store(ringSamples) // so that there is something to look back to
	r.read.Store(ringSamples)
	r.in.filter = &newSplitter().filter
	r.forget()
	return r
}

func (r *reference) restart() { r.start.Store(true) }

// write takes a frame at 48 kHz from the player. It allocates nothing.
func (r *reference) write(frame []int16) {
	r.in.run(frame, r.frame[:])
	at := r.wrote.Load()
	if int64(at-r.read.Load()) > ringSamples-backMost-2*lowSamples { //nolint:gosec // negative while frames are late.
		r.over.Store(true)
		return
	}
	for i, x := range r.frame {
		r.ring[(at+uint64(i))%ringSamples] = x
	}
	r.stamp.Store(int64(time.Since(r.epoch)))
	r.wrote.Store(at + lowSamples)
}

// next gives the recorder the frame that belongs to the one it has just recorded, and into then the one of back samples
// before, silence where nothing was played. moved says that the delay is another from now on. It allocates nothing.
func (r *reference) next(out, then []int16, back int) (moved bool) {
	if r.start.Swap(false) || r.over.Swap(false) {
		r.read.Store(r.wrote.Load())
		r.forget()
		moved = true
	}
	held := int(int64(r.wrote.Load() - r.read.Load())) //nolint:gosec // bounded; negative while frames are late.
	if !r.settled && held < lowSamples+spare {
		clear(out)
		clear(then)
		r.unsettle() // the slack grows by this frame
		return moved
	}
	if n := r.surplus(held); n > 0 {
		r.read.Add(uint64(n))
		r.unsettle()
		held -= n
		moved = true
	}
	r.follow(float64(held) - r.between)
	clear(out)
	clear(then)
	if held+back >= lowSamples+spare {
		r.take(then, back)
	}
	if held >= lowSamples+spare {
		r.take(out, 0)
		r.late = 0
	} else if r.miss(held + back) {
		return true
	}
	r.advance()
	return moved
}

// miss deals with a frame that is not there; have samples of the canceller's are there. moved says that the delay is
// another from now on, as the device lost sound.
func (r *reference) miss(have int) (moved bool) {
	r.late++
	if r.age-r.missed > missFrames {
		r.missed, r.misses = r.age, 0
	}
	if have < lowSamples+spare {
		r.misses++
	}
	if r.misses <= missMost && r.late <= missMost*4 {
		return false
	}
	r.unsettle()
	return true
}

func (r *reference) forget() {
	r.two, r.drift, r.stretch, r.between = false, 0, 0, 0
	r.unsettle()
}

// unsettle lets the delay be found anew.
func (r *reference) unsettle() {
	r.age, r.least, r.mean, r.settled, r.misses, r.missed, r.late = 0, ringSamples, 0, false, 0, 0, 0
}

// surplus returns how many samples there are more than needed: after half a second, and then every ten.
func (r *reference) surplus(held int) int {
	r.age++
	r.least = min(r.least, held)
	if !r.settled && r.age != settleFrames || r.settled && r.age%watchFrames != 0 {
		return 0
	}
	n := r.least - slack
	r.least = ringSamples
	// To learn the echo anew costs more than a little slack, once it is learnt.
	least := lowSamples
	if r.settled {
		least = 3 * lowSamples
	}
	if n < least {
		return 0
	}
	return n
}

// follow finds the drift of the clocks. The loudspeaker's is what has been written, and the time since, for frames come
// several at once: between them it goes on.
func (r *reference) follow(held float64) {
	since := time.Since(r.epoch) - time.Duration(r.stamp.Load())
	ahead := held + min(max(0, since.Seconds()), 1)*lowRate
	if !r.settled {
		r.mean += (ahead - r.mean) / float64(max(r.age, 1))
		if r.age > settleFrames {
			r.settled, r.age = true, 0
		}
		r.stretch = r.drift
		return
	}
	r.mean += (ahead - r.mean) / meanFrames
	if r.age < 2*meanFrames {
		r.aim = r.mean
	}
	off := r.mean - r.aim
	switch {
	case off > jump, off < -jump:
		r.unsettle()
	case r.two:
		r.drift = max(-fastest, min(r.drift+loopDrift*off, fastest))
		r.stretch = max(-fastest, min(r.drift+loopRate*off, fastest))
	case off > part, off < -part:
		// As it has parted so far it will go on; where it is now the canceller has followed it.
		r.two, r.drift, r.aim = true, max(-fastest, min(off/float64(r.age-2*meanFrames+1), fastest)), r.mean
		r.stretch = r.drift
	}
}

// take gives the frame of back samples ago, stretched by cubic curves while there is a drift.
func (r *reference) take(out []int16, back int) {
	at := r.read.Load() - uint64(back) //nolint:gosec // at most backMost.
	if r.between == 0 && r.stretch == 0 {
		for i := range out {
			out[i] = r.ring[(at+uint64(i))%ringSamples]
		}
		return
	}
	step := 1 + r.stretch/lowSamples
	x := r.between
	for i := range out {
		j := int(x)
		w := float32(x - float64(j))
		a, b, c, d := r.at(at, j-1), r.at(at, j), r.at(at, j+1), r.at(at, j+2)
		// Catmull and Rom's curve through b and c.
		out[i] = round16(b + 0.5*w*(c-a+w*(2*a-5*b+4*c-d+w*(3*(b-c)+d-a))))
		x += step
	}
}

// advance goes on by a frame.
func (r *reference) advance() {
	x := r.between + lowSamples + r.stretch
	n := int(x)
	r.between = x - float64(n)
	r.read.Add(uint64(n)) //nolint:gosec // positive.
}

func (r *reference) at(base uint64, i int) float32 {
	return float32(r.ring[(base+uint64(i)+ringSamples)%ringSamples]) //nolint:gosec // -1 at least.
}
