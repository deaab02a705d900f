package media

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/peregrine-softphone/peregrine/media/adapt"
	"github.com/peregrine-softphone/peregrine/media/codec"
	"github.com/peregrine-softphone/peregrine/media/sdp"
)

const (
	// adaptEvery is how often the network is looked at. A wake-up costs little beside the packets, and half a second is
	// little beside the time anything takes to help.
	adaptEvery = 500 * time.Millisecond

	// Trouble that the peer should know of at once, rather than with the next regular report.
	tellLoss  = 0.02
	tellQueue = 50 * time.Millisecond

	// drainMS is the packet time right after a change, in ms: with fewer headers the queue drains before the re-INVITE.
	drainMS = 60

	baseWindow  = 30 * time.Second // half of the minute whose least delay counts as no queue
	absurdQueue = 3 * time.Second  // no queue, but a peer whose timestamps stood still
)

// adapting is how a session fits itself to the network.
type adapting struct {
	mu     sync.Mutex // guards what follows; never held while calling out
	c      adapt.Controller
	on     bool
	pinned bool
	moved  bool
	limit  int // bit/s asked of the peer by maxaveragebitrate (RFC 7587 6.1); 0: none

	sent, received pace
	arrivals       arrivals
	bitrate        int // bit/s of payload sent over the last second
	situation      adapt.Situation
}

// runAdaptation looks at the network until ctx ends.
func (s *Session) runAdaptation(ctx context.Context) {
	select {
	case <-ctx.Done():
		return
	case <-s.ready:
	}
	tick := time.NewTicker(adaptEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.adaptOnce(s.now())
		}
	}
}

// adaptOnce takes one look and does what it leads to.
func (s *Session) adaptOnce(now time.Duration) {
	a := &s.adapting
	report := s.network(now)
	if report.Down.Loss > tellLoss || report.Down.Queue > tellQueue {
		poke(s.rep.hurry)
	}
	a.mu.Lock()
	var actions []adapt.Action
	if a.moved {
		a.moved = false
		a.c.Moved()
	}
	if a.on {
		report.Pinned = a.pinned
		actions = slices.Clone(a.c.Step(now, report))
		a.situation = a.c.Situation()
	}
	before := a.situation
	a.mu.Unlock()
	for _, action := range actions {
		s.carryOut(action)
	}
	if len(actions) > 0 {
		s.log.Debug("call fitted to the network", "state", before.State.String(),
			"actions", fmt.Sprintf("%+v", actions))
		s.changed()
	}
}

// carryOut does one thing that the controller wants.
func (s *Session) carryOut(action adapt.Action) {
	switch a := action.(type) {
	case adapt.SetBitrate:
		s.tx.tune(func(t *tuning) { t.bitrate = a.BPS })
	case adapt.SetFEC:
		s.tx.tune(func(t *tuning) { t.fec = a.Percent })
	case adapt.SetBandwidth:
		s.tx.tune(func(t *tuning) { t.bandwidth = a.Rate })
	case adapt.SetDTX:
		s.tx.tune(func(t *tuning) { t.dtx = a.On })
	case adapt.SetConstant:
		s.tx.tune(func(t *tuning) { t.constant = a.On })
	case adapt.SetPacketTime:
		s.tx.tune(func(t *tuning) { t.packetMS = a.MS })
	case adapt.Wish:
		if a.Bitrate > 0 {
			s.mu.Lock()
			long := s.agreement.MaxPTime == 0 || s.agreement.MaxPTime >= drainMS
			s.mu.Unlock()
			s.tx.tune(func(t *tuning) {
				if t.bitrate = a.Bitrate; long {
					t.packetMS = drainMS // until the next look
				}
			})
		}
		if s.cfg.OnWish == nil {
			s.WishDone(false)
			return
		}
		s.log.Info("another codec is wished for", "codec", a.Codec, "reason", a.Reason.String(), "return", a.Return)
		s.cfg.OnWish(a)
	}
}

// network gathers what is known about both directions.
func (s *Session) network(now time.Duration) adapt.Report {
	out := s.tx.carrying()
	r := adapt.Report{Codec: out.codec.Name, PacketMS: out.packetMS, Usual: codec.UsualBitrate}
	limits := codec.ReadLimits(out.fmtp)
	r.Most, r.FEC = limits.Bitrate, limits.FEC
	s.mu.Lock()
	r.Active = s.agreed && !s.hold && s.agreement.Send && s.agreement.Receive
	r.MaxPacketMS = s.agreement.MaxPTime
	for _, c := range s.agreement.Codecs {
		r.Codecs = append(r.Codecs, c.Name)
	}
	s.mu.Unlock()
	s.rep.mu.Lock()
	r.Up = s.rep.up
	s.rep.mu.Unlock()
	s.rx.mu.Lock()
	src := &s.rx.source
	expected, got := src.expected(), src.received
	least, known, fresh := src.takeLeast()
	ssrc, clock := src.ssrc, src.clock
	packets, octets := s.rx.packets, s.rx.octets
	s.rx.mu.Unlock()
	a := &s.adapting
	a.mu.Lock()
	defer a.mu.Unlock()
	a.bitrate, r.Up.Load = a.sent.take(now, out.packets, out.octets)
	_, r.Down.Load = a.received.take(now, packets, octets)
	r.Down.Loss = a.arrivals.loss(ssrc, expected, got)
	if known {
		r.Down.Queue = a.arrivals.queue(now, stream{ssrc, clock}, least, fresh)
	}
	return r
}

// stream is what the delays of packets can be compared within.
type stream struct {
	ssrc  uint32
	clock int
}

// arrivals judges what is received.
type arrivals struct {
	ssrc          uint32
	expected, got [rateTicks + 1]uint64
	n             int

	stream        stream
	least, before time.Duration // of this window and of the one before
	have, had     bool
	began         time.Duration
}

// loss is the share lost over the last second.
func (a *arrivals) loss(ssrc uint32, expected, got uint64) float64 {
	if ssrc != a.ssrc || a.n > 0 && (expected < a.expected[0] || got < a.got[0]) {
		*a = arrivals{ssrc: ssrc}
	}
	copy(a.expected[1:], a.expected[:])
	copy(a.got[1:], a.got[:])
	a.expected[0], a.got[0] = expected, got
	a.n = min(a.n+1, len(a.got))
	e, g := expected-a.expected[a.n-1], got-a.got[a.n-1]
	if e == 0 || g >= e {
		return 0
	}
	return float64(e-g) / float64(e)
}

// queue is how much longer packets take than the quickest of the last minute. least is of the time since the last
// call; anew says that the peer's timestamps made a jump.
func (a *arrivals) queue(now time.Duration, s stream, least time.Duration, anew bool) time.Duration {
	if s != a.stream || anew {
		a.stream, a.have, a.had = s, false, false
	}
	if !a.have && !a.had || now-a.began >= baseWindow {
		a.before, a.had = a.least, a.have
		a.have, a.began = false, now
	}
	if !a.have || least < a.least {
		a.least, a.have = least, true
	}
	base := a.least
	if a.had {
		base = min(base, a.before)
	}
	if q := least - base; q < absurdQueue {
		return q
	}
	a.least, a.have, a.had, a.began = least, true, false, now
	return 0
}

// SetAdapt turns the fitting to the network on or off. When off, what is in force stays until the codec changes.
func (s *Session) SetAdapt(on bool) {
	a := &s.adapting
	a.mu.Lock()
	was := a.on
	a.on = on
	if was && !on {
		a.c, a.situation = adapt.Controller{}, adapt.Situation{}
	}
	a.mu.Unlock()
	if was && !on {
		s.tx.tune(func(t *tuning) { *t = tuning{} })
	}
}

// SetPinned says whether the codec is the user's own choice, which no network changes.
func (s *Session) SetPinned(on bool) {
	s.adapting.mu.Lock()
	defer s.adapting.mu.Unlock()
	s.adapting.pinned = on
}

// WishDone tells how a wish of Config.OnWish ended; it is owed for each.
func (s *Session) WishDone(ok bool) {
	s.adapting.mu.Lock()
	defer s.adapting.mu.Unlock()
	s.adapting.c.Outcome(ok)
}

// SetLimit asks the peer, in the next offer or answer, for so many bit/s of Opus at the most. 0: for no limit. It
// returns the limit that was set before.
func (s *Session) SetLimit(bps int) (before int) {
	s.adapting.mu.Lock()
	defer s.adapting.mu.Unlock()
	before, s.adapting.limit = s.adapting.limit, bps
	return before
}

// Agreed is the codec that both sides agreed to prefer; empty: none yet.
func (s *Session) Agreed() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.agreed || len(s.agreement.Codecs) == 0 {
		return ""
	}
	return s.agreement.Codecs[0].Name
}

// offered are the codecs for the next description: in an agreed call that nobody chose the order of, what is in use
// comes first, so that a hold or a move changes nothing. s.mu is held.
func (s *Session) offered() []codec.Codec {
	list := s.order
	if s.agreed && !s.chosen && len(s.agreement.Codecs) > 0 {
		if used, ok := s.find(s.agreement.Codecs[0].Format); ok {
			if i := slices.IndexFunc(list, used.Same); i > 0 {
				list = slices.Concat(list[i:i+1], list[:i], list[i+1:])
			}
		}
	}
	return s.limited(list)
}

// limited writes the limit into formats for SDP.
func (s *Session) limited(list []codec.Codec) []codec.Codec {
	s.adapting.mu.Lock()
	limit := s.adapting.limit
	s.adapting.mu.Unlock()
	if limit == 0 {
		return list
	}
	list = slices.Clone(list)
	for i := range list {
		if strings.EqualFold(list[i].Name, "opus") {
			list[i].Fmtp = strings.TrimPrefix(fmt.Sprintf("%s;maxaveragebitrate=%d", list[i].Fmtp, limit), ";")
		}
	}
	return list
}

// CodecOrder returns what SetCodecs set, nil when that is the order of Config.
func (s *Session) CodecOrder() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.chosen {
		return nil
	}
	names := make([]string, len(s.order))
	for i, c := range s.order {
		names[i] = c.Name
	}
	return names
}

// SendNow sends another codec of the last agreement from the next packet on, as RFC 3264 6.1 allows, without asking.
// It returns false when the agreement does not have it. undo goes back, unless there is a new agreement.
func (s *Session) SendNow(name string) (undo func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.agreement.Codecs, func(c sdp.Codec) bool { return strings.EqualFold(c.Name, name) })
	if i < 0 || !s.agreed {
		return nil, false
	}
	a := s.agreement
	a.Codecs = slices.Concat(a.Codecs[i:i+1], a.Codecs[:i], a.Codecs[i+1:])
	if err := s.configureSender(a); err != nil {
		s.log.Warn("cannot send another codec", "codec", name, "error", err)
		return nil, false
	}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if err := s.configureSender(s.agreement); err != nil {
			s.log.Warn("cannot go back to the codec agreed", "error", err)
		}
	}, true
}
