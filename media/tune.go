package media

import (
	"time"

	"github.com/peregrine-softphone/peregrine/media/codec"
)

// tuning is what the network needs of the sender. The zero value leaves everything as agreed.
type tuning struct {
	bitrate   int // bit/s; 0: as usual
	fec       int // percent of loss; meant only when bitrate is set
	bandwidth int // Hz; 0: all
	packetMS  int // 0: as agreed
	dtx       bool
	constant  bool
}

// tune changes what is sent, from the next packet on and without a pause.
func (s *sender) tune(change func(*tuning)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.tuning)
	s.retune()
}

// retune brings the encoder and the packet time in use to the tuning. An encoder that does not take it goes on as it
// is: the peer can decode all of them.
func (s *sender) retune() {
	s.frame = s.now.packet
	enc, ok := s.now.encoder.(codec.Adaptive)
	if ms := s.tuning.packetMS; ms > 0 && (ok || ms%max(s.now.codec.FrameMS, 10) == 0) {
		s.frame = s.now.codec.Samples(ms)
	}
	if !ok || s.tuning.bitrate == 0 {
		return
	}
	limits := codec.ReadLimits(s.now.fmtp)
	_ = enc.SetBitrate(min(s.tuning.bitrate, limits.Bitrate))
	if limits.FEC {
		_ = enc.SetFEC(s.tuning.fec)
	}
	if s.tuning.bandwidth > 0 {
		_ = enc.SetBandwidth(s.tuning.bandwidth)
	}
	_ = enc.SetDTX(s.tuning.dtx)
	if steady, ok := enc.(codec.Steady); ok {
		_ = steady.SetConstant(s.tuning.constant)
	}
}

// carrying is what is being sent, for the control of it.
type carrying struct {
	codec    codec.Codec
	fmtp     string
	packetMS int // as agreed
	seq      uint16
	packets  uint64
	octets   uint64
}

func (s *sender) carrying() carrying {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := &s.now
	if s.next != nil {
		out = s.next
	}
	c := carrying{codec: out.codec, fmtp: out.fmtp, seq: s.seq, packets: s.packets, octets: s.octets}
	if out.codec.SampleRate > 0 {
		c.packetMS = out.packet * 1000 / out.codec.SampleRate
	}
	return c
}

// pace is the bits sent or received over the last second.
type pace struct {
	at      [rateTicks + 1]time.Duration
	packets [rateTicks + 1]uint64
	octets  [rateTicks + 1]uint64
	n       int
}

// rateTicks is how many looks a second has.
const rateTicks = int(time.Second / adaptEvery)

// take notes the counts and returns bit/s of payload, and with the headers of IPv4, UDP and RTP.
func (p *pace) take(now time.Duration, packets, octets uint64) (payload, all int) {
	copy(p.at[1:], p.at[:])
	copy(p.packets[1:], p.packets[:])
	copy(p.octets[1:], p.octets[:])
	p.at[0], p.packets[0], p.octets[0] = now, packets, octets
	p.n = min(p.n+1, len(p.at))
	old := p.n - 1
	took := (now - p.at[old]).Seconds()
	if old == 0 || took <= 0 || packets < p.packets[old] || octets < p.octets[old] {
		return 0, 0
	}
	n, b := packets-p.packets[old], octets-p.octets[old]
	return int(float64(b) * 8 / took), int(float64(b+n*headerSize) * 8 / took)
}

const headerSize = 20 + 8 + rtpHeader
