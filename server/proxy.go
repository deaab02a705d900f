package server

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"strconv"
	"strings"

	sipmsg "github.com/emiago/sipgo/sip"

	"github.com/peregrine-softphone/peregrine/sip/digest"
	"github.com/peregrine-softphone/peregrine/sip/uri"
)

const (
	defaultMaxForwards = 70 // RFC 3261 16.6 step 3
	maxRoutes          = 32
	// dialogParam carries, in our Record-Route, the proof that this server let the dialog in: without it a
	// Route header would make the server relay anything to anywhere.
	dialogParam = "d"
)

// hop is where one copy of a request goes.
type hop struct {
	target    sipmsg.Uri // the Request-URI
	transport string     // "UDP" or "TCP"
	addr      netip.AddrPort
}

// journey is what the proxy has found out about a request.
type journey struct {
	target uri.URI  // where it is to go, routes apart
	routes []string // those that remain when ours are taken off
	dialog bool     // it carries our token: it belongs to a dialog let in before
	left   uint32   // Max-Forwards for the next hop
}

// proxy relays a request other than REGISTER, ACK and CANCEL (RFC 3261 16.3 to 16.6), or answers it.
func (s *Server) proxy(ctx context.Context, req *sipmsg.Request, tx sipmsg.ServerTransaction) {
	j, ok := s.journey(req)
	switch {
	case !ok:
		s.reply(req, tx, 400, "Bad Route")
		return
	case j.left == 0 && req.MaxForwards() != nil && req.MaxForwards().Val() == 0:
		s.reply(req, tx, 483, "Too Many Hops")
		return
	case s.requires(req, tx):
		return
	}
	own := s.ownDomain(j.target)
	if own && j.target.User == "" {
		s.answerSelf(req, tx)
		return
	}
	if !j.dialog && !s.letIn(req, tx, own, j) {
		return
	}
	var hops []hop
	if own && len(j.routes) == 0 {
		hops = s.devices(j.target.User)
	} else if h, ok := s.next(j); ok {
		hops = []hop{h}
	}
	if len(hops) == 0 {
		// 404 for a user without a device, too: an absent user looks the same, and a watcher keeps the 404 (the
		// presence of this project rests on that).
		s.reply(req, tx, 404, "Not Found")
		return
	}
	s.relay(ctx, req, tx, j, hops)
}

// journey reads target, routes and hop count (RFC 3261 16.4). ok is false when a header of them cannot be read.
func (s *Server) journey(req *sipmsg.Request) (j journey, ok bool) {
	j = journey{target: recipient(req), left: defaultMaxForwards}
	if h := req.MaxForwards(); h != nil {
		j.left = min(max(h.Val(), 1)-1, 255)
	}
	if j.target.IsZero() {
		return j, false
	}
	j.routes = values(req, "Route")
	if len(j.routes) > maxRoutes {
		return j, false
	}
	if j.target.Params.Has("lr") && s.ownDomain(j.target) && len(j.routes) > 0 {
		// RFC 3261 16.4: a strict router before us put our Record-Route into the Request-URI, and the target at
		// the end.
		j.dialog = s.proves(j.target, req)
		last, err := uri.ParseAddress(j.routes[len(j.routes)-1])
		if err != nil {
			return j, false
		}
		j.target, j.routes = last.URI, j.routes[:len(j.routes)-1]
	}
	for len(j.routes) > 0 {
		a, err := uri.ParseAddress(j.routes[0])
		if err != nil {
			return j, false
		}
		if a.URI.User != "" || !s.ownDomain(a.URI) {
			break
		}
		j.dialog = j.dialog || s.proves(a.URI, req)
		j.routes = j.routes[1:]
	}
	return j, true
}

// answerSelf answers a request to the server itself (RFC 3261 11 for OPTIONS).
func (s *Server) answerSelf(req *sipmsg.Request, tx sipmsg.ServerTransaction) {
	code, reason := 405, "Method Not Allowed"
	if req.Method == sipmsg.OPTIONS {
		code, reason = 200, "OK"
	}
	res := sipmsg.NewResponseFromRequest(req, code, reason, nil)
	res.AppendHeader(sipmsg.NewHeader("Allow", "OPTIONS, REGISTER"))
	s.respond(tx, res)
}

// letIn decides about a request outside every dialog; when it refuses, it has answered. Own users prove who they are
// (RFC 3261 22.3), strangers may reach own users, nobody is relayed to other domains.
func (s *Server) letIn(req *sipmsg.Request, tx sipmsg.ServerTransaction, own bool, j journey) bool {
	if !own || len(j.routes) > 0 {
		s.reply(req, tx, 403, "Relaying Denied")
		return false
	}
	from, err := uri.ParseAddress(req.From().Value())
	if err != nil {
		s.reply(req, tx, 400, "Bad From")
		return false
	}
	if !s.ownDomain(from.URI) {
		return true
	}
	user, ok := s.authenticated(req, tx, "Proxy-Authorization", 407)
	if !ok {
		return false
	}
	if user != from.URI.User {
		s.reply(req, tx, 403, "From Is Not Yours")
		return false
	}
	return true
}

// devices gives a hop for each device of a user.
func (s *Server) devices(user string) []hop {
	var out []hop
	for _, b := range s.bindings.get(user) {
		if h, ok := s.toBinding(b); ok {
			out = append(out, h)
		}
	}
	return out
}

// toBinding sends to where the registration came from: that crosses NATs and reuses TCP connections. A device
// on the same computer as its contact says is taken by its word, since it may send from another port than it
// listens on.
func (s *Server) toBinding(b Binding) (hop, bool) {
	h := hop{transport: b.Transport, addr: b.Source}
	if err := sipmsg.ParseUri(b.Contact.URI.String(), &h.target); err != nil {
		return hop{}, false
	}
	if ip, ok := b.Contact.URI.IP(); ok && b.Transport == "UDP" && ip.Unmap() == b.Source.Addr() {
		h.addr = netip.AddrPortFrom(ip.Unmap(), port(b.Contact.URI))
	}
	return h, true
}

// next finds the hop of a request inside a dialog: its topmost route, else its target (RFC 3261 16.6 steps 6, 7).
func (s *Server) next(j journey) (hop, bool) {
	var h hop
	if err := sipmsg.ParseUri(j.target.String(), &h.target); err != nil {
		return hop{}, false
	}
	to := j.target
	if len(j.routes) > 0 {
		a, err := uri.ParseAddress(j.routes[0])
		if err != nil {
			return hop{}, false
		}
		to = a.URI
	} else if b, ok := s.bindings.byContact(to); ok {
		return s.toBinding(b)
	}
	ip, ok := to.IP()
	if !ok || to.Secure() {
		return hop{}, false
	}
	h.addr, h.transport = netip.AddrPortFrom(ip.Unmap(), port(to)), "UDP"
	if to.Transport() == "tcp" {
		h.transport = "TCP"
	}
	return h, true
}

// outgoing makes the copy of a request for one hop (RFC 3261 16.6). record adds our Record-Route.
func (s *Server) outgoing(req *sipmsg.Request, j journey, h hop, record bool) *sipmsg.Request {
	out := sipmsg.NewRequest(req.Method, h.target)
	out.AppendHeader(s.via(h.transport))
	if record {
		for _, r := range s.recordRoutes(req, h.transport) {
			out.AppendHeader(sipmsg.NewHeader("Record-Route", r))
		}
	}
	left := sipmsg.MaxForwardsHeader(j.left)
	out.AppendHeader(&left)
	for _, r := range j.routes {
		out.AppendHeader(sipmsg.NewHeader("Route", r))
	}
	top := true
	for _, header := range req.Headers() {
		switch strings.ToLower(header.Name()) {
		case "max-forwards", "route":
			continue
		case "proxy-authorization": // RFC 3261 22.3: ours ends here; the callee must not see it
			if cred, err := digest.ParseCredentials(header.Value()); err == nil && cred.Realm == s.cfg.Domain {
				continue
			}
		}
		c := sipmsg.HeaderClone(header)
		if v, ok := c.(*sipmsg.ViaHeader); ok && top {
			stampVia(v, req.Source())
			top = false
		}
		out.AppendHeader(c)
	}
	out.SetBody(req.Body())
	out.SetTransport(h.transport)
	out.SetDestination(h.addr.String())
	if h.transport == "UDP" { // from our socket, not from one of its own
		out.Laddr = sipmsg.Addr{IP: s.local.Addr().AsSlice(), Port: int(s.local.Port())}
	}
	return out
}

func (s *Server) via(transport string) *sipmsg.ViaHeader {
	v := &sipmsg.ViaHeader{
		ProtocolName: "SIP", ProtocolVersion: "2.0", Transport: transport,
		Host: s.addr.Addr().String(), Port: int(s.addr.Port()),
	}
	v.Params.Add("branch", sipmsg.GenerateBranchN(16))
	return v
}

// stampVia notes where a request came from (RFC 3261 18.2.1, RFC 3581 4).
func stampVia(v *sipmsg.ViaHeader, source string) {
	from, err := netip.ParseAddrPort(source)
	if err != nil {
		return
	}
	said, err := netip.ParseAddr(strings.Trim(v.Host, "[]"))
	_, rport := v.Params.Get("rport")
	if rport {
		v.Params.Add("rport", strconv.Itoa(int(from.Port())))
	}
	if rport || err != nil || said.Unmap() != from.Addr().Unmap() {
		v.Params.Add("received", from.Addr().Unmap().String())
	}
}

// recordRoutes gives the Record-Route values, topmost first: one, or two where the transports of the sides
// differ (RFC 5658).
func (s *Server) recordRoutes(req *sipmsg.Request, transport string) []string {
	incoming := strings.ToUpper(req.Transport())
	if incoming == transport {
		return []string{s.recordRoute(req, transport)}
	}
	return []string{s.recordRoute(req, transport), s.recordRoute(req, incoming)}
}

func (s *Server) recordRoute(req *sipmsg.Request, transport string) string {
	u := uri.New("", s.addr.Addr().String(), int(s.addr.Port()))
	if transport == "TCP" {
		u = u.WithParam("transport", "tcp")
	}
	u = u.WithParam("lr", "").WithParam(dialogParam, s.token(req))
	return uri.Address{URI: u}.String()
}

// token proves that this server let a dialog in. The Call-ID is the same in both directions.
func (s *Server) token(req *sipmsg.Request) string {
	h := hmac.New(sha256.New, s.secret[:])
	h.Write([]byte(req.CallID().Value()))
	return hex.EncodeToString(h.Sum(nil)[:8])
}

func (s *Server) proves(u uri.URI, req *sipmsg.Request) bool {
	return hmac.Equal([]byte(u.Params.Get(dialogParam)), []byte(s.token(req)))
}

// relayACK passes on the ACK of a 2xx, which has no transaction (RFC 3261 16.6, last paragraph but one). An ACK
// of another final response ends here: it was for us.
func (s *Server) relayACK(req *sipmsg.Request) {
	j, ok := s.journey(req)
	if !ok || !j.dialog || j.left == 0 || s.ownDomain(j.target) {
		return
	}
	h, ok := s.next(j)
	if !ok {
		return
	}
	if err := s.client.WriteRequest(s.outgoing(req, j, h, false), asItIs); err != nil {
		s.log.Debug("ACK not relayed", "err", err)
	}
}

// ownDomain reports whether a URI names this server or its domain.
func (s *Server) ownDomain(u uri.URI) bool {
	if ip, ok := u.IP(); ok {
		return ip.Unmap() == s.addr.Addr().Unmap() && port(u) == s.addr.Port()
	}
	return strings.EqualFold(u.Host, s.cfg.Domain) && (u.Port == 0 || u.Port == int(s.addr.Port()))
}

func port(u uri.URI) uint16 {
	n := u.Port
	if n <= 0 || n > 0xffff { // what Parse reads is in range
		n = u.DefaultPort()
	}
	return uint16(n) //nolint:gosec // in range
}

// recipient reads the Request-URI; zero when it is none of SIP.
func recipient(req *sipmsg.Request) uri.URI {
	u, err := uri.Parse(req.Recipient.String())
	if err != nil {
		return uri.URI{}
	}
	return u
}
