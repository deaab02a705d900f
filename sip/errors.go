package sip

import (
	"errors"
	"fmt"
	"time"

	"github.com/peregrine-softphone/peregrine/sip/transport"
)

// Errors that callers branch on with errors.Is.
var (
	// ErrNoAnswer says that nobody answered in time: a request timed out (64*T1, RFC 3261 17.1), or a
	// call rang for longer than the ring time.
	ErrNoAnswer = errors.New("no answer")
	// ErrTransport says that a request could not be sent, or its connection broke. It comes with resolve.ErrNotFound
	// when there is no such domain, or no server for it.
	ErrTransport = transport.ErrFailed
	// ErrPortClosed says that the computer at the other end is there, but no program listens at the port. It comes
	// with ErrNoAnswer, only sooner.
	ErrPortClosed = errors.New("port closed")
	// ErrClosed says that the user agent has stopped, or the account was removed.
	ErrClosed = transport.ErrClosed
	// ErrEnded says that the call or subscription has ended.
	ErrEnded = errors.New("already ended")
	// ErrState says that the operation does not fit the state of the call or subscription.
	ErrState = errors.New("not possible in this state")
	// ErrTooMany says that a bounded table is full.
	ErrTooMany = errors.New("too many")
	// ErrMedia says that the media session could not make or accept a session description.
	ErrMedia = errors.New("media session")
	// ErrRedirectLoop says that a redirection led nowhere new, or went on for too long.
	ErrRedirectLoop = errors.New("redirection loop")
	// ErrNoNotify says that a subscription was accepted but never notified (RFC 6665 4.1.2.4, timer N).
	ErrNoNotify = errors.New("no notification came")
)

// StatusError is a final SIP response other than 2xx.
type StatusError struct {
	Code       int           // 300..699
	Reason     string        // reason phrase as the peer sent it
	RetryAfter time.Duration // Retry-After; 0 when absent
	Warning    string        // Warning header (RFC 3261 20.43) as it came; may be empty
	// Accept and AllowEvents are what the peer said it understands (415, 489); may be nil.
	Accept, AllowEvents []string
}

func (e *StatusError) Error() string { return fmt.Sprintf("%d %s", e.Code, e.Reason) }

// CodeOf gives the status code inside err, 408 for ErrNoAnswer, 503 for ErrTransport, else 0.
func CodeOf(err error) int {
	var s *StatusError
	switch {
	case errors.As(err, &s):
		return s.Code
	case errors.Is(err, ErrNoAnswer):
		return 408
	case errors.Is(err, ErrTransport):
		return 503 // RFC 3261 8.1.3.1: a transport error counts as 503
	}
	return 0
}

// ReasonPhrase gives the phrase of a status code, "Error" for an unknown one.
func ReasonPhrase(code int) string {
	if s, ok := reasonPhrases[code]; ok {
		return s
	}
	return "Error"
}

//nolint:gochecknoglobals // constant table
var reasonPhrases = map[int]string{
	100: "Trying", 180: "Ringing", 181: "Call Is Being Forwarded", 182: "Queued", 183: "Session Progress",
	200: "OK", 202: "Accepted",
	300: "Multiple Choices", 301: "Moved Permanently", 302: "Moved Temporarily", 305: "Use Proxy",
	380: "Alternative Service",
	400: "Bad Request", 401: "Unauthorized", 402: "Payment Required", 403: "Forbidden", 404: "Not Found",
	405: "Method Not Allowed", 406: "Not Acceptable", 407: "Proxy Authentication Required", 408: "Request Timeout",
	410: "Gone", 413: "Request Entity Too Large", 414: "Request-URI Too Long", 415: "Unsupported Media Type",
	416: "Unsupported URI Scheme", 420: "Bad Extension", 421: "Extension Required", 423: "Interval Too Brief",
	429: "Provide Referrer Identity", 480: "Temporarily Unavailable", 481: "Call/Transaction Does Not Exist",
	482: "Loop Detected", 483: "Too Many Hops", 484: "Address Incomplete", 485: "Ambiguous", 486: "Busy Here",
	487: "Request Terminated", 488: "Not Acceptable Here", 489: "Bad Event", 491: "Request Pending",
	493: "Undecipherable",
	500: "Server Internal Error", 501: "Not Implemented", 502: "Bad Gateway", 503: "Service Unavailable",
	504: "Server Time-out", 505: "Version Not Supported", 513: "Message Too Large",
	600: "Busy Everywhere", 603: "Decline", 604: "Does Not Exist Anywhere", 606: "Not Acceptable",
}
