package media

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"time"

	"github.com/peregrine-softphone/peregrine/media/secure"
)

const (
	// handshakeLimit is how long one attempt may take; a peer whose path opens later is met by the next one.
	handshakeLimit = 10 * time.Second
	// handshakePause is the pause before the second attempt; it doubles up to four times.
	handshakePause = time.Second

	// maxEarly datagrams of a handshake are kept that came before the description they belong to: the answer may have
	// a longer way than the first flight of whoever wrote it (RFC 5763 6.2).
	maxEarly     = 4
	maxEarlySize = 2048
)

// handshakes are the DTLS associations of a session: one, or two when RTCP has a port of its own. A wish is for an
// agreement; a new one ends the associations of that before.
//
//	wanted --path open--> shaking --keys--> keyed --goodbye--> ended
//	                       |    ^
//	                       |    | pause
//	                       +----+ failed, or nobody there
type handshakes struct {
	mu    sync.Mutex
	wish  *wish
	early [2][]earlyDatagram // by component
	kick  chan struct{}
}

type earlyDatagram struct {
	data []byte
	from netip.AddrPort
}

// wish is an agreement about DTLS.
type wish struct {
	terms security
	split bool
	ends  [2]*shakeEnd // by component: RTP, RTCP
}

// shakeEnd is the association of one component.
type shakeEnd struct {
	association *secure.Association
	heard       netip.AddrPort // where the peer's handshake comes from
	named       bool           // that is the address of signalling
}

// wantHandshake begins or ends associations after an agreement. s.mu is held.
func (s *Session) wantHandshake(a security, mux bool) {
	k := &s.protect.shakes
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.wish == nil && a.way != secure.DTLS {
		return
	}
	k.wish = nil
	if a.way == secure.DTLS {
		k.wish = &wish{terms: a, split: !mux}
	}
	poke(k.kick)
}

// runHandshakes keeps the associations that are wanted until ctx ends.
func (s *Session) runHandshakes(ctx context.Context) {
	k := &s.protect.shakes
	var running sync.WaitGroup
	defer running.Wait()
	var present *wish
	end := func() {}
	defer func() { end() }()
	for {
		select {
		case <-ctx.Done():
			return
		case <-k.kick:
		}
		k.mu.Lock()
		wanted := k.wish
		k.mu.Unlock()
		if wanted == present {
			continue
		}
		end()
		present, end = wanted, func() {}
		if wanted == nil {
			continue
		}
		inner, cancel := context.WithCancel(ctx)
		end = cancel
		running.Go(func() { s.runAssociation(inner, wanted, false) })
		if wanted.split {
			running.Go(func() { s.runAssociation(inner, wanted, true) })
		}
	}
}

// runAssociation tries until there are keys, and then keeps the association until ctx ends.
func (s *Session) runAssociation(ctx context.Context, w *wish, rtcp bool) {
	pause := handshakePause
	for {
		a := s.newEnd(w, rtcp)
		limit, stop := context.WithTimeout(ctx, handshakeLimit)
		keys, err := a.Handshake(limit)
		stop()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				a.Serve(ctx)
			}
			return
		case err == nil:
			if err = s.keyed(w, rtcp, keys); err == nil {
				a.Serve(ctx)
				return
			}
		}
		s.log.WarnContext(ctx, "no keys with the peer yet", "rtcp", rtcp, "error", err,
			"mismatch", errors.Is(err, secure.ErrFingerprint))
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		pause = min(2*pause, 8*handshakePause)
	}
}

// side is the index of a component.
func side(rtcp bool) int {
	if rtcp {
		return 1
	}
	return 0
}

// newEnd makes the next attempt of a component the one that hears the peer.
func (s *Session) newEnd(w *wish, rtcp bool) *secure.Association {
	e := &shakeEnd{}
	e.association = secure.NewAssociation(secure.AssociationConfig{
		Certificate: s.protect.certificate, Active: w.terms.active, Fingerprints: w.terms.fingerprints,
		Send: func(data []byte) { s.sendHandshake(e, data, rtcp) },
	})
	k := &s.protect.shakes
	k.mu.Lock()
	w.ends[side(rtcp)] = e
	early := k.early[side(rtcp)]
	k.early[side(rtcp)] = nil
	k.mu.Unlock()
	for _, d := range early {
		s.receiveHandshake(d.data, d.from, rtcp)
	}
	return e.association
}

// sendHandshake sends to where the peer's handshake comes from: behind a NAT that is not the address of its SDP.
func (s *Session) sendHandshake(e *shakeEnd, data []byte, rtcp bool) {
	k := &s.protect.shakes
	k.mu.Lock()
	to := e.heard
	k.mu.Unlock()
	if _, plain := (*s.way.Load()).(plainPath); !plain || !to.IsValid() {
		s.emit(data, rtcp)
		return
	}
	by := s.rtp
	if rtcp {
		by = s.rtcp
	}
	if err := by.write(data, to); err != nil {
		s.sendErrors.Add(1)
	}
}

// receiveHandshake takes a datagram of DTLS. As long as none came from the address of signalling any will do: the peer
// may sit behind a NAT, and who it is its certificate tells.
func (s *Session) receiveHandshake(data []byte, from netip.AddrPort, rtcp bool) {
	if s.protect.policy == secure.Off || len(data) > maxEarlySize {
		s.reject()
		return
	}
	_, plain := (*s.way.Load()).(plainPath)
	named := !plain || from == s.named(rtcp)
	k := &s.protect.shakes
	k.mu.Lock()
	defer k.mu.Unlock()
	var e *shakeEnd
	if k.wish != nil {
		e = k.wish.ends[side(rtcp)]
	}
	if e == nil {
		if list := &k.early[side(rtcp)]; len(*list) < maxEarly {
			*list = append(*list, earlyDatagram{append([]byte(nil), data...), from})
		}
		return
	}
	switch {
	case named:
		e.named, e.heard = true, from
	case e.named:
		return // somebody else meanwhile
	default:
		e.heard = from
	}
	e.association.Receive(data)
}

// named is the address of the peer that signalling told, or packets since.
func (s *Session) named(rtcp bool) netip.AddrPort {
	if !rtcp {
		return s.remoteAddr()
	}
	s.rep.mu.Lock()
	defer s.rep.mu.Unlock()
	return s.rep.remote
}

// keyed puts the keys of a handshake into force: from now on sound flows.
func (s *Session) keyed(w *wish, rtcp bool, keys secure.Keys) error {
	sealer, err := secure.NewSealer(keys.Send)
	if err != nil {
		return err
	}
	opener, err := secure.NewOpener(keys.Receive)
	if err != nil {
		return err
	}
	s.mu.Lock()
	heard, current := s.shaken(w, rtcp)
	h := s.protect.shield.Load()
	if !current || h == nil || h.way != secure.DTLS {
		s.mu.Unlock()
		return nil // the agreement has changed meanwhile
	}
	next := *h
	if rtcp {
		next.controlSealer, next.controlOpener = sealer, opener
	} else {
		next.sealer, next.opener, next.suite = sealer, opener, keys.Send.Suite
	}
	s.protect.shield.Store(&next)
	if !rtcp && len(s.agreement.Codecs) > 0 {
		err = s.configureSender(s.agreement)
	}
	s.mu.Unlock()
	if heard.IsValid() && !rtcp {
		s.moveRemote(heard)
	}
	s.log.Info("media is encrypted", "keys", "dtls", "cipher", keys.Send.Suite.String(), "rtcp", rtcp)
	s.changed()
	return err
}

// shaken reports whether w is still what is wanted, and where the peer is when signalling did not know it.
func (s *Session) shaken(w *wish, rtcp bool) (netip.AddrPort, bool) {
	k := &s.protect.shakes
	k.mu.Lock()
	defer k.mu.Unlock()
	e := w.ends[side(rtcp)]
	if _, plain := (*s.way.Load()).(plainPath); e == nil || e.named || !plain {
		return netip.AddrPort{}, k.wish == w
	}
	return e.heard, k.wish == w
}
