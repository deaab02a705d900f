package sip

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"

	"github.com/peregrine-softphone/peregrine/sip/session"
)

const (
	// reliableTag is the option tag of RFC 3262.
	reliableTag = "100rel"
	// maxPracks bounds the PRACKs of a call that wait for an answer: two for each of the phones it may ring at.
	maxPracks = 2 * maxForks
)

// provisional is what a callee keeps of its reliable provisional responses. The lock of the call guards it.
type provisional struct {
	machine session.Provisionals
	rseq    uint32        // of the last one; 0: none yet
	asks    bool          // the outstanding one has our offer: its PRACK brings the answer
	settled chan struct{} // closed when the outstanding one needs no more repeats; nil: there is none
}

// settle ends the repeats of the outstanding response. The lock of the call is held.
func (p *provisional) settle() {
	if p.settled != nil {
		close(p.settled)
		p.settled = nil
	}
}

// alert sends a provisional response: reliably when the caller insists, or when it has a session description and the
// caller can (RFC 3262 3).
func (c *Call) alert(code int, body []byte) error {
	req := c.in.req
	extra := c.dialogHeaders(c.in)
	if body != nil {
		extra = append(extra, Header{"Content-Type", sdpType})
	}
	insists := hasTag(req, reliableTag, "Require")
	if !insists && (body == nil || !hasTag(req, reliableTag, "Supported", "k")) {
		return c.in.tx.send(c.in.tx.response(code, "", body, extra...))
	}
	if insists && body == nil && c.opened() && len(req.Body()) == 0 {
		return nil // RFC 3261 13.2.1: the first reliable one must have the offer, so this phone rings unheard
	}
	settled, rseq, err := c.awaitProvisional(body != nil)
	if settled == nil {
		return err
	}
	res := c.in.tx.response(code, "", body,
		append(extra, Header{"Require", reliableTag}, Header{"RSeq", strconv.FormatUint(uint64(rseq), 10)})...)
	err = c.in.tx.send(res)
	c.background(&c.wg, func() { c.repeatProvisional(res, settled) })
	return err
}

// awaitProvisional lets a reliable provisional response out when no other one is outstanding. One without a session
// description need not wait, since what is on its way says that it rings too: nil and no error.
func (c *Call) awaitProvisional(sdp bool) (settled chan struct{}, rseq uint32, err error) {
	event := session.SendPlain
	if sdp {
		event = session.SendSDP
	}
	for {
		c.mu.Lock()
		do, outstanding := c.provisional.machine.Step(event), c.provisional.settled
		if do == session.Transmit {
			settled, rseq = c.nextProvisional(sdp)
		}
		c.mu.Unlock()
		switch {
		case do == session.Transmit, do == session.Hold && !sdp:
			return settled, rseq, nil
		case do != session.Hold:
			return nil, 0, fmt.Errorf("provisional response: %w", ErrState)
		}
		select {
		case <-outstanding:
		case <-c.done:
			return nil, 0, ErrEnded
		case <-c.ua.life.Done():
			return nil, 0, ErrClosed
		}
	}
}

// nextProvisional numbers a reliable provisional response, and notes what it does to offer and answer. c.mu is held.
func (c *Call) nextProvisional(sdp bool) (settled chan struct{}, rseq uint32) {
	p := &c.provisional
	asks := len(c.in.req.Body()) == 0
	switch {
	case sdp && asks:
		c.offers.Step(session.Ask)
	case sdp:
		c.offers.Step(session.Answer)
		c.open = false
	}
	if p.rseq == 0 {
		p.rseq = rand.Uint32N(1<<31-1) + 1 //nolint:gosec // RFC 3262 3: at random from 1 to 2**31-1, no secret
	} else {
		p.rseq++
	}
	p.asks, p.settled = sdp && asks, make(chan struct{})
	return p.settled, p.rseq
}

// repeatProvisional sends a reliable provisional response again and again until its PRACK comes: after T1, doubling,
// for 64*T1; then the INVITE is refused (RFC 3262 3).
func (c *Call) repeatProvisional(res *sipmsg.Response, settled <-chan struct{}) {
	const t1 = 500 * time.Millisecond
	limit := time.NewTimer(64 * t1)
	defer limit.Stop()
	for pause := t1; ; pause *= 2 {
		again := time.NewTimer(pause)
		select {
		case <-again.C:
			// Past the state machine of the transaction, which a moment without network would end.
			if c.stepProvisional(session.Again) == session.Retransmit {
				_ = c.in.conn.WriteMsg(res) // the next repeat makes up for it
			}
			continue
		case <-limit.C:
			if c.stepProvisional(session.Expired) == session.GiveUp {
				err := fmt.Errorf("%w: no PRACK", ErrNoAnswer)
				c.refuse(session.NoPrack, 504, EndCause{Reason: EndedNoAnswer, Err: err})
			}
		case <-settled:
		case <-c.done:
		case <-c.ua.life.Done():
		}
		again.Stop()
		return
	}
}

func (c *Call) stepProvisional(e session.ProvisionalEvent) session.ProvisionalAction {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.provisional.machine.Step(e)
}

// awaitPrack lets a 2xx go out when RFC 3262 3 allows it. False: the call ended before.
func (c *Call) awaitPrack() bool {
	for {
		c.mu.Lock()
		do, settled := c.provisional.machine.Step(session.SendSuccess), c.provisional.settled
		if do == session.Pass {
			c.provisional.settle()
		}
		c.mu.Unlock()
		if do == session.Pass {
			return true
		}
		select {
		case <-settled:
		case <-c.done:
			return false
		case <-c.ua.life.Done():
			return false
		}
	}
}

// rack is the value of a RAck header (RFC 3262 7.2).
type rack struct {
	rseq, cseq uint32
	method     string
}

func (r rack) String() string { return fmt.Sprintf("%d %d %s", r.rseq, r.cseq, r.method) }

func parseRAck(v string) (rack, bool) {
	f := strings.Fields(v)
	if len(f) != 3 {
		return rack{}, false
	}
	rseq, err1 := strconv.ParseUint(f[0], 10, 32)
	cseq, err2 := strconv.ParseUint(f[1], 10, 32)
	return rack{uint32(rseq), uint32(cseq), f[2]}, err1 == nil && err2 == nil && rseq > 0
}

// peerPrack answers a PRACK: 481 unless it is for the response that waits for one (RFC 3262 3).
func (c *Call) peerPrack(in *inbound) {
	got, ok := parseRAck(headerValue(in.req, "RAck"))
	switch {
	case !ok:
		c.ua.answer(in, 400)
		return
	case len(in.req.Body()) > 0 && bodyType(in.req) != sdpType:
		c.ua.answer(in, 415, Header{"Accept", sdpType})
		return
	case c.in == nil:
		c.ua.answer(in, 481)
		return
	}
	c.mu.Lock()
	p := &c.provisional
	event := session.StrayPrack
	if p.rseq != 0 && got == (rack{p.rseq, c.in.req.CSeq().SeqNo, "INVITE"}) {
		event = session.Prack
	}
	do, asks := p.machine.Step(event), p.asks
	if do == session.AcceptPrack {
		p.asks = false
		p.settle()
	}
	c.mu.Unlock()
	switch {
	case do != session.AcceptPrack:
		c.ua.answer(in, 481)
	case asks:
		c.prackAnswers(in)
	case len(in.req.Body()) > 0:
		c.prackOffers(in)
	default:
		c.ua.answer(in, 200)
	}
}

// prackAnswers takes the answer to the offer in our provisional response (RFC 3262 5).
func (c *Call) prackAnswers(in *inbound) {
	err := fmt.Errorf("%w: PRACK without an answer", ErrMedia)
	if len(in.req.Body()) > 0 {
		if err = c.media.Accept(in.req.Body()); err != nil {
			err = fmt.Errorf("%w: %w", ErrMedia, err)
		}
	}
	c.ua.answer(in, 200)
	if err == nil {
		c.stepOffer(session.Answered)
		c.setOpened(false)
		return
	}
	if c.stepOffer(session.Refused) == session.Go {
		c.media.Rollback()
	}
	c.refuse(session.NoPrack, 488, EndCause{Reason: EndedFailed, Err: err})
}

// prackOffers answers a new offer in a PRACK (RFC 3262 5); the session had one offer and answer before.
func (c *Call) prackOffers(in *inbound) {
	if !c.admitOffer(in) {
		return
	}
	body, err := c.media.Answer(in.req.Body())
	if err != nil {
		c.stepOffer(session.Refused)
		c.ua.answer(in, 488, c.dialogHeaders(in)...)
		return
	}
	c.stepOffer(session.Answer)
	res := in.tx.response(200, "", body, c.ua.serverHeaders([]Header{{"Content-Type", sdpType}})...)
	if err := in.tx.send(res); err != nil {
		c.ua.log.Debug("200 to PRACK not sent", "call_id", c.id, "err", err)
	}
}

// rseqOf reads the RSeq of a response that wants a PRACK; ok is false for one that does not (RFC 3262 4).
func rseqOf(res *sipmsg.Response) (rseq uint32, ok bool) {
	if !res.IsProvisional() || res.StatusCode == 100 || !hasTag(res, reliableTag, "Require") {
		return 0, false
	}
	n, err := strconv.ParseUint(headerValue(res, "RSeq"), 10, 32)
	if err != nil {
		return 0, true
	}
	return uint32(n), true
}

// takes tells whether a reliable provisional response is the next one of its dialog, and may be acknowledged now. If
// not it counts as if it had not come (RFC 3262 4): it was there before, one is missing, or too many PRACKs are out.
// Whoever gets true calls prack.
func (c *Call) takes(order *session.Order, rseq uint32) bool {
	if c.pracks.Add(1) <= maxPracks && order.Take(rseq) == session.Acknowledge {
		return true
	}
	c.pracks.Add(-1)
	return false
}

// prack acknowledges a reliable provisional response inside its dialog, with our answer if it had an offer.
func (c *Call) prack(d *dialog, res *sipmsg.Response, rseq uint32, answer []byte) {
	e := c.inDialog(d, sipmsg.PRACK, sdpType, answer)
	build := e.build
	e.build = func(h hop) *sipmsg.Request {
		req := build(h)
		r := rack{rseq, res.CSeq().SeqNo, string(res.CSeq().MethodName)}
		req.AppendHeader(sipmsg.NewHeader("RAck", r.String()))
		return req
	}
	c.background(&c.wg, func() {
		defer c.pracks.Add(-1)
		err := c.insist(func() error {
			res, _, err := c.ua.roundTrip(c.ua.life, e)
			return final(res, err)
		})
		if err != nil {
			c.ua.log.Info("PRACK not answered", "call_id", c.id, "err", err)
		}
	})
}

// hasTag tells whether an option tag stands in one of the headers.
func hasTag(msg sipmsg.Message, tag string, headers ...string) bool {
	for _, t := range headerList(msg, headers...) {
		if strings.EqualFold(t, tag) {
			return true
		}
	}
	return false
}
