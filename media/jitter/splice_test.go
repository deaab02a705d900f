package jitter

import (
	"encoding/binary"
	"errors"
	"math"
	"math/cmplx"
	"math/rand/v2"
	"testing"
	"time"
)

// soundDecoder plays a recording: a payload is the index of its packet.
type soundDecoder struct {
	pcm  []int16
	last int
}

func (d *soundDecoder) Decode(payload []byte, pcm []int16) (int, error) {
	at := int(binary.BigEndian.Uint32(payload))
	if at+frame > len(d.pcm) {
		return 0, errors.New("at the end")
	}
	d.last = at + frame
	return copy(pcm, d.pcm[at:at+frame]), nil
}

func (d *soundDecoder) Conceal(pcm []int16)          { clear(pcm) }
func (d *soundDecoder) Recover([]byte, []int16) bool { return false }
func (d *soundDecoder) Carries([]byte) bool          { return false }

// talker makes seconds of something like speech: pulses of a gliding pitch through three wandering resonances,
// hissing between some syllables, and pauses.
func talker(seconds int) []int16 {
	rng := rand.New(rand.NewPCG(5, 5))
	out := make([]int16, seconds*Rate)
	var state [3][2]float64
	phase := 0.0
	for i := range out {
		t := float64(i) / Rate
		syllable := math.Mod(t, 0.27) / 0.27
		pitch := 120 + 35*math.Sin(2*math.Pi*0.6*t) + 20*math.Sin(2*math.Pi*2.3*t)
		phase += pitch / Rate
		source := 0.0
		if phase >= 1 {
			phase--
			source = 1
		}
		source += 0.002 * rng.NormFloat64()
		if n := int(t / 0.27); n%4 == 3 {
			source = 0.02 * rng.NormFloat64() // a hiss
		} else if n%7 == 6 {
			source *= 0.001 // a pause
		}
		x := source * math.Sin(math.Pi*syllable)
		sum := 0.0
		for k, f := range [3]float64{500 + 200*math.Sin(3*t), 1500 + 500*math.Sin(2.1*t), 2600 + 200*math.Sin(1.3*t)} {
			r := math.Exp(-math.Pi * 90 / Rate)
			y := x + 2*r*math.Cos(2*math.Pi*f/Rate)*state[k][0] - r*r*state[k][1]
			state[k][1], state[k][0] = state[k][0], y
			sum += y * math.Sin(2*math.Pi*f/Rate) / float64(k+1)
		}
		out[i] = int16(max(-30000, min(9000*sum, 30000)))
	}
	return out
}

// splice is a place in the output where sound was left out or repeated.
type splice struct{ at, shift int } // shift: output index less index in the recording, after it

// playScaled plays a recording that arrives with the delays given, and returns what is heard and where it was cut.
func playScaled(pcm []int16, delay func(n int) time.Duration) (heard []int16, splices []splice, first time.Duration) {
	s := newSim()
	d := &soundDecoder{pcm: pcm}
	s.record = true
	for n := range len(pcm) / frame {
		p := s.packet(n, 1, 1)
		p.Decoder = d
		s.deliver(p, time.Duration(n)*20*time.Millisecond+delay(n))
	}
	for s.now < time.Duration(len(pcm)/Rate)*time.Second {
		before := s.b.Stats()
		s.run(s.nextPull)
		after := s.b.Stats()
		if after.Accelerated != before.Accelerated || after.Expanded != before.Expanded {
			// The sample at the end of the frame just played, in the recording.
			media := d.last - (s.b.play.tail - s.b.play.head)
			splices = append(splices, splice{len(s.heard) - quantum, len(s.heard) - media})
		}
		if first == 0 && s.b.play.playing {
			first = s.now
		}
	}
	return s.heard, splices, first
}

// roughness is the largest second difference of a stretch: a click stands out in it.
func roughness(pcm []int16) float64 {
	most := 0.0
	for i := 2; i < len(pcm); i++ {
		most = max(most, math.Abs(float64(pcm[i])-2*float64(pcm[i-1])+float64(pcm[i-2])))
	}
	return most
}

// spectrum gives the level in dB of bands of a third of an octave or so up to 8 kHz, of 20 ms.
func spectrum(pcm []int16) []float64 {
	const n = 960
	var bands []float64
	for lo := 2; lo < 160; lo += 1 + lo/4 {
		var e float64
		for k := lo; k < lo+1+lo/4; k++ {
			var sum complex128
			for i := range n {
				w := 0.5 - 0.5*math.Cos(2*math.Pi*float64(i)/n)
				sum += complex(float64(pcm[i])*w, 0) * cmplx.Rect(1, -2*math.Pi*float64(k*i)/n)
			}
			e += real(sum)*real(sum) + imag(sum)*imag(sum)
		}
		bands = append(bands, 10*math.Log10(e+1e6)) // a floor far below speech
	}
	return bands
}

func distance(a, b []float64) float64 {
	sum := 0.0
	for i := range a {
		sum += (a[i] - b[i]) * (a[i] - b[i])
	}
	return math.Sqrt(sum / float64(len(a)))
}

// TestFirstSound is the delay of the first packet to the speaker.
func TestFirstSound(t *testing.T) {
	_, _, first := playScaled(talker(2), func(int) time.Duration { return 0 })
	if first > 30*time.Millisecond {
		t.Errorf("first sound after %v", first)
	}
}

// TestSplicesAreInaudible lets the delay come down from its first value in speech, and up again: where sound was left
// out or repeated, there is no step in the waveform, and the spectrum is one that the talker made at about that time.
func TestSplicesAreInaudible(t *testing.T) {
	pcm := talker(20)
	heard, splices, _ := playScaled(pcm, func(n int) time.Duration {
		if n > 400 && n%40 == 0 {
			return 60 * time.Millisecond
		}
		return 60*time.Millisecond - time.Duration(min(n, 1))*60*time.Millisecond
	})
	if len(splices) < 3 {
		t.Fatalf("%d splices: nothing was scaled", len(splices))
	}
	for _, s := range splices {
		checkSplice(t, pcm, heard, s)
	}
}

func checkSplice(t *testing.T, pcm, heard []int16, s splice) {
	t.Helper()
	around := s.at - s.shift
	if around < 3*maxLag || around+6*maxLag > len(pcm) || s.at+4*maxLag > len(heard) {
		return
	}
	got, want := roughness(heard[s.at-maxLag:s.at+2*maxLag]), roughness(pcm[around-3*maxLag:around+5*maxLag])
	if got > want+64 { // some steps of 16 bit are below any noise
		t.Errorf("at %d: roughness %.0f, the talker's own is %.0f", s.at, got, want)
	}
	for at := s.at - 480; at <= s.at+480; at += 240 {
		mine, best := spectrum(heard[at:]), math.Inf(1)
		for d := -maxLag; d <= maxLag; d += 120 {
			best = min(best, distance(mine, spectrum(pcm[at-s.shift+d:])))
		}
		if best > 5 {
			t.Errorf("at %d: the spectrum is %.1f dB off", at, best)
		}
	}
}
