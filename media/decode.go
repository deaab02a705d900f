package media

import (
	"fmt"
	"math"

	"github.com/peregrine-softphone/peregrine/media/codec"
	"github.com/peregrine-softphone/peregrine/media/jitter"
	"github.com/peregrine-softphone/peregrine/media/resample"
)

// decoder brings a codec's sound to the 48 kHz of the jitter buffer.
type decoder struct {
	dec codec.Decoder
	up  *resample.Resampler // nil: the codec is at 48 kHz already

	pcm  []int16 // at the codec's rate
	kept int     // samples at the start of pcm that the resampler has not taken yet

	step  int     // the codec conceals multiples of so many samples
	spare []int16 // concealed sound not asked for yet
}

var _ jitter.Decoder = (*decoder)(nil)

func newDecoder(c codec.Codec) (*decoder, error) {
	dec, err := c.NewDecoder()
	if err != nil {
		return nil, fmt.Errorf("decoder of %s: %w", c.Name, err)
	}
	d := &decoder{dec: dec, pcm: make([]int16, c.MaxSamples()+64), step: c.SampleRate / 400} // RFC 6716 4.4: 2.5 ms
	if c.SampleRate != jitter.Rate {
		if d.up, err = resample.New(c.SampleRate, jitter.Rate); err != nil {
			return nil, fmt.Errorf("decoder of %s: %w", c.Name, err)
		}
	}
	return d, nil
}

// Decode implements jitter.Decoder.
func (d *decoder) Decode(payload []byte, out []int16) (int, error) {
	d.spare = d.spare[:0]
	if d.up == nil {
		return d.dec.Decode(payload, out)
	}
	n, err := d.dec.Decode(payload, d.pcm[d.kept:])
	if err != nil {
		return 0, err
	}
	return d.resample(d.kept+n, out), nil
}

// resample converts the first n samples of pcm and keeps what is left over.
func (d *decoder) resample(n int, out []int16) int {
	consumed, produced := d.up.Process(d.pcm[:n], out)
	d.kept = copy(d.pcm[:64], d.pcm[consumed:n])
	return produced
}

// Conceal implements jitter.Decoder.
func (d *decoder) Conceal(out []int16) {
	for len(out) > 0 {
		var n int
		if d.up == nil {
			n = d.concealSteps(out)
		} else {
			n = d.concealUp(out)
		}
		if n == 0 {
			clear(out)
			return
		}
		out = out[n:]
	}
}

func (d *decoder) concealUp(out []int16) int {
	need := min(d.up.Need(len(out)), len(d.pcm))
	if need > d.kept {
		n, err := d.dec.Conceal(d.pcm[d.kept:need])
		if err != nil {
			return 0
		}
		clear(d.pcm[d.kept+n : need])
	}
	return d.resample(need, out)
}

func (d *decoder) concealSteps(out []int16) int {
	if len(d.spare) == 0 {
		want := min((len(out)+d.step-1)/d.step*d.step, len(d.pcm)/d.step*d.step)
		n, err := d.dec.Conceal(d.pcm[:want])
		if err != nil || n <= 0 {
			return 0
		}
		d.spare = d.pcm[:n]
	}
	n := copy(out, d.spare)
	d.spare = d.spare[n:]
	return n
}

// Recover implements jitter.Decoder.
func (d *decoder) Recover(next []byte, out []int16) bool {
	if d.up != nil || len(out)%d.step != 0 || !d.dec.HasFEC(next) {
		return false
	}
	n, err := d.dec.DecodeFEC(next, out)
	if err != nil {
		return false
	}
	clear(out[n:])
	return true
}

// Carries implements jitter.Decoder.
func (d *decoder) Carries(next []byte) bool { return d.dec.HasFEC(next) }

// comfortNoise is RFC 3389: white noise at the level the peer measured, from one packet to the next.
type comfortNoise struct {
	amplitude float64
	state     uint32
	previous  float64
}

var _ jitter.Decoder = (*comfortNoise)(nil)

// Decode implements jitter.Decoder. A packet says nothing of its duration; 20 ms is a packet time.
func (c *comfortNoise) Decode(payload []byte, out []int16) (int, error) {
	if len(payload) == 0 {
		return 0, codec.ErrPayload
	}
	// RFC 3389 3: the level in -dBov, 0 to 127; full scale is the overload point of the 16-bit samples here. The
	// square root of 3 makes the peak of evenly spread noise from its effective value.
	level := float64(payload[0] & 0x7f)
	c.amplitude = math.Min(math.Sqrt(3)*32767*math.Pow(10, -level/20), 3000) // a talker's pause is never loud
	n := min(20*jitter.Rate/1000, len(out))
	c.Conceal(out[:n])
	return n, nil
}

// Conceal implements jitter.Decoder.
func (c *comfortNoise) Conceal(out []int16) {
	if c.state == 0 {
		c.state = 0x9e3779b9
	}
	for i := range out {
		c.state ^= c.state << 13 // xorshift32 (Marsaglia 2003)
		c.state ^= c.state >> 17
		c.state ^= c.state << 5
		white := (float64(c.state)/(1<<31) - 1) * c.amplitude
		c.previous += (white - c.previous) * 0.4 // a room is darker than white noise
		out[i] = int16(c.previous)
	}
}

// Recover implements jitter.Decoder.
func (c *comfortNoise) Recover([]byte, []int16) bool { return false }

// Carries implements jitter.Decoder.
func (c *comfortNoise) Carries([]byte) bool { return false }
