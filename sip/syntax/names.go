package syntax

// header names a header field that the rules know; hOther is any other.
type header uint8

// Their order makes groups: lists of addresses or Vias, other lists, then those that stand only once (RFC 3261 7.3.1:
// no list in their grammar), addresses first.
const (
	hOther header = iota

	hVia
	hContact
	hRoute
	hRecordRoute
	hPath
	hServiceRoute

	hAccept
	hContentEncoding

	hFrom
	hTo
	hReferTo
	hReferredBy

	hCallID
	hCSeq
	hMaxForwards
	hContentLength
	hContentType
	hDate
	hEvent
	hExpires
	hMinExpires
	hReplaces
	hRetryAfter
	hRSeq
	hRAck
	hSessionExpires
	hMinSE
	hSubscriptionState
	hTimestamp
	hOnce // any other that may stand only once
	headers
)

// longNames has every header field that has a compact form (RFC 3261 7.3.3 and the IANA registry) or a rule, by its
// name in lower case.
var longNames = map[string]struct { //nolint:gochecknoglobals // a table
	name string
	id   header
}{
	"via": {"Via", hVia}, "v": {"Via", hVia},
	"from": {"From", hFrom}, "f": {"From", hFrom},
	"to": {"To", hTo}, "t": {"To", hTo},
	"call-id": {"Call-ID", hCallID}, "i": {"Call-ID", hCallID},
	"cseq":           {"CSeq", hCSeq},
	"max-forwards":   {"Max-Forwards", hMaxForwards},
	"content-length": {"Content-Length", hContentLength}, "l": {"Content-Length", hContentLength},
	"content-type": {"Content-Type", hContentType}, "c": {"Content-Type", hContentType},
	"content-encoding": {"Content-Encoding", hContentEncoding}, "e": {"Content-Encoding", hContentEncoding},
	"contact": {"Contact", hContact}, "m": {"Contact", hContact},
	"route":              {"Route", hRoute},
	"record-route":       {"Record-Route", hRecordRoute},
	"path":               {"Path", hPath},
	"service-route":      {"Service-Route", hServiceRoute},
	"accept":             {"Accept", hAccept},
	"date":               {"Date", hDate},
	"event":              {"Event", hEvent},
	"o":                  {"Event", hEvent},
	"expires":            {"Expires", hExpires},
	"min-expires":        {"Min-Expires", hMinExpires},
	"refer-to":           {"Refer-To", hReferTo},
	"r":                  {"Refer-To", hReferTo},
	"referred-by":        {"Referred-By", hReferredBy},
	"b":                  {"Referred-By", hReferredBy},
	"replaces":           {"Replaces", hReplaces},
	"retry-after":        {"Retry-After", hRetryAfter},
	"rseq":               {"RSeq", hRSeq},
	"rack":               {"RAck", hRAck},
	"session-expires":    {"Session-Expires", hSessionExpires},
	"x":                  {"Session-Expires", hSessionExpires},
	"min-se":             {"Min-SE", hMinSE},
	"subscription-state": {"Subscription-State", hSubscriptionState},
	"timestamp":          {"Timestamp", hTimestamp},

	"content-disposition": {"Content-Disposition", hOnce},
	"mime-version":        {"MIME-Version", hOnce},
	"sip-etag":            {"SIP-ETag", hOnce},
	"sip-if-match":        {"SIP-If-Match", hOnce},
	"join":                {"Join", hOnce},
	"target-dialog":       {"Target-Dialog", hOnce},
	"refer-sub":           {"Refer-Sub", hOnce},

	"a": {"Accept-Contact", hOther},
	"j": {"Reject-Contact", hOther},
	"d": {"Request-Disposition", hOther},
	"k": {"Supported", hOther},
	"s": {"Subject", hOther},
	"u": {"Allow-Events", hOther},
	"y": {"Identity", hOther},
	"n": {"Identity-Info", hOther},
}

func (h header) isList() bool    { return h >= hVia && h <= hServiceRoute }
func (h header) isAddress() bool { return h >= hFrom && h <= hReferredBy }
func (h header) once() bool      { return h >= hFrom }

// known looks a header name up. A name in its long form and any case is as good as the usual spelling: parsers
// compare names without case.
func known(name []byte) (id header, long string, compact bool) {
	var low [24]byte
	if len(name) > len(low) {
		return hOther, "", false
	}
	for i, c := range name {
		low[i] = lower(c)
	}
	h, ok := longNames[string(low[:len(name)])]
	if !ok {
		return hOther, "", false
	}
	return h.id, h.name, len(name) == 1
}

// methodName is a method as a string, without an allocation for the usual ones.
func methodName(b []byte) string {
	switch string(b) {
	case "INVITE":
		return "INVITE"
	case "ACK":
		return "ACK"
	case "BYE":
		return "BYE"
	case "CANCEL":
		return "CANCEL"
	case "OPTIONS":
		return "OPTIONS"
	case "REGISTER":
		return "REGISTER"
	case "MESSAGE":
		return "MESSAGE"
	case "SUBSCRIBE":
		return "SUBSCRIBE"
	case "NOTIFY":
		return "NOTIFY"
	case "REFER":
		return "REFER"
	case "INFO":
		return "INFO"
	case "UPDATE":
		return "UPDATE"
	case "PRACK":
		return "PRACK"
	case "PUBLISH":
		return "PUBLISH"
	}
	return string(b)
}

// Recognized tells whether a method is one of SIP: those a user agent does not serve get 405, all others 501
// (RFC 3261 21.4.6, 21.5.2). Methods are case-sensitive and know no escapes (RFC 3261 7.1, RFC 4475 3.1.1.5).
func Recognized(method string) bool {
	switch method {
	case "INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "REGISTER", "MESSAGE", "SUBSCRIBE", "NOTIFY", "REFER", "INFO",
		"UPDATE", "PRACK", "PUBLISH":
		return true
	}
	return false
}
