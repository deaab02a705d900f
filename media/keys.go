package media

import (
	"fmt"
	"slices"

	"github.com/peregrine-softphone/peregrine/media/codec"
	"github.com/peregrine-softphone/peregrine/media/sdp"
	"github.com/peregrine-softphone/peregrine/media/secure"
)

// security is what an offer and its answer say of encryption.
type security struct {
	way secure.Exchange // Auto: none

	suite  secure.Suite // SDES: of both keys
	tag    int
	remote secure.Master

	fingerprints []secure.Fingerprint // DTLS: of the peer
	active       bool                 // we begin
}

func (a security) encrypted() bool { return a.way != secure.Auto }

// sameAssociation reports whether b goes on with the association of a: nobody changed a certificate or a role
// (RFC 8842 4). New addresses change nothing: the association moves with the call.
func (a security) sameAssociation(b security) bool {
	return a.way == secure.DTLS && b.way == secure.DTLS && a.active == b.active &&
		slices.Equal(a.fingerprints, b.fingerprints)
}

// can reports whether keys may be exchanged in a way.
func (p *protection) can(way secure.Exchange) bool {
	if p.policy == secure.Off || p.exchange != secure.Auto && p.exchange != way {
		return false
	}
	if way == secure.DTLS {
		return p.certificate != nil
	}
	// RFC 4568 8.2: whoever reads the signalling has the key.
	return p.signalling != nil && p.signalling()
}

// The profiles of offers that leave no choice (RFC 4568 5.1.1, RFC 5764 8).
const (
	profileSRTP = "RTP/SAVP"
	profileDTLS = "UDP/TLS/RTP/SAVP"
)

// rung is one way to offer encryption; when a peer refuses it with 488 the next one is tried.
type rung struct {
	profile string // empty: RTP/AVP, which leaves the choice to the peer
	ways    []secure.Exchange
}

// ladder lists the ways to offer encryption, best first; empty: there is none.
//
// "Preferred" is opportunistic SRTP (RFC 8643): the profile stays RTP/AVP, keys stand in attributes, and a peer that
// does not know them makes a plain call. Peers that insist on encryption may know it by its own profiles only (baresip
// 1.0), so these follow. "Required" begins there. RTP/SAVP brings the fingerprint too: baresip 1.0 with DTLS answers it
// by that, where RFC 5764 8 knows the other profile only.
func (p *protection) ladder() []rung {
	sdes, dtls := p.can(secure.SDES), p.can(secure.DTLS)
	var ways []secure.Exchange
	if sdes {
		ways = append(ways, secure.SDES)
	}
	if dtls {
		ways = append(ways, secure.DTLS)
	}
	var list []rung
	if p.policy == secure.Preferred && len(ways) > 0 {
		list = append(list, rung{"", ways})
	}
	if sdes {
		list = append(list, rung{profileSRTP, ways})
	}
	if dtls {
		list = append(list, rung{profileDTLS, []secure.Exchange{secure.DTLS}})
	}
	return list
}

// propose completes our offer. An encrypted call goes on as it is. Session.mu is held.
func (p *protection) propose(local *sdp.Local) error {
	p.offer, p.strict = map[secure.Exchange]bool{}, false
	ladder := p.ladder()
	var ways []secure.Exchange
	switch {
	case p.agreed.encrypted():
		ways = []secure.Exchange{p.agreed.way}
	case len(ladder) > 0:
		r := ladder[min(p.rung, len(ladder)-1)]
		ways, local.Proto, p.strict = r.ways, r.profile, r.profile != ""
	case p.policy == secure.Required:
		return fmt.Errorf("media offer: no way to exchange keys: %w", ErrInsecure)
	}
	for _, way := range ways {
		p.offer[way] = true
		switch way {
		case secure.SDES:
			if err := p.writeCryptos(local); err != nil {
				return err
			}
		case secure.DTLS:
			p.writeFingerprint(local, secure.ActPass) // RFC 5763 5
			local.Mux = true                          // one port, one handshake (RFC 5764 5.1.1)
		case secure.Auto:
		}
	}
	return nil
}

// writeCryptos offers our keys, the suite in use first, so that the call goes on with it.
func (p *protection) writeCryptos(local *sdp.Local) error {
	list := secure.Offered()
	if i := slices.Index(list, p.agreed.suite); i > 0 {
		list = slices.Insert(slices.Delete(list, i, i+1), 0, p.agreed.suite)
	} else if i < 0 && p.agreed.suite != secure.NoSuite {
		list = slices.Insert(list, 0, p.agreed.suite) // one that only the peer wanted
	}
	for i, suite := range list {
		key, err := p.key(suite)
		if err != nil {
			return err
		}
		line := secure.Crypto{Tag: i + 1, Master: key.master}
		local.Extra = append(local.Extra, sdp.Attribute{Key: "crypto", Value: line.String()})
	}
	return nil
}

func (p *protection) writeFingerprint(local *sdp.Local, setup secure.Setup) {
	local.Extra = append(local.Extra,
		sdp.Attribute{Key: "fingerprint", Value: p.certificate.Fingerprint().String()},
		sdp.Attribute{Key: "setup", Value: setup.String()})
}

// key gives our key for a suite. It is the same in all descriptions of a call, so that none of them interrupts it
// (RFC 4568 7.1.4), and its sealer counts on through all of them.
func (p *protection) key(suite secure.Suite) (*ownKey, error) {
	if k := p.own[suite]; k != nil {
		return k, nil
	}
	k := &ownKey{master: secure.NewMaster(suite)}
	var err error
	if k.sealer, err = secure.NewSealer(k.master); err != nil {
		return nil, fmt.Errorf("media keys: %w", err)
	}
	if p.own == nil {
		p.own = map[secure.Suite]*ownKey{}
	}
	p.own[suite] = k
	return k, nil
}

// fits says how well a line of an offer suits: encrypted, plain, or not at all.
func (p *protection) fits(d *sdp.Description, m *sdp.Media) int {
	profile := m.Profile()
	if profile == sdp.OtherProfile {
		return 0
	}
	if p.offered(d, m).encrypted() {
		return 2
	}
	if profile == sdp.PlainRTP && p.policy != secure.Required {
		return 1
	}
	return 0
}

// offered finds the way of encryption that we take from a line of the peer's offer. DTLS comes first: its keys are
// seen by the two ends alone.
func (p *protection) offered(d *sdp.Description, m *sdp.Media) security {
	if a, setup := readDTLS(d, m); a.encrypted() && p.can(secure.DTLS) && m.Profile() != sdp.OtherProfile {
		switch setup {
		case secure.ActPass:
			a.active = true // RFC 5763 5: recommended
			if again := a; !p.agreed.sameAssociation(again) {
				again.active = false
				if p.agreed.sameAssociation(again) {
					a.active = false // RFC 8842 5.3: the roles stay
				}
			}
			return a
		case secure.Passive:
			a.active = true
			return a
		case secure.Active, secure.NoSetup: // RFC 4145 4.1: an offer without is active
			return a
		case secure.HoldConn:
		}
	}
	if m.Profile() == sdp.SecureDTLS || !p.can(secure.SDES) {
		return security{}
	}
	for _, value := range m.Values("crypto") {
		// RFC 4568 5.1.2: the first line that we can do.
		if c, err := secure.ParseCrypto(value); err == nil {
			return security{way: secure.SDES, suite: c.Master.Suite, tag: c.Tag, remote: c.Master}
		}
	}
	return security{}
}

// readDTLS reads the fingerprints of a line, or of the session.
func readDTLS(d *sdp.Description, m *sdp.Media) (security, secure.Setup) {
	var a security
	for _, value := range d.Inherited(m, "fingerprint") {
		if f, err := secure.ParseFingerprint(value); err == nil {
			a.way, a.fingerprints = secure.DTLS, append(a.fingerprints, f)
		}
	}
	setup := secure.NoSetup
	if list := d.Inherited(m, "setup"); len(list) > 0 {
		setup = secure.ParseSetup(list[0])
	}
	return a, setup
}

// respond completes our answer to the peer's offer, whose line has been chosen. Session.mu is held.
func (p *protection) respond(local *sdp.Local, d *sdp.Description, m *sdp.Media) (security, error) {
	// Another party behind the same dialog, as after a transfer by a server, must not get the keys of this one.
	party := fmt.Sprint(d.Origin.User, d.Origin.ID)
	if party != p.party && p.party != "" && p.agreed.way == secure.SDES {
		p.own = nil
	}
	p.party = party
	a := p.offered(d, m)
	switch a.way {
	case secure.SDES:
		key, err := p.key(a.suite)
		if err != nil {
			return a, err
		}
		line := secure.Crypto{Tag: a.tag, Master: key.master}
		local.Extra = append(local.Extra, sdp.Attribute{Key: "crypto", Value: line.String()})
	case secure.DTLS:
		setup := secure.Passive
		if a.active {
			setup = secure.Active
		}
		p.writeFingerprint(local, setup)
	case secure.Auto:
	}
	return a, nil
}

// answered reads what the peer's answer says. It fails with ErrInsecure when it takes the encryption away that we
// asked for without leaving a choice, or that its own profile promises.
func (p *protection) answered(d *sdp.Description, m *sdp.Media) (security, error) {
	if p.offer[secure.DTLS] {
		if a, setup := readDTLS(d, m); a.encrypted() {
			// RFC 4145 4.1: the peer of an answer without is passive. "actpass" is no answer; who says it waits.
			a.active = setup == secure.Passive || setup == secure.NoSetup || setup == secure.ActPass
			return a, nil
		}
	}
	if p.offer[secure.SDES] {
		for _, value := range m.Values("crypto") {
			c, err := secure.ParseCrypto(value)
			if err != nil || p.own[c.Master.Suite] == nil {
				continue // RFC 4568 5.1.3: one of those that we offered
			}
			return security{way: secure.SDES, suite: c.Master.Suite, tag: c.Tag, remote: c.Master}, nil
		}
	}
	if p.policy == secure.Required || p.strict || m.Profile() != sdp.PlainRTP {
		return security{}, fmt.Errorf("media answer: %w", ErrInsecure)
	}
	return security{}, nil
}

// NextKeys lets the next offer ask for encryption in another way, after the peer has refused the last one with 488
// (RFC 3261 21.4.26). It reports whether there is another.
func (s *Session) NextKeys() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.agreed || s.protect.rung+1 >= len(s.protect.ladder()) {
		return false
	}
	s.negotiation.Rollback()
	s.protect.rung++
	return true
}

// Insists reports whether the peer must encrypt.
func (s *Session) Insists() bool { return s.protect.policy == secure.Required }

// secureLine checks the audio line of an answer before anything is changed by it. s.mu is held.
func (s *Session) secureLine(d *sdp.Description) (security, error) {
	m, err := s.negotiation.AnswerLine(d)
	if err != nil {
		return security{}, err
	}
	if m.Port == 0 {
		return s.protect.agreed, nil // no audio until the next offer
	}
	return s.protect.answered(d, m)
}

// Judge reports whether a session of cfg could answer an offer, so that a call that cannot be does not ring. It fails
// with ErrNoCommonCodec, ErrInsecure, ErrSecureOnly, or with what is wrong with the text.
func Judge(cfg Config, offer []byte) error {
	d, err := sdp.Parse(offer)
	if err != nil {
		return fmt.Errorf("media offer: %w", err)
	}
	codecs := cfg.Codecs
	if len(codecs) == 0 {
		codecs = codec.Available()
	}
	p := &protection{
		policy: cfg.Security, exchange: cfg.Keys, signalling: cfg.SecureSignalling, certificate: cfg.Certificate,
	}
	_, err = p.line(sdp.NewNegotiation("-", 0), &sdp.Local{Formats: formats(codecs)}, d)
	return err
}

// choose finds the line of an offer to take and answers its encryption. s.mu is held.
func (s *Session) choose(local *sdp.Local, d *sdp.Description) (security, error) {
	m, err := s.protect.line(s.negotiation, local, d)
	if err != nil {
		return security{}, err
	}
	return s.protect.respond(local, d, m)
}

// line finds the line of an offer to take, or says why there is none.
func (p *protection) line(n *sdp.Negotiation, local *sdp.Local, d *sdp.Description) (*sdp.Media, error) {
	local.Fits = p.fits
	if m := n.Choose(*local, d); m != nil {
		return m, nil
	}
	lenient := *local
	lenient.Fits = func(_ *sdp.Description, m *sdp.Media) int {
		if m.Profile() == sdp.OtherProfile {
			return 0
		}
		return 1
	}
	switch {
	case n.Choose(lenient, d) == nil:
		return nil, ErrNoCommonCodec
	case p.policy == secure.Required:
		return nil, fmt.Errorf("media offer: %w", ErrInsecure)
	}
	return nil, fmt.Errorf("media offer: %w", ErrSecureOnly)
}

// guard puts an agreement into force. s.mu is held.
func (s *Session) guard(a security, mux bool) error {
	p := &s.protect
	before := p.agreed
	p.agreed = a
	h := p.shield.Load()
	switch a.way {
	case secure.Auto:
		p.shield.Store(nil)
	case secure.SDES:
		key, err := p.key(a.suite)
		if err != nil {
			return err
		}
		next := &shield{way: secure.SDES, suite: a.suite, sealer: key.sealer}
		if h != nil && before.way == secure.SDES {
			if before.remote.Same(a.remote) {
				next.opener, next.former, next.until = h.opener, h.former, h.until
			} else {
				next.former, next.until = h.opener, s.now()+farewell
			}
		}
		if next.opener == nil {
			if next.opener, err = secure.NewOpener(a.remote); err != nil {
				return fmt.Errorf("media keys: %w", err)
			}
		}
		p.shield.Store(next)
	case secure.DTLS:
		if h != nil && before.sameAssociation(a) && h.split == !mux {
			return nil
		}
		// RFC 5763 6.6: a new association; until it has keys nothing is sent and nothing believed.
		p.shield.Store(&shield{way: secure.DTLS, split: !mux})
	}
	s.wantHandshake(a, mux)
	return nil
}
