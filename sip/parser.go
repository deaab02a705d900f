package sip

import (
	"errors"
	"fmt"
	"maps"
	"strings"

	sipmsg "github.com/emiago/sipgo/sip"

	"github.com/peregrine-softphone/peregrine/sip/syntax"
)

// errMalformed is wrapped by all errors of a parser; UA.malformed answers.
var errMalformed = errors.New("malformed message")

// newParser reads whole messages: package syntax judges them and brings them into one form, sipgo reads that. Of the
// header fields sipgo reads only those its transactions need. The others stay as they came, for package uri: sipgo
// does not know the quotes in parameters, and takes the headers inside the URI of a Refer-To apart and keeps one of
// each name, so that two Replaces would pass as one. It may be called from any goroutine.
func newParser() func(raw []byte) (sipmsg.Message, error) {
	readers := maps.Clone(sipmsg.DefaultHeadersParser())
	for _, name := range []string{"contact", "route", "record-route", "refer-to", "referred-by"} {
		delete(readers, name)
	}
	readers["from"], readers["to"] = readFrom, readTo
	via := readers["via"]
	readers["via"] = func(name []byte, text string) (sipmsg.Header, error) { return readVia(via, name, text) }
	sipgo := sipmsg.NewParser(sipmsg.WithHeadersParsers(readers))
	return func(raw []byte) (sipmsg.Message, error) {
		v := syntax.Check(raw)
		if !v.OK() {
			return nil, fmt.Errorf("%w: %s (%s)", errMalformed, v.Reason, v.Section)
		}
		msg, err := sipgo.ParseSIP(v.Message)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errMalformed, err)
		}
		if req, ok := msg.(*sipmsg.Request); ok {
			req.Method = sipmsg.RequestMethod(v.Method) // sipgo makes it upper case; RFC 3261 7.1: invite is no INVITE
		}
		return msg, nil
	}
}

func readFrom(_ []byte, text string) (sipmsg.Header, error) {
	h := &sipmsg.FromHeader{}
	err := readParty(text, &h.DisplayName, &h.Address, &h.Params)
	return h, err
}

func readTo(_ []byte, text string) (sipmsg.Header, error) {
	h := &sipmsg.ToHeader{}
	err := readParty(text, &h.DisplayName, &h.Address, &h.Params)
	return h, err
}

// readParty reads an address for sipgo, with its own sense of what is inside quotes.
func readParty(text string, display *string, address *sipmsg.Uri, params *sipmsg.HeaderParams) error {
	name, spec, rest, ok := syntax.Address(text)
	if !ok {
		return fmt.Errorf("%w: address %q", errMalformed, text)
	}
	*display, *params = name, readParams(rest)
	return sipmsg.ParseUri(spec, address)
}

// readVia reads what precedes the parameters with sipgo.
func readVia(sipgo sipmsg.HeaderParser, name []byte, text string) (sipmsg.Header, error) {
	i := strings.IndexByte(text, ';')
	if i < 0 {
		i = len(text)
	}
	h, err := sipgo(name, text[:i])
	if via, ok := h.(*sipmsg.ViaHeader); ok {
		if strings.Contains(text[:i], "[") && !strings.Contains(via.Value(), "[") {
			via.Host = "[" + via.Host + "]" // sipgo forgets those of mapped addresses and of zones (RFC 5118 4.9)
		}
		via.Params = readParams(text[i:])
	}
	return h, err
}

// readParams reads parameters. sipgo writes values with white space in quotes of its own.
func readParams(text string) sipmsg.HeaderParams {
	var out sipmsg.HeaderParams
	for name, value := range syntax.Params(text) {
		if n := len(value); n >= 2 && value[0] == '"' && strings.ContainsAny(value, " \t") {
			value = value[1 : n-1]
		}
		out = append(out, sipmsg.HeaderKV{K: name, V: value})
	}
	return out
}
