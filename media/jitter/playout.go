package jitter

import "time"

const (
	// pcmSize holds what may be decoded ahead: the history, the longest packet twice, and a frame.
	pcmSize = 1 << 15

	// recent is the number of pulls over which the smallest delay counts: 320 ms, so that a device which asks for
	// several frames at once is measured by the last of them.
	recent = 32

	// settled is the number of pulls after a gap before the delay is judged.
	settled = 8
)

// playout is the side of the buffer that the device sees.
type playout struct {
	pcm  []int16 // history before head, sound to be played from head to tail
	head int
	tail int

	end      int64 // media time of the sample after tail
	playing  bool  // a packet has been played
	gap      int64 // samples still to conceal before the packet next
	copied   int64 // samples between them and that packet that it carries a copy of
	since    int64 // samples made up since the last packet was played
	decoder  Decoder
	lastPull int64
	pulled   bool

	offsets  [recent]int64 // time of playing less media time, of recent pulls
	filled   int
	index    int
	cooldown int64 // samples to be played before the next change of speed

	scale scaler
}

func (p *playout) init() {
	p.pcm = make([]int16, pcmSize)
	p.head, p.tail = historySize, historySize
}

// held is the delay over the base: the smallest of the recent pulls.
func (p *playout) held(e *estimator) int64 {
	if p.filled == 0 {
		return e.target
	}
	low := p.offsets[0]
	for _, v := range p.offsets[1:p.filled] {
		low = min(low, v)
	}
	return low - e.base
}

// measure notes the delay at this pull.
func (p *playout) measure(now int64) {
	p.offsets[p.index] = now + int64(p.tail-p.head) + p.gap + p.copied - p.end
	p.index = (p.index + 1) % recent
	p.filled = min(p.filled+1, recent)
}

// shift corrects the notes after n samples were added (or removed).
func (p *playout) shift(n int64) {
	for i := range p.filled {
		p.offsets[i] += n
	}
}

// forget starts the measurement anew.
func (p *playout) forget() { p.filled, p.index = 0, 0 }

// room returns space for n samples at the tail, moving the sound to the front when it has come to the end.
func (p *playout) room(n int) []int16 {
	if p.tail+n > len(p.pcm) {
		start := p.head - historySize
		copy(p.pcm, p.pcm[start:p.tail])
		p.tail -= start
		p.head = historySize
	}
	return p.pcm[p.tail : p.tail+n]
}

// Pull fills out with the sound to be played now; its length should be one frame of the device, and at most 60 ms.
func (b *Buffer) Pull(out []int16, at time.Duration) {
	p := &b.play
	now := samples(at)
	if p.pulled && now-p.lastPull > stalled {
		b.skip(now)
	}
	p.pulled, p.lastPull = true, now
	if !b.started {
		clear(out)
		return
	}
	for steps := 0; p.tail-p.head < len(out); steps++ {
		if steps > 4*capacity || len(out) > pcmSize/8 { // cannot happen: each step consumes a packet or makes sound
			clear(out)
			return
		}
		b.produce(now, len(out)-(p.tail-p.head))
	}
	if p.playing && p.since == 0 {
		p.measure(now)
		b.adjust(len(out))
	}
	copy(out, p.pcm[p.head:p.head+len(out)])
	p.head += len(out)
	p.cooldown -= int64(len(out))
	b.stats.Played += duration(int64(len(out)))
}

// produce adds sound at the tail: a packet, or at most want samples in place of one.
func (b *Buffer) produce(now int64, want int) {
	p := &b.play
	if p.gap > 0 {
		b.fill(want)
		return
	}
	q := b.upcoming()
	if p.copied > 0 {
		b.restore(q)
		return
	}
	if q == nil {
		b.conceal(want) // nothing here: the timeline waits
		return
	}
	missing := q.ext - b.next
	if q.decoder == nil {
		b.stats.Lost += uint64(missing) //nolint:gosec // positive.
		b.next = q.ext + 1
		b.drop(q.ext)
		return
	}
	wait := b.delay.target - (now + int64(p.tail-p.head) - b.delay.base - q.media)
	space := q.media - p.end
	switch {
	case !p.playing:
		if wait > 0 {
			b.conceal(min(want, int(wait)))
			return
		}
	case missing > 0 && space <= exactGap:
		if b.lose(q, missing, space, now) {
			return
		}
	case space > tolerance:
		// The talker paused, or a long stretch is lost: the moment to bring the delay to the target.
		if wait > 0 {
			b.conceal(min(want, int(wait)))
			return
		}
		b.gapEnds(q, missing, space)
	}
	b.consume(q)
}

// upcoming returns the first packet in the buffer, nil when it is empty.
func (b *Buffer) upcoming() *slot {
	if b.count == 0 {
		return nil
	}
	for ext := b.next; ext < b.next+capacity; ext++ {
		if q := &b.slots[ext%capacity]; q.ext == ext {
			return q
		}
	}
	return nil
}

// lose deals with a short loss before q and reports whether it has added sound.
func (b *Buffer) lose(q *slot, missing, space, now int64) bool {
	p := &b.play
	b.stats.Lost += uint64(missing) //nolint:gosec // positive.
	made := p.since
	b.stats.Concealed += duration(made)
	b.next = q.ext
	p.end = q.media
	p.since = 0
	carries, whole := q.decoder.Carries(q.payload), made <= (missing-1)*b.spacing // of the packet just before q
	if carries {
		if !whole {
			b.delay.copyMissed(now, b.spacing)
		} else if now < b.delay.copyUntil {
			b.delay.copyUntil = now + copyFor // it pays
		}
	}
	left := space - made
	if left <= tolerance {
		// All of it has been concealed while waiting.
		if made > space {
			p.forget()
		}
		return false
	}
	p.gap = left
	if carries && whole && p.decoder == q.decoder {
		p.copied = min(left, b.spacing)
		if missing == 1 {
			p.copied = left
		}
		p.gap -= p.copied
	}
	if p.gap > 0 {
		b.fill(quantum)
	} else {
		b.restore(q)
	}
	return true
}

// restore adds the sound of the packet just before q from the copy in it.
func (b *Buffer) restore(q *slot) {
	p := &b.play
	n := int(p.copied)
	p.copied = 0
	if q == nil || q.ext != b.next || q.decoder == nil || !q.decoder.Recover(q.payload, p.room(n)) {
		p.gap = int64(n)
		return
	}
	p.tail += n
	b.stats.Recovered++
}

// fill conceals at most want samples of p.gap.
func (b *Buffer) fill(want int) {
	p := &b.play
	n := min(int(p.gap), want)
	b.conceal(n)
	p.since = 0
	p.gap -= int64(n)
	b.stats.Concealed += duration(int64(n))
}

// gapEnds accounts for a pause or a long loss that ends with q.
func (b *Buffer) gapEnds(q *slot, missing, space int64) {
	p := &b.play
	if missing > 0 {
		b.stats.Lost += uint64(missing)
		b.stats.Concealed += duration(min(p.since, space))
	}
	p.end, p.since = q.media, 0
	p.forget()
}

// consume plays packet q.
func (b *Buffer) consume(q *slot) {
	p := &b.play
	b.next = q.ext + 1
	if p.since > 0 && p.playing {
		// It was waited for: the sound made up has become delay.
		b.stats.Concealed += duration(p.since)
		b.delay.refresh()
		p.forget()
	}
	p.decoder = q.decoder
	n, err := q.decoder.Decode(q.payload, p.room(maxPacket))
	if err != nil || n <= 0 {
		b.stats.Invalid++
		n = int(b.spacing)
		q.decoder.Conceal(p.room(n))
		b.stats.Concealed += duration(int64(n))
	}
	p.tail += n
	p.end = q.media + int64(n)
	p.playing, p.since = true, 0
	b.drop(q.ext)
}

// conceal adds n samples that no packet brought. The timeline does not move.
func (b *Buffer) conceal(n int) {
	p := &b.play
	out := p.room(n)
	if p.decoder == nil {
		clear(out)
	} else {
		p.decoder.Conceal(out)
	}
	p.tail += n
	p.since += int64(n)
}

// skip leaves out what became too old while the device stood still.
func (b *Buffer) skip(now int64) {
	p := &b.play
	p.head, p.gap, p.copied, p.since = p.tail, 0, 0, 0
	p.forget()
	if !p.playing {
		return
	}
	for b.count > 1 {
		q := b.upcoming()
		if now-b.delay.base-q.media <= b.delay.target {
			break
		}
		b.next = q.ext + 1
		b.drop(q.ext)
		b.stats.Overflowed++
	}
	if q := b.upcoming(); q != nil {
		b.next, p.end = q.ext, q.media
	}
}
