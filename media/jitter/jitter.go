// Package jitter is the playout buffer of a call: it takes audio packets as the network delivers them and gives
// sound as the sound device asks for it.
//
// It is for package media and for tests; it does no I/O and has no clock of its own. [Buffer.Put] takes a packet with
// its time of arrival, [Buffer.Pull] fills the next frame at the time given; both times count from one epoch of the
// caller's choice. A Buffer belongs to one goroutine at a time.
//
// Time inside is media time: 48 kHz samples, to which the RTP timestamps of all payload types and sources are mapped.
// A packet's transit is its arrival less its media time. The smallest transit of the last seconds is the base, and
// the delay of playout is measured against it: a packet that waits as long as the slowest one in a hundred needs, and
// one frame of the device more, is in time. The buffer reaches that target without clicks by removing or repeating
// single pitch periods, in a gap by ending it earlier or later. Because the delay is measured rather than set, the
// drift of the two clocks, a device that stalls and a path that becomes longer or shorter are all the same to it.
// Nothing ever empties it: a move to another network is at worst a pause and a new base.
//
//	            packet in time
//	waiting ----------------------> playing <----------------------------+
//	   (until target delay)            |  next packet missing            |
//	                                   v                                 |
//	         a later packet is here: conceal exactly the gap ------------+
//	         no packet at all: conceal, hold the timeline ---------------+
//	         a pause of the talker: comfort until target delay ----------+
package jitter

import "time"

// Rate is the sample rate of all PCM and of media time, per second.
const Rate = 48000

const (
	millisecond = Rate / 1000
	quantum     = 10 * millisecond // one frame of the device: the granularity of Pull

	// maxPacket is the longest sound in one packet: 120 ms (RFC 6716 3.2.5), and room for a decoder's resampler.
	maxPacket = 130 * millisecond

	// capacity is the number of packets kept: 5 s of 10 ms packets. More than a second of sound is only ever in here
	// after an outage whose packets all arrive together. A power of two.
	capacity = 512

	// RFC 3550 A.1: a sequence number further ahead or behind is another stream until a second packet confirms it.
	maxDropout  = 3000
	maxMisorder = 100

	// tolerance is how far the timestamp of the packet next in sequence may be off without meaning a pause: 2 ms
	// covers senders that count time roughly.
	tolerance = 2 * millisecond

	// exactGap is the longest loss that is concealed to the sample; a longer one ends when the delay is right.
	exactGap = 100 * millisecond

	// discontinuity is the change of transit from one packet to the next that can only be a new timestamp origin.
	discontinuity = 3 * Rate

	// quiet is how long a source must have been silent for another one to replace it with its first packet.
	quiet = Rate / 5

	// stalled is the pause between two pulls after which the device is taken to have stood still: old sound is
	// skipped, since the listener has heard the gap already.
	stalled = Rate / 4
)

// Decoder turns the payloads of one stream into sound at Rate, mono.
type Decoder interface {
	// Decode writes the sound of a payload and returns its length; 0 or an error means that it must be concealed.
	Decode(payload []byte, pcm []int16) (int, error)
	// Conceal fills pcm with an estimate of missing sound.
	Conceal(pcm []int16)
	// Recover writes the sound of the packet lost just before next, exactly filling pcm, when next carries a copy.
	// It reports false, having done nothing, when it does not.
	Recover(next []byte, pcm []int16) bool
	// Carries reports whether next carries a copy of the packet before it.
	Carries(next []byte) bool
}

// Packet is what Put takes.
type Packet struct {
	SSRC      uint32
	Seq       uint16
	Timestamp uint32
	Marker    bool
	ClockRate int     // ticks of Timestamp per second
	Decoder   Decoder // of this payload type; nil: no sound (telephone events), but the sequence number counts
	Payload   []byte  // copied
}

// Verdict is what became of a packet.
type Verdict uint8

// The verdicts.
const (
	Accepted  Verdict = iota
	Duplicate         // seen before
	Late              // its time has passed
	Pending           // of a new source or far out of sequence: kept until the next packet confirms it
	Refused           // cannot be placed
)

// Config bounds the delay. Zero values are replaced by the defaults named.
type Config struct {
	// Initial is the target before there is experience; default 30 ms: with a frame of the device and the margin that
	// is 18 ms of jitter in the first second, and little to be taken out again where there is less.
	Initial time.Duration
	Min     time.Duration // lowest target; default 10 ms
	Max     time.Duration // highest target; default 600 ms
}

// Stats counts since New.
type Stats struct {
	Received    uint64 // packets taken, without duplicates
	Lost        uint64 // sequence numbers that were not there when their time came
	Late        uint64 // those of Lost that came after all
	Duplicates  uint64
	Reordered   uint64 // came after a later one
	Recovered   uint64 // of Lost, restored from the copy in the next packet
	Overflowed  uint64 // thrown out unplayed: buffer full or device stalled
	Invalid     uint64 // payloads the decoder refused
	Restarts    uint64 // changes of source, sequence or timestamp origin
	Played      time.Duration
	Concealed   time.Duration // sound made up for missing packets, recovered ones not counted
	Accelerated time.Duration // sound left out to shorten the delay
	Expanded    time.Duration // sound repeated to lengthen it
	Delay       time.Duration // now
	Target      time.Duration // wanted now
	Waiting     int           // packets in the buffer
}

type slot struct {
	ext     int64 // extended sequence number; 0: empty
	media   int64 // media time of the first sample
	clock   int
	decoder Decoder
	payload []byte
}

// segment maps RTP timestamps of one origin and clock rate to media time.
type segment struct {
	clock int
	ts    uint32
	media int64
}

func (s *segment) at(ts uint32) int64 {
	diff := int64(int32(ts - s.ts)) //nolint:gosec // RFC 3550: timestamps wrap; the signed difference is meant.
	if diff > 1<<28 || diff < -(1<<28) {
		// Move the origin long before the difference wraps, by whole seconds so that no fraction is lost.
		whole := diff / int64(s.clock) * int64(s.clock)
		s.ts += uint32(whole) //nolint:gosec // wraps as timestamps do.
		s.media += whole / int64(s.clock) * Rate
		diff -= whole
	}
	return s.media + diff*Rate/int64(s.clock)
}

// Buffer is the playout buffer of one received stream.
type Buffer struct {
	slots   [capacity]slot
	seen    [capacity]int64 // extended sequence numbers received, by their low bits
	next    int64           // extended sequence number to play next
	highest int64           // received
	highSeq uint16          // its number on the wire
	count   int             // packets in slots

	started    bool
	ssrc       uint32
	seg, old   segment
	newest     int64 // media time of the packet highest
	lastTime   int64 // arrival of the last packet of this source
	lastDiff   int64 // its transit
	spacing    int64 // media time between the last two consecutive packets
	candidate  slot  // first packet of a source not yet confirmed
	candSSRC   uint32
	candSeq    uint16
	candTS     uint32
	candTime   int64
	candActive bool

	delay estimator
	play  playout
	stats Stats
}

// New makes an empty buffer.
func New(c Config) *Buffer {
	orDefault := func(d, def time.Duration) int64 {
		if d <= 0 {
			d = def
		}
		return samples(d)
	}
	b := &Buffer{spacing: 20 * millisecond}
	b.delay.initial = orDefault(c.Initial, 30*time.Millisecond)
	b.delay.min = orDefault(c.Min, 10*time.Millisecond)
	b.delay.max = max(orDefault(c.Max, 600*time.Millisecond), b.delay.min)
	b.play.init()
	return b
}

func samples(d time.Duration) int64 {
	// Split, so that uptimes of months do not overflow.
	return int64(d/time.Second)*Rate + int64(d%time.Second)*Rate/int64(time.Second)
}

func duration(n int64) time.Duration {
	return time.Duration(n/Rate)*time.Second + time.Duration(n%Rate)*time.Second/Rate
}

// Put takes a packet that arrived at the given time.
func (b *Buffer) Put(p *Packet, at time.Duration) Verdict {
	if p.ClockRate < 1000 || p.ClockRate > 1_000_000 {
		return Refused
	}
	now := samples(at)
	if !b.started {
		b.begin(p, now)
		return b.insert(p, b.highest, now)
	}
	delta := int64(int16(p.Seq - b.highSeq)) //nolint:gosec // RFC 3550 A.1: modulo arithmetic is meant.
	if p.SSRC != b.ssrc || delta > maxDropout || delta < -maxMisorder {
		return b.stranger(p, now)
	}
	b.candActive = false
	return b.insert(p, b.highest+delta, now)
}

// begin places the first packet of all.
func (b *Buffer) begin(p *Packet, now int64) {
	b.started = true
	b.ssrc = p.SSRC
	// Far enough up that packets from before the first one have positive numbers too.
	b.highest, b.highSeq = capacity, p.Seq
	b.next = b.highest
	b.seg = segment{clock: p.ClockRate, ts: p.Timestamp, media: now}
	b.newest, b.lastTime = now, now
}

// stranger handles a packet of another source, or one far out of sequence. RFC 3550 A.1: two packets in sequence
// make it believable. When nothing else is coming there is nothing to protect, and the first one will do.
func (b *Buffer) stranger(p *Packet, now int64) Verdict {
	if now-b.lastTime > quiet {
		b.restart(p.SSRC, p.Seq, p.Timestamp, p.ClockRate, now)
		return b.insert(p, b.highest, now)
	}
	if b.candActive && p.SSRC == b.candSSRC && p.Seq == b.candSeq+1 {
		first := Packet{
			SSRC: b.candSSRC, Seq: b.candSeq, Timestamp: b.candTS,
			ClockRate: b.candidate.clock, Decoder: b.candidate.decoder, Payload: b.candidate.payload,
		}
		b.restart(first.SSRC, first.Seq, first.Timestamp, first.ClockRate, b.candTime)
		b.insert(&first, b.highest, b.candTime)
		return b.insert(p, b.highest+1, now)
	}
	if b.candActive && p.SSRC == b.candSSRC && p.Seq == b.candSeq {
		return Duplicate
	}
	b.candActive, b.candSSRC, b.candSeq, b.candTS, b.candTime = true, p.SSRC, p.Seq, p.Timestamp, now
	b.candidate.clock, b.candidate.decoder = p.ClockRate, p.Decoder
	b.candidate.payload = append(b.candidate.payload[:0], p.Payload...)
	return Pending
}

// restart continues the timeline with a new source or sequence. What is still in the buffer is played first.
func (b *Buffer) restart(ssrc uint32, seq uint16, ts uint32, clock int, now int64) {
	b.stats.Restarts++
	b.candActive = false
	b.ssrc = ssrc
	// Its numbers go on from ours: what lies between the two streams was never sent, and is no loss.
	b.highest++
	b.highSeq = seq
	b.old = segment{}
	b.seg = segment{clock: clock, ts: ts, media: max(b.newest+b.spacing, now-b.delay.base)}
	b.newest, b.lastTime, b.lastDiff = b.seg.media, now, now-b.seg.media
}

// insert places a packet of the present source.
func (b *Buffer) insert(p *Packet, ext, now int64) Verdict {
	s := &b.seen[ext%capacity]
	if *s == ext {
		b.stats.Duplicates++
		return Duplicate
	}
	*s = ext
	b.lastTime = now
	media := b.newest
	if p.Decoder != nil {
		// Timestamps of events say when the event began, not when the packet was made (RFC 4733 2.5.1.2).
		media = b.place(p, ext, now)
		b.delay.add(now-media, now)
		b.lastDiff = now - media
	}
	b.stats.Received++
	if ext < b.highest {
		b.stats.Reordered++
	}
	if ext > b.highest {
		if ext == b.highest+1 && media > b.newest && media-b.newest <= maxPacket {
			b.spacing = media - b.newest
		}
		b.highSeq += uint16(ext - b.highest) //nolint:gosec // at most maxDropout.
		b.highest, b.newest = ext, media
	}
	if ext < b.next {
		b.stats.Late++
		b.delay.refresh()
		return Late
	}
	b.makeRoom(ext)
	q := &b.slots[ext%capacity]
	q.ext, q.media, q.clock, q.decoder = ext, media, p.ClockRate, p.Decoder
	q.payload = append(q.payload[:0], p.Payload...)
	b.count++
	return Accepted
}

// place gives the media time of a packet.
func (b *Buffer) place(p *Packet, ext, now int64) int64 {
	seg := &b.seg
	if p.ClockRate != seg.clock && b.old.clock == p.ClockRate && ext < b.highest {
		seg = &b.old // overtaken by the first packet of another clock rate
	}
	if p.ClockRate == seg.clock {
		media := seg.at(p.Timestamp)
		diff := now - media
		jump := diff - b.lastDiff
		if ext <= b.highest || jump < discontinuity && jump > -discontinuity {
			return media
		}
	}
	// Another clock rate (RFC 7160 4.1: then the timestamps say nothing about the time passed) or origin: the packet
	// follows the one before it, as its sequence number says.
	b.stats.Restarts++
	b.old = b.seg
	media := b.newest + max(ext-b.highest, 1)*b.spacing
	// An arrival much later than that shows a pause.
	media = max(media, now-b.delay.base-b.delay.target)
	b.seg = segment{clock: p.ClockRate, ts: p.Timestamp, media: media}
	return media
}

// makeRoom throws out the oldest packets when ext would not fit beside them.
func (b *Buffer) makeRoom(ext int64) {
	for b.next <= ext-capacity && b.count > 0 {
		if b.drop(b.next) {
			b.stats.Overflowed++
		} else {
			b.stats.Lost++
		}
		b.next++
	}
	if b.next <= ext-capacity {
		b.stats.Lost += uint64(ext - b.next) //nolint:gosec // positive.
		b.next = ext
	}
}

// drop empties the slot of a sequence number and reports whether there was a packet.
func (b *Buffer) drop(ext int64) bool {
	q := &b.slots[ext%capacity]
	if q.ext != ext {
		return false
	}
	q.ext, q.decoder = 0, nil
	b.count--
	return true
}

// Stats returns the counts and the present delay.
func (b *Buffer) Stats() Stats {
	s := b.stats
	s.Delay = duration(max(b.play.held(&b.delay), 0))
	s.Target = duration(b.delay.target)
	s.Waiting = b.count
	return s
}
