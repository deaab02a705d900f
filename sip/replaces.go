package sip

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	sipmsg "github.com/emiago/sipgo/sip"

	"github.com/peregrine-softphone/peregrine/sip/uri"
)

// maxReplaces bounds a Replaces header: a Call-ID and two tags, 250 bytes in real life.
const maxReplaces = 1024

// errReplaces says that a Replaces header does not follow RFC 3891 6.1.
var errReplaces = errors.New("bad Replaces header")

// replaces names a dialog as its own side knows it (RFC 3891 6.1): toTag is the local tag of whoever gets the INVITE,
// fromTag the one of its peer.
type replaces struct {
	callID, toTag, fromTag string
	earlyOnly              bool
}

// parseReplaces reads the value of a Replaces header.
func parseReplaces(v string) (replaces, error) {
	if len(v) > maxReplaces {
		return replaces{}, fmt.Errorf("%w: %d bytes", errReplaces, len(v))
	}
	callID, params, _ := strings.Cut(v, ";")
	r := replaces{callID: strings.TrimSpace(callID)}
	seen := map[string]bool{}
	for p := range strings.SplitSeq(params, ";") {
		name, value, _ := strings.Cut(p, "=")
		name, value = strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value)
		switch name {
		case "to-tag":
			r.toTag = value
		case "from-tag":
			r.fromTag = value
		case "early-only":
			r.earlyOnly = true
		default:
			continue // generic-param
		}
		if seen[name] {
			return replaces{}, fmt.Errorf("%w: %s twice", errReplaces, name)
		}
		seen[name] = true
	}
	for _, word := range []string{r.callID, r.toTag, r.fromTag} {
		if word == "" || strings.ContainsFunc(word, notVisible) {
			return replaces{}, errReplaces
		}
	}
	return r, nil
}

func notVisible(r rune) bool { return r <= ' ' || r == 0x7f || r == ',' }

// String writes the header's value.
func (r replaces) String() string {
	s := r.callID + ";to-tag=" + r.toTag + ";from-tag=" + r.fromTag
	if r.earlyOnly {
		s += ";early-only"
	}
	return s
}

// escapeHeader writes a header's value for the part of a URI behind "?" (RFC 3261 25.1, hvalue).
func escapeHeader(v string) string {
	return strings.ReplaceAll(url.QueryEscape(v), "+", "%20") // a plain "+" comes from nothing but a space
}

// replacing names the dialog of an established call as its peer knows it: what an INVITE to that peer must carry
// to take the call's place. The peer's local tag is our remote one.
func (c *Call) replacing() (replaces, error) {
	d, err := c.established()
	if err != nil {
		return replaces{}, err
	}
	return replaces{callID: d.callID, toTag: d.peerTag(), fromTag: d.localTag}, nil
}

// ReplacesHeader gives the header of an INVITE that, sent to the peer of this call by whomever, takes the call's
// place there (RFC 3891). The call must be established.
func (c *Call) ReplacesHeader() (Header, error) {
	r, err := c.replacing()
	if err != nil {
		return Header{}, fmt.Errorf("replaces: %w", err)
	}
	return Header{"Replaces", r.String()}, nil
}

// Replaces gives the call whose place this incoming one is to take, nil for an ordinary call. The replaced one ends by
// itself when this one is answered, and stays when it is declined; the user has agreed to talk to that party already,
// so that the application should answer at once when the replaced one is Established.
func (c *Call) Replaces() *Call {
	c.transfers.mu.Lock()
	defer c.transfers.mu.Unlock()
	return c.transfers.replaces
}

// ReplacedBy gives the call that took the place of this one; nil: none did.
func (c *Call) ReplacedBy() *Call {
	c.transfers.mu.Lock()
	defer c.transfers.mu.Unlock()
	return c.transfers.replacedBy
}

// replaced finds the call that an INVITE wants to take the place of. A code other than 0 refuses the INVITE; nil with
// 0 is an ordinary call. Runs on a socket's reader.
//
//	no such dialog, or not a call's      481     RFC 3891 3
//	ringing here, not called by us       481
//	ended                                603
//	established, but early-only asked    486
//	twice, or unreadable                 400
//	from somebody else                   403
func (u *UA) replaced(in *inbound) (old *Call, code int) {
	values := in.req.GetHeaders("Replaces")
	if len(values) == 0 {
		return nil, 0
	}
	if len(values) > 1 {
		return nil, 400
	}
	r, err := parseReplaces(values[0].Value())
	if err != nil {
		return nil, 400
	}
	old, ok := u.dialogs.find(r.callID, r.toTag).(*Call)
	if !ok || !old.hasPeer(r.fromTag) {
		return nil, 481
	}
	if !u.mayReplace(in, old, dialogKey{r.callID, r.toTag}) {
		u.log.Warn("INVITE with Replaces from elsewhere refused", "call_id", old.id, "remote", in.remote)
		return nil, 403
	}
	switch old.State() {
	case Established:
		if r.earlyOnly {
			return nil, 486
		}
	case Ended:
		return nil, 603
	case Incoming:
		return nil, 481 // RFC 3891 3: an early dialog that this UA did not begin cannot be picked up here
	case Calling, Ringing:
	}
	return old, 0
}

// hasPeer checks the peer's tag of a dialog. While our INVITE rings, each phone it rings at has a tag of its own.
func (c *Call) hasPeer(tag string) bool {
	c.mu.Lock()
	d, rings := c.d, c.state == Calling || c.state == Ringing
	fork := c.earlyOf(tag)
	c.mu.Unlock()
	if rings {
		return fork != nil
	}
	return d.remoteTagIs(tag)
}

// mayReplace decides who may take over a call (RFC 3891 8): its peer, the account's own servers, which know both ends,
// and on a LAN whoever was sent by the peer: without servers the third party comes by itself, and proves what it knows
// by two unguessable tags and the name of who sent it.
func (u *UA) mayReplace(in *inbound, old *Call, k dialogKey) bool {
	from := in.remote.Addr().Unmap()
	if old.account.fromServer(from) || u.dialogs.homes.is(k, from) {
		return true
	}
	if old.account.cfg.Register {
		return false
	}
	by, err := uri.ParseAddress(headerValue(in.req, "Referred-By", "b"))
	return err == nil && by.URI.SameUser(old.Remote().URI)
}

// endReplaced ends the call whose place c has taken (RFC 3891 3): by BYE, or CANCEL when it rings at the peer.
func (c *Call) endReplaced() {
	old := c.Replaces()
	if old == nil || old.State() == Ended {
		return
	}
	old.transfers.mu.Lock()
	old.transfers.replacedBy = c
	old.transfers.mu.Unlock()
	c.ua.wg.Go(func() { _ = old.Hangup(c.ua.life) }) // it has ended, one way or another
}

// hasReplaces tells whether a request other than INVITE carries a Replaces (RFC 3891 3: 400).
func hasReplaces(req *sipmsg.Request) bool {
	return req.Method != sipmsg.INVITE && len(req.GetHeaders("Replaces")) > 0
}
