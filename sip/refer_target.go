package sip

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	sipmsg "github.com/emiago/sipgo/sip"

	"github.com/peregrine-softphone/peregrine/sip/uri"
)

// maxURIHeaders bounds the headers inside a Refer-To: Replaces, Require and a few that nobody needs.
const maxURIHeaders = 8

// referTo is a Refer-To as far as we obey it.
type referTo struct {
	target    uri.URI // Headers holds the Replaces, if any, and nothing else
	replaces  string  // decoded; empty: none
	mustMatch bool    // Require: replaces
}

// dangerous are the headers that would make the triggered INVITE something else than a call of ours to the target (RFC
// 3261 19.1.5).
//
//nolint:gochecknoglobals // constant table
var dangerous = []string{
	"from", "f", "to", "t", "call-id", "i", "cseq", "via", "v", "route", "record-route", "path", "contact", "m",
	"max-forwards", "authorization", "proxy-authorization", "content-type", "c", "content-length", "l",
	"content-encoding", "e", "content-disposition", "body", "p-asserted-identity", "p-preferred-identity",
}

// parseReferTo reads the Refer-To of a REFER. A code other than 0 refuses the request.
func parseReferTo(req *sipmsg.Request) (referTo, int) {
	var values []string
	for _, name := range []string{"Refer-To", "r"} {
		for _, h := range req.GetHeaders(name) {
			values = append(values, uri.SplitAddresses(h.Value())...)
		}
	}
	if len(values) != 1 {
		return referTo{}, 400 // RFC 3515 2.4.2: exactly one
	}
	a, err := uri.ParseAddress(values[0])
	if err != nil || a.URI.Host == "" {
		return referTo{}, 400
	}
	r := referTo{target: a.URI}
	if m, ok := a.URI.Params.Lookup("method"); ok && !strings.EqualFold(m, "INVITE") {
		return referTo{}, 501 // a referral to anything but a call
	}
	r.target.Params = r.target.Params.Without("method")
	if err := r.readHeaders(a.URI.Headers); err != nil {
		return referTo{}, 400
	}
	return r, 0
}

// readHeaders takes the headers of the URI: Replaces and what belongs to it; harmless others are left out, dangerous
// ones refuse the whole.
func (r *referTo) readHeaders(headers string) error {
	r.target.Headers = ""
	if headers == "" {
		return nil
	}
	parts := strings.Split(headers, "&")
	if len(parts) > maxURIHeaders {
		return fmt.Errorf("%d headers in a URI: %w", len(parts), ErrTooMany)
	}
	for _, p := range parts {
		name, value, _ := strings.Cut(p, "=")
		name, err := url.PathUnescape(name)
		if err != nil {
			return err
		}
		if value, err = url.PathUnescape(value); err != nil {
			return err
		}
		switch name = strings.ToLower(strings.TrimSpace(name)); {
		case name == "replaces":
			parsed, err := parseReplaces(value)
			if err != nil {
				return err
			}
			if r.replaces != "" {
				return fmt.Errorf("%w: two of them", errReplaces)
			}
			r.replaces = parsed.String()
			r.target.Headers = "Replaces=" + escapeHeader(r.replaces)
		case name == "require":
			if !strings.EqualFold(strings.TrimSpace(value), "replaces") {
				return fmt.Errorf("%w: requires %q", ErrState, cleanText(value))
			}
			r.mustMatch = true
		case slices.Contains(dangerous, name):
			return fmt.Errorf("%w: header %q in a URI", ErrState, cleanText(name))
		}
	}
	return nil
}

// leadsBack tells whether a referral would make us call ourselves.
func (u *UA) leadsBack(target uri.URI) bool {
	ours := false
	if ip, numeric := target.IP(); numeric {
		src, err := u.cfg.Network.Source(netip.AddrPortFrom(ip, u.tp.Port()))
		// The way to an address of this computer begins at that address.
		ours = err == nil && src.Unmap() == ip.Unmap() && u.isOurs(target)
	}
	return slices.ContainsFunc(u.Accounts(), func(a *Account) bool { return a.isFor(target, ours) > 0 })
}
