package sip

import (
	"context"
	"slices"
	"strings"
	"sync"

	sipmsg "github.com/emiago/sipgo/sip"

	"github.com/peregrine-softphone/peregrine/sip/resolve"
	"github.com/peregrine-softphone/peregrine/sip/uri"
)

// maxRoutes bounds a route set; real ones have one to four hops.
const maxRoutes = 32

// maxMethods bounds an Allow header; there are 14 methods in all.
const maxMethods = 64

// dialog is the state of RFC 3261 12 that one call, subscription or notifier shares with its peer. Its
// methods may be called from any goroutine.
type dialog struct {
	callID   string
	local    uri.Address // without tag
	remote   uri.Address // without tag
	localTag string

	mu        sync.Mutex
	remoteTag string
	localSeq  uint32 // last one used
	remoteSeq uint32 // highest one seen
	remoteSet bool   // remoteSeq is valid
	target    uri.URI
	routes    []uri.Address
	server    resolve.Target // of the next hop's servers the one that answered; zero: none yet
	allow     []string       // methods the peer has named; nil: it has named none
	supports  []string       // extensions it has named
}

// dialogKey finds the owner of a request inside a dialog. The local tag is ours and unguessable, so the
// remote tag need not be part of it; owners check it.
type dialogKey struct{ callID, localTag string }

func (d *dialog) key() dialogKey { return dialogKey{d.callID, d.localTag} }

// newOutgoing begins a dialog with a request of ours.
func newOutgoing(local, remote uri.Address, target uri.URI) *dialog {
	return &dialog{
		callID: newCallID(), local: untagged(local), remote: untagged(remote), localTag: newTag(),
		localSeq: firstSeq - 1, target: target,
	}
}

// newIncoming begins a dialog with a request of the peer (RFC 3261 12.1.1).
func newIncoming(req *sipmsg.Request, localTag string) *dialog {
	d := &dialog{
		callID: req.CallID().Value(), local: untagged(party(req, "To")), remote: untagged(party(req, "From")),
		localTag: localTag, localSeq: firstSeq - 1,
		remoteTag: tagOf(req.From()), remoteSeq: req.CSeq().SeqNo, remoteSet: true,
		routes: recordRoutes(req),
	}
	d.target, _ = contactURI(req) // callers have checked it
	d.learn(req)
	if len(d.routes) > maxRoutes {
		d.routes = d.routes[:maxRoutes]
	}
	return d
}

func untagged(a uri.Address) uri.Address {
	a.Params = a.Params.Without("tag")
	return a
}

// fork gives the dialog that a response establishes on top of d, which is the half-made one of our
// request (RFC 3261 12.1.2). Each To tag makes a dialog of its own.
func (d *dialog) fork(res *sipmsg.Response) *dialog {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := &dialog{
		callID: d.callID, local: d.local, remote: d.remote, localTag: d.localTag,
		localSeq: d.localSeq, remoteTag: tagOf(res.To()), target: d.target, server: d.server,
	}
	f.confirm(res)
	return f
}

// confirm takes the remote target and the route set from a response to the request that made d. The
// caller holds d.mu, or is alone with d.
func (d *dialog) confirm(res *sipmsg.Response) {
	if u, ok := contactURI(res); ok {
		d.target = u
	}
	d.learnLocked(res)
	rr := recordRoutes(res)
	if len(rr) > maxRoutes {
		rr = rr[len(rr)-maxRoutes:]
	}
	d.routes = make([]uri.Address, len(rr))
	for i, r := range rr {
		d.routes[len(rr)-1-i] = r // RFC 3261 12.1.2: in reverse order
	}
}

// establish turns the half-made dialog of a request of ours into the one its 2xx describes.
func (d *dialog) establish(res *sipmsg.Response) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.remoteTag = tagOf(res.To())
	d.confirm(res)
}

// adopt takes tag, target and routes from a request that came before the response (RFC 6665 4.1.4).
func (d *dialog) adopt(req *sipmsg.Request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.remoteTag != "" {
		return
	}
	d.remoteTag = tagOf(req.From())
	d.routes = recordRoutes(req)
	if len(d.routes) > maxRoutes {
		d.routes = d.routes[:maxRoutes]
	}
	if u, ok := contactURI(req); ok {
		d.target = u
	}
}

// refresh obeys a target refresh (RFC 3261 12.2): the Contact of a re-INVITE, UPDATE, SUBSCRIBE or NOTIFY, or of a
// 2xx to one. The route set stays.
func (d *dialog) refresh(msg sipmsg.Message) {
	d.learn(msg)
	u, ok := contactURI(msg)
	if !ok {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.target = u
}

// learn takes the methods that the peer names in Allow (RFC 3261 20.5), and the extensions in Supported.
func (d *dialog) learn(msg sipmsg.Message) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.learnLocked(msg)
}

func (d *dialog) learnLocked(msg sipmsg.Message) {
	if methods := headerList(msg, "Allow"); len(methods) > 0 && len(methods) <= maxMethods {
		d.allow = methods
	}
	if tags := headerList(msg, "Supported", "k"); len(tags) > 0 && len(tags) <= maxMethods {
		d.supports = tags
	}
}

// supported tells whether the peer has named an extension as one it knows (RFC 3261 20.37).
func (d *dialog) supported(tag string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.ContainsFunc(d.supports, func(t string) bool { return strings.EqualFold(t, tag) })
}

// allows tells whether the peer takes a method. One that has named none takes what RFC 3261 demands.
func (d *dialog) allows(method string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.allow == nil {
		return slices.Contains([]string{"INVITE", "ACK", "CANCEL", "BYE", "OPTIONS"}, method)
	}
	return slices.Contains(d.allow, method) // RFC 3261 7.1: methods are case-sensitive
}

// remoteTagIs checks the peer's tag; a dialog that has none yet matches any.
func (d *dialog) remoteTagIs(tag string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.remoteTag == "" || d.remoteTag == tag
}

func (d *dialog) peerTag() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.remoteTag
}

// inOrder checks and takes the CSeq of a request of the peer: false when it is not higher than the
// last one, which gets 500 (RFC 3261 12.2.2).
func (d *dialog) inOrder(seq uint32) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.remoteSet && seq <= d.remoteSeq {
		return false
	}
	d.remoteSeq, d.remoteSet = seq, true
	return true
}

func (d *dialog) nextSeq() uint32 {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.localSeq++
	return d.localSeq
}

// nextHop is where requests in the dialog go: the first route, or the target.
func (d *dialog) nextHop() uri.URI {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.routes) > 0 {
		return d.routes[0].URI
	}
	return d.target
}

// setRoutes gives a request outside a dialog its pre-loaded route (RFC 3261 8.1.2).
func (d *dialog) setRoutes(routes []uri.Address) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.routes = routes
}

// request builds a request in the dialog (RFC 3261 12.2.1.1), without Via and body. An ACK takes the
// number of its INVITE.
func (d *dialog) request(method sipmsg.RequestMethod, seq uint32) *sipmsg.Request {
	d.mu.Lock()
	defer d.mu.Unlock()
	target, routes := d.target, d.routes
	if len(routes) > 0 && !routes[0].URI.Params.Has("lr") {
		// A strict router (RFC 2543) takes the place of the target, which goes last.
		routes = append(routes[1:len(routes):len(routes)], uri.Address{URI: target})
		target = d.routes[0].URI
	}
	req := sipmsg.NewRequest(method, requestURI(target))
	for _, r := range routes {
		r.Display = ""
		req.AppendHeader(sipmsg.NewHeader("Route", r.String()))
	}
	from, to := d.local, d.remote
	from.Params = from.Params.With("tag", d.localTag)
	if d.remoteTag != "" {
		to.Params = to.Params.With("tag", d.remoteTag)
	}
	maxForwards := sipmsg.MaxForwardsHeader(70) // RFC 3261 8.1.1.6
	callID := sipmsg.CallIDHeader(d.callID)
	req.AppendHeader(&maxForwards)
	req.AppendHeader(sipmsg.NewHeader("From", from.String()))
	req.AppendHeader(sipmsg.NewHeader("To", to.String()))
	req.AppendHeader(&callID)
	req.AppendHeader(&sipmsg.CSeqHeader{SeqNo: seq, MethodName: method})
	return req
}

// owner is a call, subscription or notifier that requests inside a dialog belong to.
type owner interface {
	// deliver takes a request in the order of arrival, without blocking. False: overloaded.
	deliver(in *inbound) bool
	owner() *Account
	// finish ends it politely; it returns when the goodbye is answered or ctx ends.
	finish(ctx context.Context)
}

const (
	// maxDialogs bounds the table. Each watcher and each watched buddy is one.
	maxDialogs = 4096
	// maxStrangers is the part of it that others can fill with their subscriptions.
	maxStrangers = maxDialogs / 2
)

// dialogs is the table of owners.
type dialogs struct {
	mu        sync.Mutex
	m         map[dialogKey]owner
	strangers int // ServerSubscriptions in m
	homes     homes
}

func (t *dialogs) add(k dialogKey, o owner) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, stranger := o.(*ServerSubscription)
	if len(t.m) >= maxDialogs || stranger && t.strangers >= maxStrangers {
		return false
	}
	t.m[k] = o
	t.homes.add(k)
	if stranger {
		t.strangers++
	}
	return true
}

func (t *dialogs) remove(k dialogKey) {
	defer t.homes.remove(k)
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, stranger := t.m[k].(*ServerSubscription); stranger {
		t.strangers--
	}
	delete(t.m, k)
}

func (t *dialogs) find(callID, localTag string) owner {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.m[dialogKey{callID, localTag}]
}

func (t *dialogs) owners() []owner {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make([]owner, 0, len(t.m))
	for _, o := range t.m {
		out = append(out, o)
	}
	return out
}

func (t *dialogs) size() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.m)
}

// sameHost compares host names without case.
func sameHost(a, b string) bool { return strings.EqualFold(a, b) }
