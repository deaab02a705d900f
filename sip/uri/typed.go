package uri

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// InputError is what FromUser says to the person who typed. Its text is a sentence with a next step, fit to be shown.
type InputError struct{ Sentence string }

func (e *InputError) Error() string { return e.Sentence }

func sayf(format string, args ...any) error {
	return &InputError{Sentence: fmt.Sprintf(format, args...)}
}

// FromUser reads what a person types or pastes into a dial field: "bob", "bob@info.test",
// "sip:bob@10.0.0.1:5070", "+49 (0)30 12-34", "tel:+49301234", "<sip:bob@info.test>", `"Bob"
// <sip:bob@info.test>`, "10.0.0.7". A name or number without a domain goes to defaultDomain ("info.test" or
// "info.test:5070"; "" when there is no account). The error is an *InputError.
func FromUser(input, defaultDomain string) (URI, error) {
	s := strings.TrimSpace(strings.Map(dropInvisible, input))
	if s == "" {
		return URI{}, sayf("Type a name, a number or an address such as bob@example.org.")
	}
	if len(s) > MaxLength {
		return URI{}, sayf("This address is too long.")
	}
	if strings.ContainsAny(s, "<>\"") {
		return fromPasted(s, defaultDomain)
	}
	if scheme, rest, ok := strings.Cut(s, ":"); ok {
		switch strings.ToLower(scheme) {
		case "sip", "sips":
			return fromSIP(strings.ToLower(scheme), strings.TrimLeft(rest, "/ "), defaultDomain)
		case "tel", "callto":
			number, _, _ := strings.Cut(rest, ";") // RFC 3966 parameters say nothing to our server
			return FromUser(number, defaultDomain)
		case "http", "https", "mailto", "xmpp", "h323", "skype", "im", "pres":
			return URI{}, sayf("Peregrine cannot call %s: addresses. Type a SIP address such as bob@example.org.",
				strings.ToLower(scheme))
		}
	}
	return fromSIP("sip", s, defaultDomain)
}

// fromPasted reads a name-addr as copied from another program.
func fromPasted(s, defaultDomain string) (URI, error) {
	open, end := strings.IndexByte(s, '<'), strings.LastIndexByte(s, '>')
	if open < 0 || end < open || strings.ContainsAny(s[open+1:end], "<>\"") {
		return URI{}, sayf("%q is not an address. Type one such as bob@example.org.", shorten(s))
	}
	return FromUser(s[open+1:end], defaultDomain)
}

// fromSIP reads what stands after the scheme.
func fromSIP(scheme, s, defaultDomain string) (URI, error) {
	user, rest, hasDomain := strings.Cut(s, "@")
	switch {
	case hasDomain && user == "":
		return URI{}, sayf("The name before the @ is missing. Type an address such as bob@%s.", orExample(rest))
	case hasDomain && rest == "":
		return URI{}, sayf("The domain after the @ is missing. Type an address such as %s@example.org.", shorten(user))
	case !hasDomain && isNumericHost(s):
		return finish(scheme, "", bracketed(s), s)
	case !hasDomain && defaultDomain == "" && (strings.Contains(s, ".") || s == "localhost") && !isNumber(s):
		return finish(scheme, "", s, s)
	case !hasDomain && defaultDomain == "":
		return URI{}, sayf("Add an account first, or type the whole address, such as %s@example.org.", shorten(s))
	case !hasDomain:
		rest = defaultDomain
	}
	name, password, _ := strings.Cut(user, ":")
	if isNumber(name) {
		name = dialled(name)
	}
	if strings.ContainsAny(name, " \t") {
		return URI{}, sayf("A SIP address has no spaces: check %q.", shorten(user))
	}
	info := spell(name, isUserChar)
	if password != "" {
		info += ":" + spell(password, isPasswordChar)
	}
	return finish(scheme, info+"@", bracketed(rest), s)
}

// finish parses the assembled URI and turns what is wrong into a sentence.
func finish(scheme, userinfo, rest, typed string) (URI, error) {
	u, err := parse(scheme + ":" + userinfo + rest)
	switch {
	case err == nil:
		return u, nil
	case errors.Is(err, ErrPort):
		return URI{}, sayf("The port at the end of %q must be a number from 1 to 65535.", shorten(typed))
	case errors.Is(err, ErrHost):
		return URI{}, sayf("%q is not a domain or an IP address. Type an address such as bob@example.org.",
			shorten(rest))
	case errors.Is(err, ErrTooLong):
		return URI{}, sayf("This address is too long.")
	}
	return URI{}, sayf("%q is not an address. Type one such as bob@example.org.", shorten(typed))
}

// isNumber reports whether s is a telephone number as people write it: an optional "+", digits, "*" and "#",
// and the visual separators of RFC 3966 and of national habits.
func isNumber(s string) bool {
	digits := 0
	for i, r := range s {
		switch {
		case '0' <= r && r <= '9', r == '*', r == '#':
			digits++
		case r == '+' && i == 0:
		case strings.ContainsRune(" -.()/\u00a0\u2010\u2011\u2012\u2013", r):
		default:
			return false
		}
	}
	return digits > 0
}

// dialled strips the visual separators. In an international number "(0)" is the trunk prefix that must not be dialled.
func dialled(s string) string {
	if strings.HasPrefix(s, "+") {
		s = strings.Replace(s, "(0)", "", 1)
	}
	return strings.Map(func(r rune) rune {
		if '0' <= r && r <= '9' || r == '+' || r == '*' || r == '#' {
			return r
		}
		return -1
	}, s)
}

// spell escapes what a person typed, but leaves escapes that are already there.
func spell(s string, allowed func(byte) bool) string {
	if plain, ok := unescape(s); ok && plain != s {
		return s
	}
	return escape(s, allowed)
}

func isNumericHost(s string) bool {
	if _, err := netip.ParseAddr(s); err == nil {
		return true
	}
	_, err := netip.ParseAddrPort(s)
	return err == nil || strings.HasPrefix(s, "[")
}

// bracketed adds the brackets people leave out around an IPv6 address.
func bracketed(host string) string {
	if a, err := netip.ParseAddr(host); err == nil && a.Is6() {
		return "[" + host + "]"
	}
	return host
}

// dropInvisible removes what comes along when an address is copied from a web page: zero-width and direction marks.
func dropInvisible(r rune) rune {
	switch {
	case r >= 0x200b && r <= 0x200f, r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069, r == 0xfeff:
		return -1
	case r == '\n', r == '\r', r == '\t':
		return ' '
	}
	return r
}

// shorten keeps a quotation of what was typed readable in a sentence.
func shorten(s string) string {
	r := []rune(s)
	if len(r) > 40 {
		return string(r[:40]) + "…"
	}
	return s
}

func orExample(domain string) string {
	if domain == "" {
		return "example.org"
	}
	return shorten(domain)
}
