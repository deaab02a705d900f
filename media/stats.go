package media

import (
	"net/netip"
	"slices"
	"time"

	"github.com/peregrine-softphone/peregrine/media/adapt"
	"github.com/peregrine-softphone/peregrine/media/jitter"
	"github.com/peregrine-softphone/peregrine/media/quality"
)

// Stats is the state of a session at one moment.
type Stats struct {
	PacketsSent     uint64
	PacketsReceived uint64 // valid RTP packets of this call
	BytesSent       uint64 // RTP payload
	BytesReceived   uint64
	Garbage         uint64 // datagrams that were no RTP or RTCP of this call
	SendErrors      uint64 // packets the system refused to send, such as during an outage

	Lost      uint64        // packets that never came or came too late to be played
	Late      uint64        // those of Lost that came too late
	Concealed time.Duration // sound made up in place of missing packets

	LossPercent       float64       // of received direction, over the last ten seconds
	RemoteLossPercent float64       // what the peer last reported about our packets
	Jitter            time.Duration // interarrival jitter, RFC 3550 6.4.1
	RTT               time.Duration // from RTCP; 0: not known yet
	Delay             time.Duration // by which the jitter buffer now holds sound back
	TargetDelay       time.Duration // by which it wants to
	MOS               float64       // estimated quality of conversation, 1 to 4.5; 0: not known yet
	RemoteMOS         float64       // listening quality that the peer reports (RFC 3611), 1 to 5; 0: not said
	Bitrate           int           // bit/s of sound we send, without headers, over the last second
	Adaptation        adapt.Situation
	Pinned            bool // the codec is the user's own choice

	LevelIn  float64 // what we send: 0 (-60 dBFS and below) to 1 (full scale), linear in dB
	LevelOut float64 // what we hear

	Codec        string   // we send now; empty: nothing agreed
	ReceiveCodec string   // the peer sends now
	Codecs       []string // both sides can do, the one in use first
	DTMF         bool     // the peer takes telephone events

	Muted      bool
	LocalHold  bool
	RemoteHold bool

	Remote    netip.AddrPort // where our RTP goes
	Local     netip.Addr     // what our SDP says
	Symmetric bool           // Remote was learnt from packets, not from SDP
	// Encryption is "none", "sdes" or "dtls"; Cipher its suite (RFC 4568), empty as long as keys are not there: no
	// sound flows until then.
	Encryption   string
	Cipher       string
	AuthFailures uint64 // packets that were not the peer's, told by SRTP

	Path string // by ICE: "direct", "nat" or "relay"; empty: to the address of the SDP

	RecorderProblem string // last failure of the Recorder while it fails; empty: fine
	PlayerProblem   string

	HandOffs []HandOff // oldest first, the last 32
}

// HandOff is what the media saw of one move of this host.
type HandOff struct {
	At       time.Time     // the Moved call's moment
	FirstOut time.Duration // At to the first packet the system took for sending; -1: none yet
	FirstIn  time.Duration // At to the first packet received; -1: none yet
	GapOut   time.Duration // longest pause between packets sent around the move
	GapIn    time.Duration // longest pause between packets received around the move
}

// Stats returns the state of the session now.
func (s *Session) Stats() Stats {
	st := Stats{SendErrors: s.sendErrors.Load(), Remote: s.remoteAddr(), HandOffs: s.moves.snapshot()}
	if s.finder != nil {
		st.Path = s.finder.kind()
	}
	s.protect.stats(&st)
	s.sentStats(&st)
	buffer := s.receivedStats(&st)
	s.rep.mu.Lock()
	st.RTT, st.RemoteLossPercent = s.rep.rtt, s.rep.remoteLoss
	if s.rep.heardX && s.rep.heard.ListeningMOS > 0 {
		st.RemoteMOS = s.rep.heard.ListeningMOS
	}
	st.Garbage += s.rep.garbage
	s.rep.mu.Unlock()
	s.mu.Lock()
	st.Muted, st.LocalHold = s.muted, s.hold
	st.RemoteHold = s.agreed && s.agreement.RemoteHold
	st.Local = s.localAddr
	st.RecorderProblem, st.PlayerProblem = s.recorder.Problem(), s.player.Problem()
	for _, c := range s.agreement.Codecs {
		if !slices.Contains(st.Codecs, c.Name) { // Speex has two rates
			st.Codecs = append(st.Codecs, c.Name)
		}
	}
	st.DTMF = len(s.agreement.Events) > 0
	s.mu.Unlock()
	if buffer.Received > 0 {
		name := st.ReceiveCodec
		if name == "" {
			name = st.Codec
		}
		s.rx.mu.Lock()
		st.MOS = quality.MOS(s.rx.path(buffer, name, st.RTT).R())
		s.rx.mu.Unlock()
	}
	s.adapting.mu.Lock()
	st.Bitrate, st.Adaptation, st.Pinned = s.adapting.bitrate, s.adapting.situation, s.adapting.pinned
	s.adapting.mu.Unlock()
	return st
}

// deviceDelay is what a sound device adds: two periods of 10 ms.
const deviceDelay = 20 * time.Millisecond

func (s *Session) sentStats(st *Stats) {
	s.tx.mu.Lock()
	defer s.tx.mu.Unlock()
	st.PacketsSent, st.BytesSent = s.tx.packets, s.tx.octets
	st.LevelIn = s.tx.level.value
	out := &s.tx.now
	if s.tx.next != nil {
		out = s.tx.next
	}
	st.Codec = out.codec.Name
}

func (s *Session) receivedStats(st *Stats) jitter.Stats {
	s.rx.mu.Lock()
	defer s.rx.mu.Unlock()
	b := s.rx.buffer.Stats()
	st.PacketsReceived, st.BytesReceived, st.Garbage = s.rx.packets, s.rx.octets, s.rx.garbage
	st.Lost, st.Late, st.Concealed = b.Lost, b.Late, b.Concealed
	st.Delay, st.TargetDelay = b.Delay, b.Target
	st.Jitter = s.rx.source.jitterTime()
	st.LossPercent = s.rx.loss.percent(b.Received+b.Lost, b.Lost)
	st.ReceiveCodec = s.rx.codec
	st.LevelOut = s.rx.level.value
	st.Symmetric = s.rx.latch.remote != s.rx.latch.sdp
	return b
}

// observe notes the counts of the loss window once a second.
func (s *Session) observe(now time.Duration) {
	s.rx.mu.Lock()
	defer s.rx.mu.Unlock()
	if s.rx.loss.due(now) {
		b := s.rx.buffer.Stats()
		s.rx.loss.tick(b.Received+b.Lost, b.Lost, now)
	}
}
