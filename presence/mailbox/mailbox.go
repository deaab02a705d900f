// Package mailbox reads and writes application/simple-message-summary, the documents in which a voice mail server tells
// what it keeps for somebody (RFC 3842). Decode reads the body of a NOTIFY of event "message-summary"; Encode is its
// counterpart, for servers and tests. Both may be called from any goroutine.
package mailbox

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/peregrine-softphone/peregrine/sip/uri"
)

// Event is the event package, ContentType the type of its documents (RFC 3842 3.1 and 3.5).
const (
	Event       = "message-summary"
	ContentType = "application/simple-message-summary"
)

// Bounds of a document. A usual one has 100 bytes and 3 lines.
const (
	MaxDocument = 16 << 10 // bytes
	maxLines    = 200
	maxCount    = 1000000 // more messages than anybody keeps; a larger number is cut to this
)

// Errors of Decode.
var (
	ErrTooLarge = errors.New("message summary too large")
	ErrNoStatus = errors.New("message summary without Messages-Waiting")
)

// Summary is what a mailbox holds.
type Summary struct {
	Waiting bool    // there is something new
	Account uri.URI // call it to listen; zero: not told
	Known   bool    // the counts below are told
	New     int     // voice messages not heard yet
	Old     int
	Urgent  int // of New
}

// Decode reads a summary leniently. What counts is Messages-Waiting (RFC 3842 5.2), in any case and with any line ends,
// and the first Voice-Message line. "yes" may be written as people do ("true", "1"); a document without the status line
// counts as waiting when its voice messages are new. Other message classes, and what follows the first empty line, are
// ignored: they are about single messages. Errors: ErrTooLarge, ErrNoStatus.
func Decode(body []byte) (Summary, error) {
	var s Summary
	if len(body) > MaxDocument {
		return s, ErrTooLarge
	}
	told := false
	body = bytes.TrimLeft(bytes.TrimPrefix(body, []byte("\xEF\xBB\xBF")), " \t\r\n")
	lines := 0
	for line := range strings.SplitSeq(string(body), "\n") {
		line = strings.TrimSpace(line)
		if lines++; line == "" || lines > maxLines {
			break
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			continue
		}
		value = strings.TrimSpace(value)
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "messages-waiting", "message-waiting": // the latter: Cisco, some gateways
			switch strings.ToLower(value) {
			case "yes", "true", "1":
				told, s.Waiting = true, true
			case "no", "false", "0":
				told = true
			}
		case "message-account":
			s.Account = account(value)
		case "voice-message":
			if !s.Known {
				s.New, s.Old, s.Urgent, s.Known = counts(value)
			}
		}
	}
	if !told {
		if !s.Known {
			return Summary{}, ErrNoStatus
		}
		s.Waiting = s.New > 0
	}
	return s, nil
}

// account is the URI of a Message-Account line, in angle brackets or without; zero when it cannot be called.
func account(value string) uri.URI {
	value = strings.TrimSpace(value)
	if open := strings.IndexByte(value, '<'); open >= 0 {
		value, _, _ = strings.Cut(value[open+1:], ">")
	}
	u, err := uri.Parse(value)
	if err != nil {
		return uri.URI{}
	}
	return u
}

// counts reads "new/old" or "new/old (urgent new/urgent old)" (RFC 3842 5.2).
func counts(value string) (fresh, old, urgent int, ok bool) {
	all, paren, _ := strings.Cut(value, "(")
	fresh, old, ok = pair(all)
	if !ok {
		return 0, 0, 0, false
	}
	if u, _, good := pair(strings.TrimSuffix(strings.TrimSpace(paren), ")")); good {
		urgent = min(u, fresh)
	}
	return fresh, old, urgent, true
}

func pair(s string) (a, b int, ok bool) {
	left, right, found := strings.Cut(s, "/")
	a, okA := number(left)
	if !found {
		return a, 0, okA // "2": some gateways do not tell the old ones
	}
	b, okB := number(right)
	return a, b, okA && okB
}

// number is a count of at most maxCount; ok is false for what is none.
func number(s string) (n int, ok bool) {
	s = strings.TrimSpace(s)
	v, err := strconv.ParseUint(s, 10, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0, false
	}
	return int(min(v, maxCount)), true
}

// Encode writes a summary in the form of RFC 3842 5.2.
func Encode(s Summary) []byte {
	var b bytes.Buffer
	status := "no"
	if s.Waiting {
		status = "yes"
	}
	fmt.Fprintf(&b, "Messages-Waiting: %s\r\n", status)
	if !s.Account.IsZero() {
		fmt.Fprintf(&b, "Message-Account: %s\r\n", s.Account)
	}
	if s.Known {
		fmt.Fprintf(&b, "Voice-Message: %d/%d (%d/0)\r\n", s.New, s.Old, s.Urgent)
	}
	return b.Bytes()
}
