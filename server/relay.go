package server

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/emiago/sipgo"
	sipmsg "github.com/emiago/sipgo/sip"
)

const (
	// timerC is how long an INVITE may ring without news (RFC 3261 16.6 step 11: more than 3 minutes).
	timerC = 185 * time.Second
	// afterCancel is how long a branch may take to answer once it was cancelled: 64*T1.
	afterCancel = 32 * time.Second
)

// relay is the response context of one request (RFC 3261 16.7): it owns the branches. Only the goroutine of run
// touches it; the branches report over events.
//
//	            +-- 1xx --> passed on
//	request --> branches -- 2xx --> passed on at once, the others cancelled
//	            +-- 3xx..6xx --> kept; the best one passed on when all have answered
type relay struct {
	s         *Server
	req       *sipmsg.Request
	tx        sipmsg.ServerTransaction
	dest      string // where responses go back to
	transport string

	branches []*branch
	events   chan event
	giveUp   chan struct{} // closed when the branches are to end without an answer
	children sync.WaitGroup

	final   bool // the request has its final response
	success bool // and that was a 2xx
	all     bool // every branch is to be cancelled, as soon as that is allowed
}

// branch is one copy of the request.
type branch struct {
	out         *sipmsg.Request
	provisional bool
	cancelled   bool
	done        bool
	answer      *sipmsg.Response // final, not 2xx
	ours        bool             // the answer was made here, it did not come from the branch
}

// event is a response of a branch, or its failure.
type event struct {
	branch int
	res    *sipmsg.Response
	err    error
}

// asItIs sends a request without sipgo's additions.
func asItIs(*sipgo.Client, *sipmsg.Request) error { return nil }

// relay sends a request to its hops at once and brings back the answers. It returns when every branch has ended.
func (s *Server) relay(ctx context.Context, req *sipmsg.Request, tx sipmsg.ServerTransaction, j journey, hops []hop) {
	trying := sipmsg.NewResponseFromRequest(req, 100, "Trying", nil)
	r := &relay{
		s: s, req: req, tx: tx, dest: trying.Destination(), transport: req.Transport(),
		events: make(chan event), giveUp: make(chan struct{}),
	}
	record := !j.dialog && (req.IsInvite() || req.Method == sipmsg.SUBSCRIBE || req.Method == sipmsg.REFER)
	for _, h := range hops {
		r.branches = append(r.branches, &branch{out: s.outgoing(req, j, h, record)})
	}
	if req.IsInvite() {
		s.respond(tx, trying)
	}
	r.run(ctx)
}

func (r *relay) run(ctx context.Context) {
	cancelled := make(chan struct{})
	once := sync.OnceFunc(func() { close(cancelled) })
	if !r.tx.OnCancel(func(*sipmsg.Request) { once() }) {
		return // it was cancelled before it went anywhere
	}
	for i := range r.branches {
		r.children.Go(func() { r.try(ctx, i) })
	}
	limit := time.NewTimer(timerC)
	defer limit.Stop()
	done := r.s.done
	for r.pending() {
		select {
		case e := <-r.events:
			if r.take(ctx, e) && !r.all {
				limit.Reset(timerC)
			}
		case <-cancelled: // sipgo has answered 200 and 487
			cancelled, r.final = nil, true
			r.cancelAll(ctx)
			limit.Reset(afterCancel)
		case <-done:
			done = nil
			if !r.final {
				r.final = true
				r.s.respond(r.tx, overloaded(r.req))
			}
			r.cancelAll(ctx)
			limit.Reset(farewell / 2)
		case <-limit.C:
			if r.all || !r.req.IsInvite() {
				r.abandon()
				continue
			}
			r.cancelAll(ctx)
			limit.Reset(afterCancel)
		}
	}
	close(r.giveUp)
	if !r.final {
		r.final = true
		r.s.respond(r.tx, r.best())
	}
	r.children.Wait()
}

func (r *relay) pending() bool {
	return slices.ContainsFunc(r.branches, func(b *branch) bool { return !b.done })
}

// try carries one branch: it sends the copy and reports what comes until a final response.
func (r *relay) try(ctx context.Context, i int) {
	ctx, cancel := context.WithTimeout(ctx, afterCancel) // bounds the TCP connect
	defer cancel()
	tx, err := r.s.client.TransactionRequest(ctx, r.branches[i].out, asItIs)
	if err != nil {
		r.report(event{branch: i, err: err})
		return
	}
	if r.req.IsInvite() {
		tx.OnRetransmission(r.passAgain)
	}
	for {
		select {
		case res := <-tx.Responses():
			r.report(event{branch: i, res: res})
			if !res.IsProvisional() {
				return
			}
		case <-tx.Done():
			r.report(event{branch: i, err: errors.Join(errors.New("branch ended"), tx.Err())})
			return
		case <-r.giveUp:
			tx.Terminate()
			return
		}
	}
}

func (r *relay) report(e event) {
	select {
	case r.events <- e:
	case <-r.giveUp:
	}
}

// take treats the response of a branch (RFC 3261 16.7 steps 3 to 10) and reports whether it says that the
// branch lives on.
func (r *relay) take(ctx context.Context, e event) (lives bool) {
	b := r.branches[e.branch]
	switch {
	case e.res == nil:
		b.done = true
		b.answer, b.ours = r.failure(e.err), true
	case e.res.IsProvisional():
		b.provisional = true
		if r.all {
			r.cancel(ctx, b)
		}
		if e.res.StatusCode != 100 && !r.final {
			r.s.respond(r.tx, r.back(e.res))
		}
		return e.res.StatusCode != 100
	case e.res.IsSuccess():
		b.done = true
		r.succeed(ctx, e.res)
	default:
		b.done = true
		b.answer = e.res
		if e.res.IsGlobalError() { // step 5: nobody else need ring
			r.cancelAll(ctx)
		}
	}
	return false
}

// succeed passes on a 2xx: the first one, and for INVITE every one (step 5), also after the caller has given
// up, because the callee then has a call that must be ended.
func (r *relay) succeed(ctx context.Context, res *sipmsg.Response) {
	switch {
	case !r.final, r.success && r.req.IsInvite():
		r.final, r.success = true, true
		r.s.respond(r.tx, r.back(res))
	case r.req.IsInvite():
		r.passAgain(res)
	}
	r.cancelAll(ctx)
}

// passAgain sends a 2xx without a transaction, which it has outlived.
func (r *relay) passAgain(res *sipmsg.Response) {
	if err := r.s.agent.TransportLayer().WriteMsg(r.back(res)); err != nil {
		r.s.log.Debug("2xx not passed on", "err", err)
	}
}

// back makes the copy of a response for the way back: without our Via (step 3).
func (r *relay) back(res *sipmsg.Response) *sipmsg.Response {
	c := res.Clone()
	c.RemoveHeader("Via")
	c.SetTransport(r.transport)
	c.SetDestination(r.dest)
	return c
}

// cancelAll ends the branches that still ring; those without a provisional response as soon as they have one
// (RFC 3261 9.1). Requests other than INVITE cannot be cancelled.
func (r *relay) cancelAll(ctx context.Context) {
	r.all = true
	for _, b := range r.branches {
		if b.provisional && !b.done {
			r.cancel(ctx, b)
		}
	}
}

func (r *relay) cancel(ctx context.Context, b *branch) {
	if b.cancelled || !r.req.IsInvite() {
		return
	}
	b.cancelled = true
	out := cancelOf(b.out)
	r.children.Go(func() {
		tx, err := r.s.client.TransactionRequest(ctx, out, asItIs)
		if err != nil {
			r.s.log.DebugContext(ctx, "CANCEL not sent", "err", err)
			return
		}
		defer tx.Terminate()
		for {
			select {
			case res := <-tx.Responses():
				if !res.IsProvisional() {
					return
				}
			case <-tx.Done():
				return
			case <-r.s.done:
				return
			}
		}
	})
}

// abandon gives up the branches that have not answered.
func (r *relay) abandon() {
	for _, b := range r.branches {
		if !b.done {
			b.done = true
			b.answer, b.ours = sipmsg.NewResponseFromRequest(r.req, 408, "Request Timeout", nil), true
		}
	}
}

// cancelOf makes the CANCEL of a request sent (RFC 3261 9.1): same target, Via, From, To, Call-ID, Route and
// CSeq number.
func cancelOf(sent *sipmsg.Request) *sipmsg.Request {
	c := sipmsg.NewRequest(sipmsg.CANCEL, sent.Recipient)
	c.AppendHeader(sent.Via().Clone())
	hops := sipmsg.MaxForwardsHeader(defaultMaxForwards)
	c.AppendHeader(&hops)
	for _, h := range sent.Headers() {
		switch strings.ToLower(h.Name()) {
		case "from", "f", "to", "t", "call-id", "i", "route":
			c.AppendHeader(sipmsg.HeaderClone(h))
		}
	}
	c.AppendHeader(&sipmsg.CSeqHeader{SeqNo: sent.CSeq().SeqNo, MethodName: sipmsg.CANCEL})
	c.SetBody(nil)
	c.SetTransport(sent.Transport())
	c.SetDestination(sent.Destination())
	c.Laddr = sent.Laddr
	return c
}

// failure is the response that stands for a branch without one (RFC 3261 16.7: 408 for a time-out; 16.9: 503
// for the transport).
func (r *relay) failure(err error) *sipmsg.Response {
	if errors.Is(err, sipmsg.ErrTransactionTimeout) {
		return sipmsg.NewResponseFromRequest(r.req, 408, "Request Timeout", nil)
	}
	r.s.log.Debug("branch failed", "method", string(r.req.Method), "err", err)
	return sipmsg.NewResponseFromRequest(r.req, 503, "Service Unavailable", nil)
}

// best chooses among the final responses of all branches and makes it ready to send.
func (r *relay) best() *sipmsg.Response {
	var all []*sipmsg.Response
	for _, b := range r.branches {
		if !b.ours {
			b.answer = r.back(b.answer)
		}
		all = append(all, b.answer)
	}
	chosen := all[bestOf(all)]
	switch chosen.StatusCode {
	case 503: // step 6: our next hop's trouble is not ours
		return sipmsg.NewResponseFromRequest(r.req, 500, "Server Internal Error", nil)
	case 401, 407: // step 7: all challenges go back together
		for _, other := range all {
			if other == chosen || other.StatusCode != 401 && other.StatusCode != 407 {
				continue
			}
			for _, name := range []string{"WWW-Authenticate", "Proxy-Authenticate"} {
				for _, h := range other.GetHeaders(name) {
					chosen.AppendHeader(sipmsg.HeaderClone(h))
				}
			}
		}
	}
	return chosen
}

// bestOf gives the index of the response to send (RFC 3261 16.7 step 6): any 6xx, else the lowest class, and
// within 4xx first those that tell the caller how to do better. There must be one at least.
func bestOf(all []*sipmsg.Response) int {
	rank := func(code int) int {
		switch {
		case code >= 600:
			return 0
		case code == 401 || code == 407 || code == 415 || code == 420 || code == 484:
			return 4*100 - 1
		case code == 503: // last: it says the least
			return 9 * 100
		}
		return code / 100 * 100
	}
	best := 0
	for i, res := range all {
		if rank(res.StatusCode) < rank(all[best].StatusCode) {
			best = i
		}
	}
	return best
}
