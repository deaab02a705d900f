package sip

import (
	"slices"
	"strings"

	sipmsg "github.com/emiago/sipgo/sip"

	"github.com/peregrine-softphone/peregrine/sip/resolve"
	"github.com/peregrine-softphone/peregrine/sip/syntax"
	"github.com/peregrine-softphone/peregrine/sip/uri"
)

const (
	// allowed is the Allow header: what dispatch knows. No spaces: see inviteExchange.
	allowed = "INVITE,ACK,CANCEL,BYE,OPTIONS,INFO,UPDATE,PRACK,MESSAGE,SUBSCRIBE,NOTIFY,REFER"
	// supported are the option tags we obey: RFC 3262, RFC 4028, RFC 3891, RFC 4488.
	supported = "100rel,timer,replaces,norefersub"
	sdpType   = "application/sdp"
)

// dispatch gives a request to whoever is responsible. Runs on a socket's reader, so it keeps the order
// and must not block.
func (u *UA) dispatch(in *inbound) {
	if in.req.Method != sipmsg.ACK && !u.understood(in) {
		return
	}
	if tag := tagOf(in.req.To()); tag != "" {
		u.dispatchInside(in, tag)
		return
	}
	switch in.req.Method {
	case sipmsg.INVITE:
		u.incomingInvite(in)
		u.settle(in)
	case sipmsg.MESSAGE:
		u.inbox.put(in)
	case sipmsg.SUBSCRIBE:
		u.incomingSubscribe(in)
		u.settle(in)
	case sipmsg.NOTIFY:
		u.unsolicited(in)
	case sipmsg.OPTIONS:
		u.answerOptions(in)
	case sipmsg.ACK:
		u.dropped.Add(1)
	case sipmsg.BYE, sipmsg.INFO, sipmsg.UPDATE, sipmsg.PRACK:
		u.answer(in, 481)
	case sipmsg.REFER:
		u.answer(in, 403) // a referral outside a call: nobody is asked to dial for strangers
	default:
		u.answer(in, unserved(in.req.Method), Header{"Allow", allowed}) // RFC 3261 8.2.1
	}
}

// unserved is the answer to a method we do not serve: 405 for one of SIP, 501 for any other (RFC 3261 21.5.2).
func unserved(method sipmsg.RequestMethod) int {
	if syntax.Recognized(string(method)) {
		return 405
	}
	return 501
}

func (u *UA) dispatchInside(in *inbound, tag string) {
	k := dialogKey{in.req.CallID().Value(), tag}
	o := u.dialogs.find(k.callID, k.localTag)
	switch {
	case o == nil && in.req.Method == sipmsg.ACK:
		u.dropped.Add(1)
	case o == nil && in.req.Method == sipmsg.OPTIONS && u.probes.came(k):
		u.answer(in, 200)
	case o == nil:
		u.answer(in, 481) // RFC 3261 12.2.2
	case in.req.Method == sipmsg.ACK && !u.guard.mayAck(in, k, o):
	case in.doubt != certain:
		u.secondHand(in, k, o)
	default:
		u.deliver(in, o)
	}
}

func (u *UA) deliver(in *inbound, o owner) {
	if c, ok := o.(*Call); ok && in.req.Method == sipmsg.INVITE && c.unacknowledged() >= maxUnacknowledged {
		u.answer(in, 500, Header{"Retry-After", "5"}) // RFC 3261 14.2
		return
	}
	if o.deliver(in) {
		return
	}
	u.dropped.Add(1)
	if in.req.Method != sipmsg.ACK {
		u.answer(in, 503, Header{"Retry-After", "5"})
	}
}

// maxUnacknowledged bounds the 2xx of one call that wait for their ACK: a peer that asks on and acknowledges nothing
// would cost a goroutine for each.
const maxUnacknowledged = 8

func (c *Call) unacknowledged() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.acks)
}

// settle writes down where a dialog that in has made is.
func (u *UA) settle(in *inbound) {
	u.dialogs.homes.note(dialogKey{in.req.CallID().Value(), in.tx.tag}, sourceOf(in))
}

func sourceOf(in *inbound) resolve.Target {
	return resolve.Target{Transport: strings.ToLower(in.req.Transport()), Addr: in.remote}
}

// understood checks Require (RFC 3261 8.2.2.3) and the coding of the body (8.2.3).
func (u *UA) understood(in *inbound) bool {
	var unknown []string
	for _, tag := range headerList(in.req, "Require") {
		same := func(s string) bool { return strings.EqualFold(s, tag) }
		if !slices.ContainsFunc(strings.Split(supported, ","), same) {
			unknown = append(unknown, cleanText(tag))
		}
	}
	if len(unknown) > 0 {
		u.answer(in, 420, Header{"Unsupported", strings.Join(unknown, ", ")})
		return false
	}
	if c := headerValue(in.req, "Content-Encoding", "e"); c != "" && !strings.EqualFold(c, "identity") {
		u.answer(in, 415, Header{"Accept-Encoding", "identity"})
		return false
	}
	return true
}

// answer sends a final response for the UA itself.
func (u *UA) answer(in *inbound, code int, extra ...Header) {
	if in.tx == nil {
		return
	}
	if err := in.tx.respond(code, u.serverHeaders(extra)...); err != nil {
		u.log.Debug("response not sent", "code", code, "remote", in.remote, "err", err)
	}
}

// serverHeaders adds what every response of ours has.
func (u *UA) serverHeaders(extra []Header) []Header {
	if u.cfg.UserAgent == "" {
		return extra
	}
	return append(slices.Clone(extra), Header{"Server", cleanText(u.cfg.UserAgent)})
}

func (u *UA) answerOptions(in *inbound) {
	if in.req.Recipient.User != "" && u.accountFor(in) == nil {
		u.answer(in, 404)
		return
	}
	u.answer(in, 200, // RFC 3261 11.2
		Header{"Allow", allowed},
		Header{"Accept", strings.Join(append([]string{sdpType}, u.cfg.MessageTypes...), ", ")},
		Header{"Supported", supported}, Header{"Allow-Events", u.allowEvents()})
}

func (u *UA) allowEvents() string { return strings.Join(u.cfg.EventPackages, ", ") }

// accountFor finds the account a request is for: by our unguessable Contact, then by the address of
// record in Request-URI or To; a LAN account by its user name at one of our addresses.
func (u *UA) accountFor(in *inbound) *Account {
	if in.account != nil { // the shield has looked already
		return in.account
	}
	target, err := uri.Parse(in.req.Recipient.String())
	if err != nil {
		return nil
	}
	ours := u.isOurs(target)
	to := party(in.req, "To").URI
	var best *Account
	score := 0
	for _, a := range u.Accounts() {
		fits := max(a.isFor(target, ours), min(a.isFor(to, false), 1))
		if fits > score {
			best, score = a, fits
		}
	}
	return best
}

// isOurs tells whether a Request-URI names this computer. The packet reached our wildcard socket, so any
// numeric host with our port does, and any host name: which names we have is not ours to know.
func (u *UA) isOurs(target uri.URI) bool {
	if _, numeric := target.IP(); !numeric {
		return true
	}
	port := target.Port
	if port == 0 {
		port = target.DefaultPort()
	}
	return port == u.Port()
}

// stray takes a 2xx to an INVITE whose transaction is over: it still wants its ACK (RFC 3261 13.2.2.4).
func (u *UA) stray(res *sipmsg.Response) {
	if res.CallID() == nil || res.From() == nil {
		u.dropped.Add(1)
		return
	}
	if c, ok := u.dialogs.find(res.CallID().Value(), tagOf(res.From())).(*Call); ok && c.lateAnswer(res) {
		return
	}
	u.dropped.Add(1)
}
