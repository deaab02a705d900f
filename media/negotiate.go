package media

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/peregrine-softphone/peregrine/media/codec"
	"github.com/peregrine-softphone/peregrine/media/sdp"
)

// Offer writes an SDP offer from what the session wants now. It stays outstanding until Accept or Rollback; until
// then, sound goes on as agreed before. It fails with ErrNoAddress when no network is up and none was before.
func (s *Session) Offer(context.Context) ([]byte, error) {
	if s.finder != nil {
		s.finder.prepare(nil)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	local, err := s.local()
	if err != nil {
		return nil, err
	}
	if s.hold && s.agreement.RemoteHold {
		local.Direction = sdp.Inactive // RFC 3264 8.4: nobody listens
	}
	if s.finder != nil {
		s.finder.describe(&local, nil)
	}
	if err := s.protect.propose(&local); err != nil {
		return nil, err
	}
	return s.negotiation.Offer(local), nil
}

// Answer answers an SDP offer and switches to what was agreed. It fails with ErrNoCommonCodec, or with what is wrong
// with the text; then nothing changes.
func (s *Session) Answer(offer []byte) ([]byte, error) {
	d, err := sdp.Parse(offer)
	if err != nil {
		return nil, fmt.Errorf("media offer: %w", err)
	}
	if s.finder != nil {
		s.finder.prepare(d)
	}
	s.mu.Lock()
	answer, err := s.answer(d)
	s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	s.changed()
	return answer, nil
}

func (s *Session) answer(d *sdp.Description) ([]byte, error) {
	local, err := s.local()
	if err != nil {
		return nil, err
	}
	if s.finder != nil {
		s.finder.describe(&local, d)
	}
	terms, err := s.choose(&local, d)
	if err != nil {
		return nil, err
	}
	answer, agreed, err := s.negotiation.Answer(local, d)
	if errors.Is(err, sdp.ErrNoCommon) {
		return nil, ErrNoCommonCodec
	}
	if err != nil {
		return nil, fmt.Errorf("media offer: %w", err)
	}
	return answer, s.apply(agreed, terms, true)
}

// Accept takes the answer to the last offer and switches to what was agreed. It may come again for the same offer,
// as in a 200 after a 183. It fails with ErrState, ErrNoCommonCodec, or with what is wrong with the text.
func (s *Session) Accept(answer []byte) error {
	d, err := sdp.Parse(answer)
	if err != nil {
		return fmt.Errorf("media answer: %w", err)
	}
	s.mu.Lock()
	terms, err := s.secureLine(d)
	if err == nil {
		var agreed sdp.Agreement
		if agreed, err = s.negotiation.Accept(d); err == nil {
			err = s.apply(agreed, terms, false)
		}
	}
	s.mu.Unlock()
	switch {
	case errors.Is(err, sdp.ErrMismatch):
		return fmt.Errorf("media answer: %w: %w", ErrState, err)
	case errors.Is(err, sdp.ErrNoCommon):
		return ErrNoCommonCodec
	case err != nil:
		return fmt.Errorf("media answer: %w", err)
	}
	s.changed()
	return nil
}

// Rollback forgets the outstanding offer: the peer refused it, and everything goes on as before (RFC 3264 8).
func (s *Session) Rollback() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.negotiation.Rollback()
}

// local is what we can do now. s.mu is held.
func (s *Session) local() (sdp.Local, error) {
	var remote netip.Addr
	if s.agreement.Remote.IsValid() {
		remote = s.agreement.Remote.Addr()
	}
	if s.cfg.LocalAddr != nil {
		// During an outage the last address stands in: the offer may leave once there is a path again.
		if a := s.cfg.LocalAddr(remote).Unmap(); a.IsValid() && !a.IsUnspecified() {
			s.localAddr = a
		}
	}
	if !s.localAddr.IsValid() {
		return sdp.Local{}, ErrNoAddress
	}
	return sdp.Local{
		Addr: s.localAddr, Port: s.rtp.port(), RTCPPort: s.rtcp.port(),
		Formats: formats(s.offered()), Events: true,
		Direction: sdp.NewDirection(true, !s.hold),
		PTime:     packetMS, PreferOwn: s.chosen,
	}, nil
}

func formats(codecs []codec.Codec) []sdp.Format {
	list := make([]sdp.Format, len(codecs))
	for i, c := range codecs {
		list[i] = sdp.Format{
			PayloadType: c.PayloadType, Name: c.Name, ClockRate: c.ClockRate, Channels: c.Channels, Fmtp: c.Fmtp,
		}
	}
	return list
}

// apply switches to an agreement. s.mu is held.
func (s *Session) apply(a sdp.Agreement, terms security, byPeer bool) error {
	if a.Refused || len(a.Codecs) == 0 {
		a.Send, a.Receive = false, false
		a.Codecs = s.agreement.Codecs
	}
	if !a.Refused {
		if err := s.guard(terms, a.Mux); err != nil {
			return err
		}
	}
	types := s.payloadTypes(a)
	if len(a.Codecs) > 0 {
		if err := s.configureSender(a); err != nil {
			return err
		}
	}
	if !a.Remote.IsValid() {
		a.Remote, a.RemoteRTCP = s.agreement.Remote, s.agreement.RemoteRTCP // hold by 0.0.0.0
	}
	s.agreement, s.agreed = a, true
	s.rx.set(types)
	s.setRemote(s.rx.describe(a.Remote, byPeer, s.hold || !a.Receive))
	s.rep.mu.Lock()
	s.rep.mux = a.Mux
	if a.Remote.Addr() == s.remoteAddr().Addr() || !s.rep.remote.IsValid() {
		s.rep.remote = a.RemoteRTCP
	}
	s.rep.mu.Unlock()
	if s.finder != nil {
		s.finder.agreed(a, byPeer)
	}
	s.readyOnce.Do(func() { close(s.ready) })
	return nil
}

// payloadTypes lists what the peer may send after an agreement.
func (s *Session) payloadTypes(a sdp.Agreement) map[uint8]payloadType {
	types := map[uint8]payloadType{}
	for _, c := range a.ComfortNoise {
		types[c.Receive] = payloadType{kind: payloadNoise, clock: c.ClockRate}
	}
	if types[13].kind == payloadNone {
		// RFC 3551 6: static; some send it without a word in SDP.
		types[13] = payloadType{kind: payloadNoise, clock: 8000}
	}
	for _, e := range a.Events {
		types[e.Receive] = payloadType{kind: payloadEvent, clock: e.ClockRate}
	}
	for _, c := range a.Codecs {
		for _, pt := range []uint8{c.PayloadType, c.Receive} {
			// Peers with numbers of their own should send with ours (RFC 3264 5.1); not all do.
			if known, ok := s.find(c.Format); ok && types[pt].kind == payloadNone {
				types[pt] = payloadType{kind: payloadAudio, codec: known, clock: c.ClockRate}
			}
		}
	}
	return types
}

// configureSender starts sending the first codec of the agreement.
func (s *Session) configureSender(a sdp.Agreement) error {
	first := a.Codecs[0]
	c, ok := s.find(first.Format)
	if !ok {
		return ErrNoCommonCodec
	}
	ms := packetTime(c, a)
	out, ok := s.tx.same(c, first.PayloadType, ms)
	if !ok {
		var err error
		if out, err = newOutgoing(c, first.PayloadType, ms); err != nil {
			return err
		}
	}
	out.send, out.fmtp = a.Send && s.protect.shield.Load().ready(), first.Fmtp
	out.eventType, out.eventClock = 0, 0
	for _, e := range a.Events {
		// RFC 4733 2.1: the clock of the audio where the peer has it, else whatever it takes.
		if out.eventClock == 0 || e.ClockRate == c.ClockRate {
			out.eventType, out.eventClock = e.PayloadType, e.ClockRate
		}
	}
	s.tx.configure(out)
	return nil
}

// packetMS is the packet time we ask for (RFC 3551 4.2: the default).
const packetMS = 20

// packetTime is what the peer would like, as far as the codec can: a=ptime is a wish for what it receives
// (RFC 8866 6.4).
func packetTime(c codec.Codec, a sdp.Agreement) int {
	ms := c.FrameMS
	if ms == 0 {
		ms = packetMS
	}
	if a.PTime >= 10 && a.PTime <= 60 && a.PTime%10 == 0 {
		ms = a.PTime
	}
	if a.MaxPTime >= 10 {
		ms = min(ms, a.MaxPTime/10*10)
	}
	if strings.EqualFold(c.Name, "opus") && !slices.Contains([]int{10, 20, 40, 60}, ms) {
		ms = packetMS // RFC 6716 2.1.4
	}
	return ms
}

func (s *Session) find(f sdp.Format) (codec.Codec, bool) {
	for _, c := range s.codecs {
		if f.Same(formats([]codec.Codec{c})[0]) {
			return c, true
		}
	}
	return codec.Codec{}, false
}
