package sdp

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

var (
	// ErrNoCommon says that the descriptions have no audio format in common.
	ErrNoCommon = errors.New("sdp: no common audio format")
	// ErrMismatch says that an answer does not belong to the offer (RFC 3264 6: same lines in the same order).
	ErrMismatch = errors.New("sdp: answer does not match the offer")
)

// Local is what we can do and want now; it may differ from one offer to the next.
type Local struct {
	Addr      netip.Addr // where we receive
	Port      int        // RTP
	RTCPPort  int        // 0: Port+1
	Formats   []Format   // audio encodings, best first; PayloadType is what we would like
	Events    bool       // take telephone events (RFC 4733)
	Direction Direction  // what we want, before the peer has its say
	PTime     int        // milliseconds; 0: not said
	PreferOwn bool       // order an answer as Formats, not as the offer

	// Proto is the profile of an offer. "": that of the line as it is, RTP/AVP at first.
	Proto string
	// Mux offers one port for RTP and RTCP (RFC 5761 5.1.1).
	Mux bool
	// Fits says how well a line of an offer suits, 0: not at all. nil: RTP without encryption suits.
	Fits func(d *Description, m *Media) int

	// Extra follows the other attributes of our audio line: keys of SRTP, candidates of ICE.
	Extra []Attribute
}

// Codec is an encoding that both sides can do.
type Codec struct {
	Format        // PayloadType and Fmtp are the peer's: what we send with
	Receive uint8 // payload type the peer sends with
}

// Agreement is the outcome of one offer and answer about audio.
type Agreement struct {
	Refused      bool           // the peer answered with port 0: no audio until a new offer
	Remote       netip.AddrPort // where to send RTP; not valid: nowhere (hold by c=0.0.0.0, or a host name)
	RemoteRTCP   netip.AddrPort // where to send RTCP
	Mux          bool           // RTCP shares the RTP port (RFC 5761)
	Codecs       []Codec        // the first is the one to send
	Events       []Codec        // telephone-event, one per clock rate
	ComfortNoise []Codec        // RFC 3389
	PTime        int            // milliseconds the peer would like; 0: not said
	MaxPTime     int
	Send         bool // we may send
	Receive      bool // the peer may send
	RemoteHold   bool // the peer does not want to hear us

	Description *Description // the peer\'s, and the audio line of it that is meant
	Line        *Media
}

// Negotiation is the offer/answer state of one call. It is not safe for concurrent use. The zero value is not
// usable: see NewNegotiation.
type Negotiation struct {
	origin Origin
	sent   string // our last description without its version, to see whether the next one differs

	// lines are the m= lines of the session as both sides know them; audio is the index of ours, -1: none.
	// RFC 3264 8: a later offer has the same lines in the same order.
	lines []Media
	audio int
	mux   bool

	numbers map[string]uint8 // payload type of each encoding ever described: RFC 3264 8.3.2, never changes
	taken   [128]bool

	pending *Media // our audio line in the offer that waits for its answer
	offered *Media // our audio line in the last offer answered, for an answer that comes again
	undo    *snapshot
}

type snapshot struct {
	lines []Media
	audio int
}

// NewNegotiation starts the state of a call. user and id become the o= line.
func NewNegotiation(user string, id uint64) *Negotiation {
	return &Negotiation{origin: Origin{User: user, ID: id, Version: id}, audio: -1, numbers: map[string]uint8{}}
}

// Offer writes an offer. It stays outstanding until Accept or Rollback; a second Offer replaces it.
func (n *Negotiation) Offer(local Local) []byte {
	n.Rollback()
	n.undo = &snapshot{lines: slices.Clone(n.lines), audio: n.audio}
	line := audioLine(local, n.numbered(local.Formats), "RTP/AVP", n.mux || local.Mux)
	if local.Events {
		n.addEvents(&line, local.Formats)
	}
	finish(&line, local, local.Direction, n.mux)
	if n.audio < 0 {
		n.audio = len(n.lines)
		n.lines = append(n.lines, Media{Kind: "audio", Proto: "RTP/AVP"})
	}
	if line.Proto = n.lines[n.audio].Proto; local.Proto != "" {
		line.Proto = local.Proto
	}
	n.lines[n.audio] = line
	n.pending = &line
	return n.describe(local, nil)
}

// Rollback forgets an outstanding offer; the session is what it was before (RFC 3264 8: a refused offer changes
// nothing). Payload numbers stay taken, since the peer has seen them.
func (n *Negotiation) Rollback() {
	if n.undo == nil {
		return
	}
	n.lines, n.audio = n.undo.lines, n.undo.audio
	n.pending, n.undo = nil, nil
}

// Outstanding reports whether an offer of ours waits for its answer.
func (n *Negotiation) Outstanding() bool { return n.pending != nil }

// Accept takes the answer to the last offer. An answer that comes again, such as in a 200 after a 183, is taken too.
func (n *Negotiation) Accept(answer *Description) (Agreement, error) {
	ours := n.pending
	if ours == nil {
		ours = n.offered
	}
	theirs, err := n.AnswerLine(answer)
	if err != nil {
		return Agreement{}, err
	}
	n.offered, n.pending, n.undo = ours, nil, nil
	if theirs.Port == 0 {
		return Agreement{Refused: true, Description: answer, Line: theirs}, nil
	}
	formats := ours.RTPFormats()
	described := theirs.rtpFormats(formats) // some answers leave out the rtpmap of what we numbered
	for _, f := range described {
		n.taken[f.PayloadType&0x7f] = true
	}
	a := agree(answer, theirs, described, formats, formats, false)
	if len(a.Codecs) == 0 {
		return Agreement{}, ErrNoCommon
	}
	dir, _ := direction(ours.Attributes)
	settle(&a, dir, answer.Direction(theirs))
	_, offeredMux := ours.Attribute("rtcp-mux")
	_, answeredMux := theirs.Attribute("rtcp-mux")
	a.Mux = offeredMux && answeredMux
	n.mux = a.Mux
	remoteRTCP(&a, answer, theirs)
	return a, nil
}

// Answer answers an offer. ErrNoCommon leaves the state as it was: refuse the offer with 488.
func (n *Negotiation) Answer(local Local, offer *Description) ([]byte, Agreement, error) {
	n.Rollback() // the signalling has resolved any glare before this
	index, codecs := n.choose(local, offer)
	if index < 0 {
		return nil, Agreement{}, ErrNoCommon
	}
	theirs := &offer.Media[index]
	want := slices.Clone(local.Formats)
	if local.Events {
		for _, clock := range []int{8000, 16000, 32000, 48000} {
			want = append(want, Format{Name: TelephoneEvent, ClockRate: clock})
		}
	}
	for _, f := range codecs {
		n.learn(f)
	}
	a := agree(offer, theirs, codecs, codecs, want, local.PreferOwn)
	remote := offer.Direction(theirs)
	// RFC 3264 6.1: sendonly is answered by recvonly, and so on, less what we do not want ourselves.
	dir := NewDirection(local.Direction.Sends() && remote.Receives(), local.Direction.Receives() && remote.Sends())
	settle(&a, local.Direction, remote)
	_, a.Mux = theirs.Attribute("rtcp-mux")
	n.mux = a.Mux
	remoteRTCP(&a, offer, theirs)

	line := audioLine(local, answerFormats(a), theirs.Proto, a.Mux)
	finish(&line, local, dir, a.Mux)
	n.lines = make([]Media, len(offer.Media))
	for i, m := range offer.Media {
		// RFC 3264 6: a refused line has port 0 and repeats the offer's kind, profile and formats.
		n.lines[i] = Media{Kind: m.Kind, Proto: m.Proto, Formats: m.Formats}
	}
	n.lines[index] = line
	n.audio = index
	n.offered = nil
	return n.describe(local, offer.Times), a, nil
}

// Choose finds the audio line of an offer that Answer will take; nil: there is none, and Answer gives ErrNoCommon.
func (n *Negotiation) Choose(local Local, offer *Description) *Media {
	if i, _ := n.choose(local, offer); i >= 0 {
		return &offer.Media[i]
	}
	return nil
}

// choose finds the audio line to take: the one of the session where there is one, else the first of those that
// suit best.
func (n *Negotiation) choose(local Local, offer *Description) (int, []Format) {
	best, index := 0, -1
	var formats []Format
	for i := range offer.Media {
		f, rank := suits(local, offer, &offer.Media[i])
		if f == nil || rank <= best && i != n.audio {
			continue
		}
		best, index, formats = rank, i, f
		if i == n.audio {
			break
		}
	}
	return index, formats
}

// suits gives the formats of a line that we can take, and how well it suits.
func suits(local Local, offer *Description, m *Media) ([]Format, int) {
	if m.Kind != "audio" || m.Port == 0 {
		return nil, 0
	}
	rank := 0
	switch {
	case local.Fits != nil:
		rank = local.Fits(offer, m)
	case m.Profile() == PlainRTP:
		rank = 1
	}
	formats := m.RTPFormats()
	for _, f := range formats {
		if rank > 0 && slices.ContainsFunc(local.Formats, f.Same) {
			return formats, rank
		}
	}
	return nil, 0
}

// AnswerLine finds our audio line in the answer to the outstanding offer. It fails with ErrMismatch as Accept does.
func (n *Negotiation) AnswerLine(answer *Description) (*Media, error) {
	if n.pending == nil && n.offered == nil ||
		n.audio < 0 || len(answer.Media) <= n.audio || answer.Media[n.audio].Kind != "audio" {
		return nil, ErrMismatch
	}
	return &answer.Media[n.audio], nil
}

// agree matches the peer's formats with what we want. ours are the formats with the numbers we receive on.
func agree(d *Description, theirs *Media, formats, ours, want []Format, preferOwn bool) Agreement {
	a := Agreement{Description: d, Line: theirs}
	var seen []Format
	for _, f := range formats {
		if !slices.ContainsFunc(want, f.Same) && !isComfortNoise(f) || slices.ContainsFunc(seen, f.Same) {
			continue
		}
		seen = append(seen, f)
		c := Codec{Format: f, Receive: f.PayloadType}
		if i := slices.IndexFunc(ours, f.Same); i >= 0 {
			c.Receive = ours[i].PayloadType
		}
		switch {
		case strings.EqualFold(f.Name, TelephoneEvent):
			a.Events = append(a.Events, c)
		case isComfortNoise(f):
			a.ComfortNoise = append(a.ComfortNoise, c)
		default:
			a.Codecs = append(a.Codecs, c)
		}
	}
	a.Events = eventsFor(a)
	if preferOwn {
		rank := func(c Codec) int { return slices.IndexFunc(want, c.Same) }
		slices.SortStableFunc(a.Codecs, func(x, y Codec) int { return rank(x) - rank(y) })
	}
	if addr := d.Connection(theirs); usable(addr, theirs.Port) {
		a.Remote = netip.AddrPortFrom(addr, uint16(theirs.Port)) //nolint:gosec // Parse checked the range.
	}
	a.PTime, a.MaxPTime = milliseconds(theirs, "ptime"), milliseconds(theirs, "maxptime")
	return a
}

// eventsFor keeps the events whose clock rate is that of an agreed codec (RFC 4733 2.1), or all when none is.
func eventsFor(a Agreement) []Codec {
	var list []Codec
	for _, e := range a.Events {
		if slices.ContainsFunc(a.Codecs, func(c Codec) bool { return c.ClockRate == e.ClockRate }) {
			list = append(list, e)
		}
	}
	if list == nil {
		return a.Events
	}
	return list
}

func isComfortNoise(f Format) bool { return strings.EqualFold(f.Name, ComfortNoise) }

// milliseconds reads ptime or maxptime; 0: missing or senseless.
func milliseconds(m *Media, key string) int {
	text, _ := m.Attribute(key)
	v, err := strconv.ParseFloat(text, 64) // some write "20.0"
	if err != nil || v < 1 || v > 200 {
		return 0
	}
	return int(v)
}

func settle(a *Agreement, local, remote Direction) {
	a.Send = local.Sends() && remote.Receives()
	a.Receive = local.Receives() && remote.Sends()
	a.RemoteHold = !remote.Receives()
}

// remoteRTCP finds the peer's RTCP address: the RTP port when multiplexed, a=rtcp (RFC 3605), else the next port.
func remoteRTCP(a *Agreement, d *Description, theirs *Media) {
	if !a.Remote.IsValid() || a.Mux {
		a.RemoteRTCP = a.Remote
		return
	}
	addr, port := a.Remote.Addr(), theirs.Port+1
	if value, ok := theirs.Attribute("rtcp"); ok {
		text, rest, _ := strings.Cut(value, " ")
		if p, err := strconv.Atoi(text); err == nil && p > 0 && p <= 65535 {
			port = p
			if other := parseConnection(rest); usable(other, p) {
				addr = other
			}
		}
	}
	if port <= 65535 && usable(d.Connection(theirs), theirs.Port) {
		a.RemoteRTCP = netip.AddrPortFrom(addr, uint16(port)) //nolint:gosec // checked above.
	}
}

// learn notes the number of an encoding in the session, so that we use it too and never give it another meaning.
func (n *Negotiation) learn(f Format) {
	n.taken[f.PayloadType&0x7f] = true
	if f.PayloadType >= 96 {
		n.numbers[f.key()] = f.PayloadType
	}
}

// numbered gives each format the payload type it has in this session, or a free one near what it would like.
func (n *Negotiation) numbered(formats []Format) []Format {
	list := slices.Clone(formats)
	for i := range list {
		f := &list[i]
		if known, ok := n.numbers[f.key()]; ok {
			f.PayloadType = known
		}
		if f.PayloadType < 96 {
			continue // static
		}
		if _, ok := n.numbers[f.key()]; !ok && n.taken[f.PayloadType&0x7f] {
			f.PayloadType = n.free()
		}
		n.learn(*f)
	}
	return list
}

// free returns an unused dynamic payload type (RFC 3551 3: 96 to 127), or one of 35 to 63 when all are taken.
func (n *Negotiation) free() uint8 {
	for pt := uint8(96); pt < 128; pt++ {
		if !n.taken[pt] {
			return pt
		}
	}
	for pt := uint8(35); pt < 64; pt++ {
		if !n.taken[pt] {
			return pt
		}
	}
	return 127
}

// addEvents adds telephone-event at the clock rates of the formats: RFC 4733 2.1 wants that of the audio beside it.
func (n *Negotiation) addEvents(line *Media, formats []Format) {
	events := []Format{}
	for _, f := range formats {
		e := Format{PayloadType: 101, Name: TelephoneEvent, ClockRate: f.ClockRate, Channels: 1, Fmtp: "0-15"}
		if !slices.ContainsFunc(events, e.Same) {
			events = append(events, e)
		}
	}
	// 8000 first: it gets number 101, which some peers expect without reading.
	slices.SortStableFunc(events, func(a, b Format) int { return a.ClockRate - b.ClockRate })
	addFormats(line, n.numbered(events))
}

func answerFormats(a Agreement) []Format {
	var list []Format
	for _, group := range [][]Codec{a.Codecs, a.Events} {
		for _, c := range group {
			c.PayloadType = c.Receive
			if strings.EqualFold(c.Name, TelephoneEvent) {
				c.Fmtp = "0-15"
			}
			list = append(list, c.Format)
		}
	}
	return list
}

func audioLine(local Local, formats []Format, proto string, mux bool) Media {
	line := Media{Kind: "audio", Port: local.Port, Proto: proto}
	for i := range formats {
		if j := slices.IndexFunc(local.Formats, formats[i].Same); j >= 0 {
			formats[i].Fmtp = local.Formats[j].Fmtp // ours: what we want to receive
		}
	}
	addFormats(&line, formats)
	if mux {
		line.Attributes = append(line.Attributes, Attribute{Key: "rtcp-mux"})
	}
	return line
}

func addFormats(line *Media, formats []Format) {
	for _, f := range formats {
		line.Formats = append(line.Formats, strconv.Itoa(int(f.PayloadType)))
		line.Attributes = append(line.Attributes, Attribute{"rtpmap", f.rtpmap()})
		if f.Fmtp != "" {
			line.Attributes = append(line.Attributes, Attribute{"fmtp", fmt.Sprintf("%d %s", f.PayloadType, f.Fmtp)})
		}
	}
}

// finish adds what follows the formats. mux says that RTCP has no port of its own any more; as long as that is but
// offered, the peer must know the port (RFC 5761 5.1.1).
func finish(line *Media, local Local, dir Direction, mux bool) {
	if local.RTCPPort != 0 && local.RTCPPort != local.Port+1 && !mux {
		line.Attributes = append(line.Attributes, Attribute{"rtcp", strconv.Itoa(local.RTCPPort)})
	}
	if local.PTime > 0 {
		line.Attributes = append(line.Attributes, Attribute{"ptime", strconv.Itoa(local.PTime)})
	}
	line.Attributes = append(line.Attributes, Attribute{Key: dir.String()})
	line.Attributes = append(line.Attributes, local.Extra...)
}

// describe writes the session, with a new version when it differs from what we sent last (RFC 3264 8).
func (n *Negotiation) describe(local Local, times []string) []byte {
	d := Description{Origin: n.origin, Conn: local.Addr, Times: times, Media: n.lines}
	d.Origin.Addr, d.Origin.Version = local.Addr, 0
	if bare := string(d.Marshal()); bare != n.sent {
		if n.sent != "" {
			n.origin.Version++
		}
		n.sent = bare
	}
	d.Origin.Version = n.origin.Version
	return d.Marshal()
}
