// Package adapt decides how a call fits itself to the network: bitrate, protection against loss, packet time, and as
// the last means another codec (automatic session modification). It is for package media, which feeds one
// [Controller] per call with a [Report] twice a second and carries out the [Action]s; a [Wish] is for whoever can send
// a re-INVITE, and how that went comes back by [Controller.Outcome]. It has no clock and does no I/O.
//
// What it does, in this order, and takes back in the reverse one, is told with all thresholds and their reasons in
// docs/adaptation.md. A Controller belongs to one goroutine.
package adapt

import "time"

// Report is what is known of a call at one moment.
type Report struct {
	Codec  string   // we send now; empty: nothing is agreed
	Codecs []string // both sides can do, our preference first

	Active bool // sound is sent and received: nobody holds
	Pinned bool // the user has chosen the codec: it stays

	PacketMS    int  // milliseconds a packet, as agreed
	MaxPacketMS int  // the longest the peer takes; 0: not said
	Usual       int  // bit/s an adaptive codec has when all is well
	Most        int  // bit/s the peer allows it
	FEC         bool // the peer uses copies of lost packets

	Up   Up
	Down Down
}

// Up is the direction to the peer, as its RTCP tells.
type Up struct {
	Reports uint64        // trustworthy ones so far; the other fields are of the last
	Loss    float64       // 0 to 1, since the one before
	RTT     time.Duration // 0: not known
	Load    int           // bit/s we put on the wire with IP, UDP and RTP headers, over the last second
}

// Down is the direction to us, as we measure it.
type Down struct {
	Loss  float64       // 0 to 1, over the last second
	Queue time.Duration // the least delay of the last half second, above the least of the last minute
	Load  int           // bit/s received with headers, over the last second
}

// Action is something to be done at once, in the order of the slice. The types are below.
type Action interface{ action() }

// SetBitrate sets the target of an adaptive encoder, in bit/s of payload.
type SetBitrate struct{ BPS int }

// SetFEC sets for how much loss, in percent, an adaptive encoder protects.
type SetFEC struct{ Percent int }

// SetBandwidth limits an adaptive encoder to the audio bandwidth of a PCM rate in Hz.
type SetBandwidth struct{ Rate int }

// SetDTX lets an adaptive encoder send next to nothing in pauses.
type SetDTX struct{ On bool }

// SetConstant makes an adaptive encoder send as much in pauses as in speech: a probe must not depend on who talks.
type SetConstant struct{ On bool }

// SetPacketTime sets the length of the packets sent.
type SetPacketTime struct{ MS int }

// Wish asks for a re-INVITE that prefers a codec. Outcome is owed, whatever becomes of it.
type Wish struct {
	Codec  string
	Return bool   // the network has healed: back to what was before
	Reason Reason // of going away
	// Now: the codec may be sent from now on, where the last answer allows it (RFC 3264 6.1), so that the request
	// itself gets through.
	Now     bool
	Bitrate int // bit/s to begin with, when the codec is adaptive; 0: as usual
	Limit   int // bit/s to be asked of the peer by maxaveragebitrate (RFC 7587 6.1); 0: none
}

func (SetBitrate) action()    {}
func (SetFEC) action()        {}
func (SetBandwidth) action()  {}
func (SetDTX) action()        {}
func (SetConstant) action()   {}
func (SetPacketTime) action() {}
func (Wish) action()          {}

// Reason is why something was changed.
type Reason uint8

// The reasons.
const (
	NoReason Reason = iota
	Slow            // the network carries less than the call needs
	Lossy           // the network loses packets, whatever their rate
)

// String is the reason in a word.
func (r Reason) String() string { return [...]string{"none", "slow", "lossy"}[min(r, Lossy)] }

// Situation is what is in force.
type Situation struct {
	State    State
	Reason   Reason // why; NoReason: nothing was changed
	Codec    string // what was changed to, in Away and Probing
	Home     string // what it was before
	Bitrate  int    // bit/s of an adaptive codec; 0: it is not one
	FEC      int    // percent
	PacketMS int
	Limit    int // bit/s asked of the peer; 0: none
}

// Limits of what is decided.
const (
	MinBitrate = 8000  // bit/s: below it Opus is no pleasure (RFC 7587 3.1.1 begins at 8)
	MaxBitrate = 64000 // bit/s: more is not heard in speech, and it is what G.711 needs
)

// header is the size of IPv4, UDP and RTP headers in bits; IPv6 has 20 bytes more, SRTP's tag 10.
const header = (20 + 8 + 12) * 8

// overhead is what headers need in bit/s.
func overhead(packetMS int) int { return header * 1000 / max(packetMS, 10) }
