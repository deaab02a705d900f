package sip

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"

	"github.com/peregrine-softphone/peregrine/sip/uri"
)

const (
	sipfrag = "message/sipfrag"
	// maxReferrals bounds the referrals of ours that one call remembers.
	maxReferrals = 8
	// anonymousHost is that of a caller who hides his name (RFC 3323 4.1.1.3): nobody can be called there.
	anonymousHost = "anonymous.invalid"
	// maxSipfrag bounds the part of a NOTIFY's body that is looked at: its first line counts.
	maxSipfrag = 512
)

// ErrOutcomeUnknown says that a transfer was accepted, but nobody told how it went.
var ErrOutcomeUnknown = errors.New("transfer accepted, outcome unknown")

// transfers are what a call has to do with REFER and Replaces.
type transfers struct {
	mu         sync.Mutex
	asked      []*Referral   // of ours, oldest first
	open       *ReferRequest // the peer's that is not over
	got        int           // REFERs the peer has sent
	replaces   *Call         // whose place this call takes
	replacedBy *Call
}

// ReferOptions are the wishes of who transfers a call.
type ReferOptions struct {
	// Replaces makes it an attended transfer: the target is the peer of this other, established call, whose place the
	// peer of the first one takes. The address of the target may then be left out: the best one is found.
	Replaces *Call
	// OnProgress is told of each status the peer reports of its call to the target (100, 180, 200, 486, …), in order.
	OnProgress func(code int, reason string)
	// Quiet asks for no reports (RFC 4488): the outcome stays unknown when the peer obeys.
	Quiet bool
}

// Referral is a transfer of ours that the peer has accepted. Methods may be called from any goroutine.
type Referral struct {
	call     *Call
	progress func(code int, reason string)
	done     chan struct{}
	poke     chan struct{} // something came

	mu     sync.Mutex
	seq    uint32 // CSeq of the REFER: the id of its event (RFC 3515 2.4.6)
	state  referState
	code   int
	err    error
	closed bool // the subscription is over: no NOTIFY is due
}

// Done is closed when the outcome is known, or it is known that it never will be.
func (r *Referral) Done() <-chan struct{} { return r.done }

// Code is the last status the peer has reported of its call to the target; 0: none.
func (r *Referral) Code() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.code
}

// Err is the outcome once Done is closed: nil when the target answered, a *StatusError when it refused, else an error
// wrapping ErrOutcomeUnknown.
func (r *Referral) Err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// Refer asks the peer to call somebody else (RFC 3515): a blind transfer, or with o.Replaces an attended one (RFC
// 5589). It returns when the peer has accepted; what becomes of it the Referral tells. This call goes on meanwhile:
// hang up when the referral succeeded, take the talk up again when it failed. The error is a *StatusError when
// the peer would not (603: its user said no; 405, 501: it cannot), or wraps ErrState, ErrEnded, ErrTooMany,
// ErrNoAnswer or ErrTransport.
func (c *Call) Refer(ctx context.Context, to uri.URI, o ReferOptions) (*Referral, error) {
	d, err := c.established()
	if err != nil {
		return nil, fmt.Errorf("refer: %w", err)
	}
	if to, err = referTarget(to, o.Replaces); err != nil {
		return nil, fmt.Errorf("refer: %w", err)
	}
	r := &Referral{call: c, progress: o.OnProgress, done: make(chan struct{}), poke: make(chan struct{}, 1)}
	if !c.remember(r) {
		return nil, fmt.Errorf("refer: %d transfers: %w", maxReferrals, ErrTooMany)
	}
	res, err := c.sendRefer(ctx, d, r, to, o.Quiet)
	if err = final(res, err); err != nil {
		r.happen(referRefused, 0, "", err)
		c.forget(r)
		return nil, fmt.Errorf("refer: %w", err)
	}
	event := referOK
	if strings.EqualFold(headerValue(res, "Refer-Sub"), "false") {
		event = referNoSub
	}
	r.happen(event, 0, "", nil)
	c.background(&c.wg, r.watch)
	return r, nil
}

// referTarget completes the target of an attended transfer. Its address of record may ring at several phones, of which
// one has the dialog: the others are to refuse, so it goes with Require (RFC 5589 7.3) unless the caller insists on
// that address, for peers that know no headers there but Replaces. On a LAN, and for who hides his address, only the
// Contact will do.
func referTarget(to uri.URI, other *Call) (uri.URI, error) {
	if other == nil {
		if to.Host == "" {
			return to, fmt.Errorf("no target: %w", ErrState)
		}
		return to, nil
	}
	rep, err := other.replacing()
	if err != nil {
		return to, fmt.Errorf("other call: %w", err)
	}
	d, err := other.established()
	if err != nil {
		return to, fmt.Errorf("other call: %w", err)
	}
	headers := "Replaces=" + escapeHeader(rep.String())
	if aor := other.Remote().URI; to.Host == "" || to.SameUser(aor) {
		d.mu.Lock()
		contact := d.target
		d.mu.Unlock()
		hidden := aor.User == "" || strings.EqualFold(aor.Host, anonymousHost)
		switch {
		case !other.account.cfg.Register, hidden, contact.Params.Has("gr"): // RFC 5627: a GRUU is good for everybody
			to = contact
		case to.Host == "":
			to = aor
			headers += "&Require=replaces"
		}
	}
	to.Headers = headers
	return to, nil
}

// sendRefer sends the REFER; one that met 491 goes again, by the clock of a re-INVITE.
func (c *Call) sendRefer(
	ctx context.Context, d *dialog, r *Referral, to uri.URI, quiet bool,
) (*sipmsg.Response, error) {
	e := exchange{account: c.account, next: d.nextHop(), d: d, inDialog: true, build: func(h hop) *sipmsg.Request {
		seq := d.nextSeq()
		r.mu.Lock()
		r.seq = seq
		r.mu.Unlock()
		req := d.request(sipmsg.REFER, seq)
		req.AppendHeader(c.account.contactHeader(h))
		req.AppendHeader(sipmsg.NewHeader("Refer-To", uri.Address{URI: to}.String()))
		req.AppendHeader(sipmsg.NewHeader("Referred-By", uri.Address{URI: d.local.URI}.String())) // RFC 3892 2.1
		req.AppendHeader(sipmsg.NewHeader("Supported", supported))
		if quiet {
			req.AppendHeader(sipmsg.NewHeader("Refer-Sub", "false"))
		}
		return req
	}}
	for try := 1; ; try++ {
		res, _, err := c.ua.roundTrip(ctx, e)
		if err != nil || res.StatusCode != 491 || try >= maxGlare {
			return res, err
		}
		select {
		case <-time.After(c.glarePause()):
		case <-c.done:
			return nil, ErrEnded
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

func (c *Call) remember(r *Referral) bool {
	c.transfers.mu.Lock()
	defer c.transfers.mu.Unlock()
	if len(c.transfers.asked) >= maxReferrals {
		return false
	}
	c.transfers.asked = append(c.transfers.asked, r)
	return true
}

func (c *Call) forget(r *Referral) {
	c.transfers.mu.Lock()
	defer c.transfers.mu.Unlock()
	c.transfers.asked = slices.DeleteFunc(c.transfers.asked, func(o *Referral) bool { return o == r })
}

// referral finds the one a NOTIFY is about. Without an id it is the first (RFC 3515 2.4.6).
func (c *Call) referral(event string) *Referral {
	id, named := eventID(event)
	c.transfers.mu.Lock()
	defer c.transfers.mu.Unlock()
	for _, r := range c.transfers.asked {
		r.mu.Lock()
		same := !named || strconv.FormatUint(uint64(r.seq), 10) == id
		r.mu.Unlock()
		if same {
			return r
		}
	}
	return nil
}

// eventID reads the id of an Event header.
func eventID(event string) (id string, ok bool) {
	_, params, _ := strings.Cut(event, ";")
	for p := range strings.SplitSeq(params, ";") {
		name, value, _ := strings.Cut(p, "=")
		if strings.EqualFold(strings.TrimSpace(name), "id") {
			return strings.TrimSpace(value), true
		}
	}
	return "", false
}

// happen applies an event, and tells of the outcome when it is the one that decides.
func (r *Referral) happen(event referEvent, code int, reason string, why error) {
	r.mu.Lock()
	before := r.state
	r.state = referTable[before][event]
	over := r.state.over() && !before.over()
	if code != 0 && !before.over() {
		r.code = code
	}
	if over {
		switch {
		case r.state == referSucceeded:
		case why != nil:
			r.err = why
		case r.state == referFailed:
			r.err = &StatusError{Code: code, Reason: reason}
		default:
			r.err = ErrOutcomeUnknown
		}
	}
	r.closed = r.closed || event == referNoSub
	state := r.state
	r.mu.Unlock()
	if code != 0 && !before.over() && r.progress != nil {
		r.call.notices.offer(func() { r.progress(code, reason) })
	}
	if over {
		r.call.ua.log.Info("transfer", "call_id", r.call.id, "outcome", int(state), "code", code)
		close(r.done)
	}
	select {
	case r.poke <- struct{}{}:
	default:
	}
}

// peerNotify takes a NOTIFY about a referral of ours, also after the BYE: the subscription shares the dialog with the
// call and may outlive it (RFC 5057 4.1). Runs on the call's goroutine.
func (c *Call) peerNotify(in *inbound) {
	event := headerValue(in.req, "Event", "o")
	if eventName(event) != "refer" {
		c.ua.answer(in, 489, Header{"Allow-Events", c.ua.allowEvents()})
		return
	}
	r := c.referral(event)
	if r == nil {
		c.ua.answer(in, 481) // ends the subscription over there (RFC 6665 4.2.2)
		return
	}
	body := in.req.Body()
	if len(body) > 0 && bodyType(in.req) != sipfrag {
		c.ua.answer(in, 415, Header{"Accept", sipfrag})
		return
	}
	c.ua.answer(in, 200)
	state, _, _ := strings.Cut(headerValue(in.req, "Subscription-State"), ";")
	last := strings.EqualFold(strings.TrimSpace(state), "terminated")
	code, reason := fragStatus(body)
	if last {
		r.mu.Lock()
		r.closed = true
		r.mu.Unlock()
	}
	switch {
	case code >= 300:
		r.happen(notifyFailure, code, reason, nil)
	case code >= 200:
		r.happen(notifySuccess, code, reason, nil)
	case last:
		r.happen(notifyNothing, code, reason, nil)
	default:
		r.happen(notifyProgress, code, reason, nil)
	}
}

// fragStatus reads the status line of a message/sipfrag (RFC 3420); 0 when there is none.
func fragStatus(body []byte) (code int, reason string) {
	line, _, _ := bytes.Cut(body[:min(len(body), maxSipfrag)], []byte("\n"))
	version, rest, ok := strings.Cut(strings.TrimSpace(string(line)), " ")
	if !ok || !strings.EqualFold(version, "SIP/2.0") {
		return 0, ""
	}
	digits, reason, _ := strings.Cut(strings.TrimSpace(rest), " ")
	code, err := strconv.Atoi(digits)
	if err != nil || code < 100 || code > 699 {
		return 0, ""
	}
	return code, cleanText(strings.ToValidUTF8(strings.TrimSpace(reason), ""))
}

// watch gives a referral up that nobody speaks of any more, and forgets it when no NOTIFY is due:
// 64*T1 for the first NOTIFY (RFC 6665 4.1.2.4, timer N), the ring time of a call and as much again for the outcome,
// 64*T1 after a BYE for what was on its way, if the peer has not begun to report.
func (r *Referral) watch() {
	c := r.call
	defer c.forget(r)
	timer := time.NewTimer(timerN)
	defer timer.Stop()
	ended := c.done
	why := ErrNoNotify
	for trying := false; ; {
		select {
		case <-r.poke:
			r.mu.Lock()
			state, closed := r.state, r.closed
			r.mu.Unlock()
			switch {
			case closed && state.over():
				return
			case state.over():
				timer.Reset(timerN) // the peer may still say "terminated"
			case state == referTrying && !trying:
				trying, why = true, ErrNoAnswer
				timer.Reset(c.ua.cfg.RingTime + timerN)
			}
		case <-ended:
			ended = nil
			if !trying {
				timer.Reset(timerN)
			}
		case <-timer.C:
			r.happen(referTimeout, 0, "", fmt.Errorf("%w: %w", ErrOutcomeUnknown, why))
			return
		case <-c.ua.life.Done():
			r.happen(referTimeout, 0, "", fmt.Errorf("%w: %w", ErrOutcomeUnknown, ErrClosed))
			return
		}
	}
}
