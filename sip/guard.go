package sip

import (
	"bytes"
	"math/rand/v2"
	"net/netip"
	"sync/atomic"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"

	"github.com/peregrine-softphone/peregrine/sip/resolve"
	"github.com/peregrine-softphone/peregrine/sip/shield"
	"github.com/peregrine-softphone/peregrine/sip/uri"
)

// Origin says where a request came from; see package shield.
type Origin = shield.Origin

// The origins.
const (
	FromStranger = shield.FromStranger
	FromLAN      = shield.FromLAN
	FromTrusted  = shield.FromTrusted
	FromServer   = shield.FromServer
)

const (
	// maxBuckets bounds the sources that are counted: 4096 at some 200 bytes.
	maxBuckets = 4096
	// bucketIdle forgets a source: any bucket is full again by then.
	bucketIdle = 10 * time.Minute
	// maxSpoken bounds the addresses we wait for answers from, for answerTime: 64*T1 and the same again for strays.
	maxSpoken  = 1024
	answerTime = 64 * time.Second
	// maxProven bounds the neighbours that have shown that they receive what we answer, for provenTime.
	maxProven  = 1024
	provenTime = 10 * time.Minute
	// maxOfNeighbour bounds the dialogs of one neighbour before its SUBSCRIBEs are refused.
	maxOfNeighbour = 64
	// maxRingingOf bounds the calls of one neighbour that ring at once, maxRingingLAN those of all: half of maxCalls.
	maxRingingOf  = 4
	maxRingingLAN = 16
	// amplification is how many bytes a datagram source that has proven nothing gets for each it sent (RFC 9000 8.1
	// has the number).
	amplification = 3
)

// The rates of what is judged before anything is parsed. A softphone's server sends some packets a second; a flood
// that claims to come from it costs a parse for each, up to this.
//
//nolint:gochecknoglobals // constant table
var packetRates = struct {
	server, peer, neighbour, neighbours, inside, insides, suspect, suspects, probe, stray shield.Rate
}{
	server:     shield.Rate{Burst: 4000, PerSecond: 4000},
	peer:       shield.Rate{Burst: 1000, PerSecond: 500},
	neighbour:  shield.Rate{Burst: 600, PerSecond: 200},
	neighbours: shield.Rate{Burst: 2000, PerSecond: 1000},
	inside:     shield.Rate{Burst: 10, PerSecond: 2}, // with the secrets of a dialog, from elsewhere
	insides:    shield.Rate{Burst: 50, PerSecond: 10},
	suspect:    shield.Rate{Burst: 5, PerSecond: 0.2},
	suspects:   shield.Rate{Burst: 20, PerSecond: 1},
	probe:      shield.Rate{Burst: 20, PerSecond: 0.1}, // 404 to a neighbour
	stray:      shield.Rate{Burst: 100, PerSecond: 10}, // 481 and the like
}

// guard is the shield of a UA: who may make a transaction, and who hears nothing. Its methods run on the sockets'
// readers and do not block.
//
//	packet --Admit--> parsed --screen--> whole --(repeat?)--> admit --> transaction --> dispatch
//	         silence           silence, 400                   silence, 503
type guard struct {
	u       *UA
	policy  atomic.Pointer[shield.Policy]
	buckets *shield.Buckets
	slots   *shield.Slots
	spoken  *shield.Recent
	proven  *shield.Recent
	onLink  *onLink

	silenced, limited, spoofed atomic.Uint64
}

func newGuard(u *UA, p shield.Policy) *guard {
	g := &guard{
		u: u, buckets: shield.NewBuckets(maxBuckets, bucketIdle),
		// A half of the table for neighbours, a sixteenth for one; a server may hold as much as is left.
		slots: shield.NewSlots(shield.SlotLimits{
			Server: maxTransactions / 2, Peer: maxTransactions / 8,
			Other: maxTransactions / 16, Others: maxTransactions / 2,
		}),
		spoken: shield.NewRecent(maxSpoken, answerTime), proven: shield.NewRecent(maxProven, provenTime),
		onLink: newOnLink(u.cfg.Network),
	}
	g.policy.Store(&p)
	return g
}

// SetShield changes the policy, at once and for everything that comes in from now on. Any goroutine.
func (u *UA) SetShield(p shield.Policy) { u.guard.policy.Store(&p) }

// standing is what an address alone says of a source.
func (g *guard) standing(p *shield.Policy, a netip.Addr) shield.Standing {
	if p.Trusts(a) {
		return shield.Server
	}
	server, lan := g.serves(a)
	switch {
	case server:
		return shield.Server
	case g.u.dialogs.homes.has(a):
		return shield.Peer
	case lan && !p.NoLAN && g.local(a):
		return shield.Neighbour
	}
	return shield.Unknown
}

// serves tells whether an address is a server of any account, and whether there is an account without one.
func (g *guard) serves(a netip.Addr) (server, lan bool) {
	g.u.mu.Lock()
	defer g.u.mu.Unlock()
	for _, acc := range g.u.accounts {
		server = server || acc.fromServer(a)
		lan = lan || !acc.cfg.Register
	}
	return server, lan
}

func (g *guard) local(a netip.Addr) bool { return shield.Local(a) || g.onLink.has(a, time.Now()) }

// fromServer tells whether an address is one of the account's own servers.
func (a *Account) fromServer(addr netip.Addr) bool { return a.cfg.Register && a.IsServer(addr) }

// Admit decides about a packet, or about a whole message of a stream, before it is parsed. False: drop it, and close
// the stream it came by.
func (g *guard) Admit(remote netip.AddrPort, stream bool, raw []byte) bool {
	p := g.policy.Load()
	if p.Off {
		return true
	}
	a, now := remote.Addr().Unmap(), time.Now()
	switch g.standing(p, a) {
	case shield.Server:
		return stream || g.take(a, "packet", packetRates.server, now)
	case shield.Peer:
		return g.take(a, "packet", packetRates.peer, now)
	case shield.Neighbour:
		return g.take(a, "packet", packetRates.neighbour, now) && g.takeOfAll("neighbours", packetRates.neighbours, now)
	case shield.Unknown:
	}
	if g.wantedOf(a, raw, now) {
		return true
	}
	g.silenced.Add(1)
	return false
}

// wantedOf tells whether a packet of a stranger is of any interest: an answer we wait for, a request of a dialog we
// have, a CANCEL, or a request to an address of ours that nobody can guess.
func (g *guard) wantedOf(a netip.Addr, raw []byte, now time.Time) bool {
	look, ok := shield.Look(raw)
	switch {
	case !ok:
		return false
	case look.Response:
		// Or of a peer that moved while it rings there.
		return g.spoken.Has(a, now) || g.isInside(look.CallID, look.FromTag) && g.takeInside(a, now)
	case len(look.ToTag) > 0:
		return g.isInside(look.CallID, look.ToTag) && g.takeInside(a, now)
	case string(look.Method) == "CANCEL": // of a caller that moved while it rings here
		return g.takeInside(a, now)
	}
	return g.namesContact(look.StartLine) &&
		g.take(a, "suspect", packetRates.suspect, now) && g.takeOfAll("suspect", packetRates.suspects, now)
}

func (g *guard) isInside(callID, localTag []byte) bool {
	return g.u.dialogs.find(string(callID), string(localTag)) != nil
}

func (g *guard) takeInside(a netip.Addr, now time.Time) bool {
	return g.take(a, "inside", packetRates.inside, now) && g.takeOfAll("inside", packetRates.insides, now)
}

func (g *guard) namesContact(line []byte) bool {
	g.u.mu.Lock()
	defer g.u.mu.Unlock()
	for _, a := range g.u.accounts {
		if a.cfg.Register && bytes.Contains(line, []byte(a.contactUser)) {
			return true
		}
	}
	return false
}

func (g *guard) take(a netip.Addr, what string, r shield.Rate, now time.Time) bool {
	if g.buckets.Take(shield.BucketKey{Source: shield.Source(a), What: what}, r, now) {
		return true
	}
	g.limited.Add(1)
	return false
}

func (g *guard) takeOfAll(what string, r shield.Rate, now time.Time) bool {
	return g.take(netip.Addr{}, "all "+what, r, now)
}

// spoke remembers where a request of ours goes, before it does.
func (g *guard) spoke(req *sipmsg.Request, t resolve.Target) {
	g.spoken.Note(t.Addr.Addr().Unmap(), time.Now())
	id := req.CallID()
	if id == nil {
		return
	}
	k := dialogKey{id.Value(), tagOf(req.From())}
	g.u.dialogs.homes.note(k, t)
	if wanted(g.u.dialogs.find(k.callID, k.localTag)) {
		g.u.dialogs.homes.want(k)
	}
}

// screen is the first look at a parsed request: code 0 means well formed. Strangers are not told what is wrong.
func (g *guard) screen(in *inbound) (code int, drop bool) {
	code = g.u.validate(in)
	if code != 0 && !g.deservesAnswer(in.remote) {
		g.silenced.Add(1)
		return 0, true
	}
	return code, false
}

func (g *guard) deservesAnswer(remote netip.AddrPort) bool {
	p := g.policy.Load()
	return p.Off || g.standing(p, remote.Addr().Unmap()) != shield.Unknown
}

// malformed answers what cannot be parsed, where an answer is deserved.
func (g *guard) malformed(raw []byte, remote netip.AddrPort) (answer []byte, to netip.AddrPort) {
	if !g.deservesAnswer(remote) {
		g.silenced.Add(1)
		return nil, to
	}
	return g.u.malformed(raw, remote)
}

// admission is what admit says: a place in the table of transactions, or a code to refuse with; neither: silence.
type admission struct {
	release  func()
	code     int
	familiar bool // may use what is kept for those we know
}

// admit decides about a request that is no repeat, before a transaction is made for it.
func (g *guard) admit(in *inbound) admission {
	p := g.policy.Load()
	a := in.remote.Addr().Unmap()
	var v admission
	var ok bool
	if tag := tagOf(in.req.To()); tag != "" {
		ok = g.admitInside(p, in, dialogKey{in.req.CallID().Value(), tag})
	} else {
		v.code, ok = g.admitOutside(p, in)
	}
	if !ok {
		return v
	}
	s := g.standing(p, a)
	v.familiar = s >= shield.Peer
	if v.release, ok = g.slots.Take(shield.Source(a), s); !ok {
		g.limited.Add(1)
		return v
	}
	if in.origin == FromLAN && in.conn.Transport() == "udp" && !g.proven.Has(a, time.Now()) {
		in.conn = newMetered(in.conn, in.req)
	}
	return v
}

// admitInside applies the rule of the second opinion.
func (g *guard) admitInside(p *shield.Policy, in *inbound, k dialogKey) bool {
	a, now := in.remote.Addr().Unmap(), time.Now()
	o := g.u.dialogs.find(k.callID, k.localTag)
	if p.Off {
		return true
	}
	if o == nil { // 481, while it stays within reason
		return g.deservesAnswer(in.remote) && g.take(a, "stray", packetRates.stray, now)
	}
	if s, ours := o.(*Subscription); ours && in.req.Method == sipmsg.NOTIFY && s.awaitsNotifier() {
		g.u.dialogs.homes.note(k, sourceOf(in)) // a server of its own may keep the state (RFC 6665 4.1.4)
		return true
	}
	if g.atHome(p, k, o, a) {
		g.proven.Note(a, now)
		return true
	}
	ok, fooled := g.u.dialogs.homes.mayAsk(k, a, now)
	if ok {
		_, _, routed := dialogOf(o).place()
		in.doubt = doubts(o, in.req.Method, len(in.req.Body()) > 0, fooled || routed)
		ok = in.doubt != refuted
	}
	if !ok {
		g.spoofed.Add(1)
	}
	return ok
}

// atHome tells whether an address is where a dialog is.
func (g *guard) atHome(p *shield.Policy, k dialogKey, o owner, a netip.Addr) bool {
	if g.u.dialogs.homes.is(k, a) || o.owner().fromServer(a) || p.Trusts(a) {
		return true
	}
	if g.u.dialogs.homes.asking(k, a) {
		return false
	}
	// The peer itself has named it, from home.
	_, next, _ := dialogOf(o).place()
	ip, numeric := next.IP()
	return numeric && ip.Unmap() == a
}

// mayAck tells whether an ACK, which no transaction guards, comes from where its dialog is or may be.
func (g *guard) mayAck(in *inbound, k dialogKey, o owner) bool {
	p, a := g.policy.Load(), in.remote.Addr().Unmap()
	if p.Off || g.atHome(p, k, o, a) || g.u.dialogs.homes.asking(k, a) {
		g.proven.Note(a, time.Now())
		if wanted(o) {
			g.u.dialogs.homes.want(k)
		}
		return true
	}
	g.spoofed.Add(1)
	return false
}

// wanted tells dialogs that the user wants from those that others began.
func wanted(o owner) bool {
	switch o := o.(type) {
	case *Call:
		s := o.State()
		return !o.incoming && s != Ended || s == Established
	case *Subscription:
		return true
	}
	return false
}

// admitOutside looks a request outside dialogs up in the tables of package shield.
func (g *guard) admitOutside(p *shield.Policy, in *inbound) (code int, ok bool) {
	a, now := in.remote.Addr().Unmap(), time.Now()
	var to shield.Addressed
	in.account, in.origin, to = g.locate(p, in)
	if p.Off {
		return 0, true
	}
	switch shield.Judge(in.origin, to) {
	case shield.Suspect:
		g.suspect(in)
		g.silenced.Add(1)
		return 0, false
	case shield.Silence:
		g.silenced.Add(1)
		return 0, false
	case shield.Probe:
		if !g.take(a, "probe", packetRates.probe, now) {
			return 0, false
		}
	case shield.Pass:
	}
	from := in.req.From()
	if in.origin < FromTrusted && shield.Scanner(headerValue(in.req, "User-Agent"), from.Address.User) {
		g.silenced.Add(1)
		return 0, false
	}
	if code, ok = g.admitRate(p, in, now); ok && in.origin == FromLAN && g.crowded(in, a) {
		return 486, false
	}
	return code, ok
}

// crowded tells whether a neighbour has as many of our calls ringing, or subscriptions, as one may: the rest of the
// tables is for others.
func (g *guard) crowded(in *inbound, a netip.Addr) bool {
	switch in.req.Method {
	case sipmsg.SUBSCRIBE:
		return g.u.dialogs.homes.count(a) >= maxOfNeighbour
	case sipmsg.INVITE:
		ringing, all := 0, 0
		for _, c := range g.u.Calls() {
			if c.in == nil || c.in.origin != FromLAN || c.State() != Incoming {
				continue
			}
			all++
			if c.in.remote.Addr().Unmap() == a {
				ringing++
			}
		}
		return ringing >= maxRingingOf || all >= maxRingingLAN
	}
	return false
}

// admitRate takes a token of the source's bucket for the method. Known people have their own, per source.
func (g *guard) admitRate(p *shield.Policy, in *inbound, now time.Time) (code int, ok bool) {
	method := string(in.req.Method)
	rate := p.Rate(in.origin, method)
	switch in.req.Method {
	case sipmsg.INVITE, sipmsg.MESSAGE, sipmsg.SUBSCRIBE:
	default:
		method = "other"
	}
	if p.Known != nil && p.Known(party(in.req, "From").URI) {
		method += " known"
	}
	if in.account != nil && in.req.Recipient.User == in.account.contactUser {
		method += " contact" // a forger of our server's address does not know it, and cannot empty this one
	}
	if g.take(in.remote.Addr().Unmap(), method, rate, now) {
		return 0, true
	}
	if in.origin == FromServer || in.origin == FromTrusted {
		return 503, false
	}
	return 0, false
}

// locate finds the account a request is for, where it comes from and what it names. Among several accounts the one that
// would take the request comes first.
func (g *guard) locate(p *shield.Policy, in *inbound) (best *Account, origin Origin, to shield.Addressed) {
	target, err := uri.Parse(in.req.Recipient.String())
	if err != nil {
		return nil, FromStranger, shield.ToNobody
	}
	a, ours, named := in.remote.Addr().Unmap(), g.u.isOurs(target), party(in.req, "To").URI
	top := -1
	for _, acc := range g.u.Accounts() {
		o := g.origin(p, acc, a)
		addressed := shield.ToNobody
		switch fits := max(acc.isFor(target, ours), min(acc.isFor(named, false), 1)); {
		case fits == 2:
			addressed = shield.ToContact
		case fits == 1:
			addressed = shield.ToAOR
		case target.User == "":
			addressed = shield.ToHost
		}
		score := int(shield.Judge(o, addressed))*100 + int(addressed)*10 + int(o)
		if p.Off {
			score = int(addressed)*10 + int(o)
		}
		if score > top {
			top, origin, to = score, o, addressed
			best = nil
			if addressed >= shield.ToAOR {
				best = acc
			}
		}
	}
	return best, origin, to
}

// origin tells where a request for an account comes from.
func (g *guard) origin(p *shield.Policy, acc *Account, a netip.Addr) Origin {
	switch {
	case acc.fromServer(a):
		return FromServer
	case p.Trusts(a):
		return FromTrusted
	case !acc.cfg.Register && !p.NoLAN && g.local(a):
		return FromLAN
	}
	return FromStranger
}

// refusal is the Retry-After of a 503: at random, so that those who wait do not come back together.
func refusal() Header {
	return Header{"Retry-After", secondsText(time.Duration(5+rand.IntN(10)) * time.Second)} //nolint:gosec // no secret
}
