package jitter

import (
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"time"
)

const frame = 20 * millisecond

// toneDecoder plays packets whose payload is the media sample at which their sound begins: the sound is a function
// of that number, so that what comes out tells what went in.
type toneDecoder struct {
	played    []uint32 // payloads decoded, in order
	concealed int
	recovered int
	fec       bool
	last      uint32
	length    int
}

func (d *toneDecoder) Decode(payload []byte, pcm []int16) (int, error) {
	if len(payload) != 4 {
		return 0, errors.New("not a tone")
	}
	at := binary.BigEndian.Uint32(payload)
	d.played = append(d.played, at)
	d.last = at + uint32(d.length)
	for i := range d.length {
		pcm[i] = tone(at + uint32(i))
	}
	return d.length, nil
}

func (d *toneDecoder) Conceal(pcm []int16) {
	d.concealed += len(pcm)
	for i := range pcm {
		pcm[i] = tone(d.last)
		d.last++
	}
}

func (d *toneDecoder) Recover(_ []byte, pcm []int16) bool {
	if !d.fec {
		return false
	}
	d.recovered++
	for i := range pcm {
		pcm[i] = tone(d.last)
		d.last++
	}
	return true
}

func (d *toneDecoder) Carries([]byte) bool { return d.fec }

// tone is a voice of 125 Hz with overtones: a period of 384 samples.
func tone(n uint32) int16 {
	phase := 2 * math.Pi * float64(n%384) / 384
	return int16(6000 * (math.Sin(phase) + 0.5*math.Sin(2*phase) + 0.3*math.Sin(5*phase)))
}

// sim drives a buffer: packets by their times of arrival, pulls every 10 ms of the device's clock.
type sim struct {
	b        *Buffer
	d        *toneDecoder
	now      time.Duration
	queue    []arrival // sorted by time
	nextPull time.Duration
	period   time.Duration // between pulls
	out      []int16
	heard    []int16 // kept when record
	record   bool
}

type arrival struct {
	at time.Duration
	p  Packet
}

func newSim() *sim {
	return &sim{
		b: New(Config{}), d: &toneDecoder{length: frame}, period: 10 * time.Millisecond, out: make([]int16, quantum),
		nextPull: 3 * time.Millisecond,
	}
}

// packet makes packet n of a stream that began at the sequence number and timestamp given, at 8 kHz.
func (s *sim) packet(n int, seq uint16, ts uint32) Packet {
	p := Packet{SSRC: 7, Seq: seq + uint16(n), Timestamp: ts + uint32(n)*160, ClockRate: 8000, Decoder: s.d}
	p.Payload = binary.BigEndian.AppendUint32(nil, uint32(n*frame))
	return p
}

func (s *sim) deliver(p Packet, at time.Duration) {
	i, _ := slices.BinarySearchFunc(s.queue, at, func(a arrival, t time.Duration) int {
		if a.at <= t {
			return -1
		}
		return 1
	})
	s.queue = slices.Insert(s.queue, i, arrival{at, p})
}

// run goes on until the moment given.
func (s *sim) run(until time.Duration) {
	for s.now < until {
		if len(s.queue) > 0 && s.queue[0].at <= s.nextPull {
			a := s.queue[0]
			s.queue = s.queue[1:]
			if a.at > until {
				s.queue = slices.Insert(s.queue, 0, a)
				s.now = until
				return
			}
			s.now = a.at
			s.b.Put(&a.p, a.at)
			continue
		}
		s.now = s.nextPull
		s.b.Pull(s.out, s.now)
		if s.record {
			s.heard = append(s.heard, s.out...)
		}
		s.nextPull += s.period
	}
}

// stream delivers packets from to-1 of a plain stream with the delay each has; a negative delay loses it.
func (s *sim) stream(from, to int, delay func(n int) time.Duration) {
	for n := from; n < to; n++ {
		if d := delay(n); d >= 0 {
			s.deliver(s.packet(n, 65500, 0xffff0000), time.Duration(n)*20*time.Millisecond+d)
		}
	}
}

func constant(d time.Duration) func(int) time.Duration { return func(int) time.Duration { return d } }

// clicks counts steps between neighbouring samples that the tone cannot make.
func clicks(pcm []int16) int {
	count := 0
	for i := 1; i < len(pcm); i++ {
		if d := int(pcm[i]) - int(pcm[i-1]); d > 1200 || d < -1200 { // the tone's own are below 400
			count++
		}
	}
	return count
}
