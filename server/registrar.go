package server

import (
	"errors"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"

	"github.com/peregrine-softphone/peregrine/sip/digest"
	"github.com/peregrine-softphone/peregrine/sip/uri"
)

// register answers a REGISTER (RFC 3261 10.3). The numbers are the steps of that section.
func (s *Server) register(req *sipmsg.Request, tx sipmsg.ServerTransaction) {
	to, err := uri.ParseAddress(req.To().Value())
	switch {
	case err != nil:
		s.reply(req, tx, 400, "Bad To")
		return
	case !s.ownDomain(recipient(req)): // 1
		s.reply(req, tx, 404, "Not Found")
		return
	}
	if s.requires(req, tx) { // 2
		return
	}
	user, ok := s.authenticated(req, tx, "Authorization", 401) // 3
	if !ok {
		return
	}
	if !s.ownDomain(to.URI) || to.URI.User != user { // 4, 5: nobody registers another user
		s.reply(req, tx, 403, "Forbidden")
		return
	}
	change, problem := s.parseRegister(req)
	if problem != nil {
		s.respond(tx, problem)
		return
	}
	now, ok, full := s.bindings.update(user, change.apply)
	switch {
	case full:
		s.reply(req, tx, 503, "Too Many Registrations")
		return
	case !ok: // 6, 7: an older request of the same Call-ID
		s.reply(req, tx, 500, "Request Out of Order")
		return
	}
	res := sipmsg.NewResponseFromRequest(req, 200, "OK", nil) // 8
	for _, b := range now {
		res.AppendHeader(sipmsg.NewHeader("Contact", b.contactLine(time.Now())))
	}
	s.log.Info("registered", "user", user, "devices", len(now), "remote", req.Source())
	s.respond(tx, res)
}

// registration is what one REGISTER asks for.
type registration struct {
	removeAll bool
	contacts  []Binding // those with Expires zero are to be removed
	callID    string
	cseq      uint32
}

// parseRegister reads the Contact and Expires headers; problem is the response to a bad one.
func (s *Server) parseRegister(req *sipmsg.Request) (r registration, problem *sipmsg.Response) {
	refuse := func(reason string) (registration, *sipmsg.Response) {
		return registration{}, sipmsg.NewResponseFromRequest(req, 400, reason, nil)
	}
	r.callID, r.cseq = req.CallID().Value(), req.CSeq().SeqNo
	common, hasCommon := seconds(value(req, "Expires"))
	contacts := values(req, "Contact", "m")
	if len(contacts) > maxContacts {
		return refuse("Too Many Contacts")
	}
	if slices.Contains(contacts, "*") { // 6: alone, and with Expires 0
		if len(contacts) != 1 || !hasCommon || common != 0 {
			return refuse("Bad Contact")
		}
		r.removeAll = true
		return r, nil
	}
	source, err := netip.ParseAddrPort(req.Source())
	if err != nil {
		return refuse("Bad Source")
	}
	for _, text := range contacts {
		a, err := uri.ParseAddress(text)
		if err != nil {
			return refuse("Bad Contact")
		}
		expires := s.cfg.MaxExpires
		if own, ok := seconds(a.Params.Get("expires")); ok {
			expires = own
		} else if hasCommon {
			expires = common
		}
		if expires > 0 && expires < s.cfg.MinExpires { // 7
			res := sipmsg.NewResponseFromRequest(req, 423, "Interval Too Brief", nil)
			res.AppendHeader(sipmsg.NewHeader("Min-Expires", strconv.Itoa(int(s.cfg.MinExpires/time.Second))))
			return registration{}, res
		}
		a.Params = a.Params.Without("expires")
		b := Binding{
			Contact: a, CallID: r.callID, CSeq: r.cseq,
			Transport: strings.ToUpper(req.Transport()), Source: unmap(source),
		}
		if expires > 0 {
			b.Expires = time.Now().Add(min(expires, s.cfg.MaxExpires))
		}
		r.contacts = append(r.contacts, b)
	}
	return r, nil
}

// apply is the change for bindings.update: all or nothing (RFC 3261 10.3 step 7).
func (r registration) apply(list []Binding) ([]Binding, bool) {
	outdated := func(b Binding) bool { return b.CallID == r.callID && b.CSeq >= r.cseq }
	if r.removeAll {
		return nil, !slices.ContainsFunc(list, outdated)
	}
	for _, c := range r.contacts {
		i := slices.IndexFunc(list, func(b Binding) bool { return b.Contact.URI.Equal(c.Contact.URI) })
		switch {
		case i >= 0 && outdated(list[i]):
			return nil, false
		case i >= 0 && c.Expires.IsZero():
			list = slices.Delete(list, i, i+1)
		case i >= 0:
			list[i] = c
		case !c.Expires.IsZero():
			list = append(list, c)
		}
	}
	return list, true
}

// authenticated checks the credentials of a request and gives the user they prove. When they are missing or no
// good it has answered with a challenge (401 or 407), or 403 for a wrong password.
func (s *Server) authenticated(
	req *sipmsg.Request, tx sipmsg.ServerTransaction, header string, code int,
) (user string, ok bool) {
	err := digest.ErrNoDigest
	for _, h := range req.GetHeaders(header) {
		cred, e := digest.ParseCredentials(h.Value())
		if e != nil || cred.Realm != s.cfg.Domain {
			continue // of another server on the way
		}
		user, err = s.verifier.Verify(h.Value(), string(req.Method), req.Body(), func(user, _ string) (string, bool) {
			return s.cfg.Users(user)
		})
		break
	}
	if err == nil {
		return user, true
	}
	if errors.Is(err, digest.ErrWrong) {
		s.log.Info("wrong credentials", "method", string(req.Method), "remote", req.Source())
	}
	reason, challenge := "Unauthorized", "WWW-Authenticate"
	if code == 407 {
		reason, challenge = "Proxy Authentication Required", "Proxy-Authenticate"
	}
	res := sipmsg.NewResponseFromRequest(req, code, reason, nil)
	for _, c := range s.verifier.Challenges(errors.Is(err, digest.ErrStale)) {
		res.AppendHeader(sipmsg.NewHeader(challenge, c))
	}
	s.respond(tx, res)
	return "", false
}

// requires answers 420 to an extension the server lacks (RFC 3261 8.2.2.3, 16.3) and reports whether it did.
func (s *Server) requires(req *sipmsg.Request, tx sipmsg.ServerTransaction) bool {
	name := "Proxy-Require"
	if req.Method == sipmsg.REGISTER {
		name = "Require"
	}
	wanted := values(req, name)
	if len(wanted) == 0 {
		return false
	}
	res := sipmsg.NewResponseFromRequest(req, 420, "Bad Extension", nil)
	res.AppendHeader(sipmsg.NewHeader("Unsupported", strings.Join(wanted, ", ")))
	s.respond(tx, res)
	return true
}

// value gives the first header of that name, "" when absent.
func value(m *sipmsg.Request, name string) string {
	if h := m.GetHeader(name); h != nil {
		return h.Value()
	}
	return ""
}

// values gives the elements of all headers of these names.
func values(req *sipmsg.Request, names ...string) []string {
	var out []string
	for _, name := range names {
		for _, h := range req.GetHeaders(name) {
			out = append(out, uri.SplitAddresses(h.Value())...)
		}
	}
	return out
}

// seconds reads a delta-seconds value; what is malformed counts as absent (RFC 3261 10.3 step 7 lets it be the
// default).
func seconds(s string) (time.Duration, bool) {
	n, err := strconv.ParseUint(strings.TrimSpace(s), 10, 32)
	return time.Duration(n) * time.Second, err == nil
}

func unmap(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }
