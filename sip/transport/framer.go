package transport

import (
	"bytes"
	"errors"
	"strconv"
)

const (
	// maxMessage bounds a message on a stream, as UDP bounds it there.
	maxMessage = maxDatagram
	// maxStartLine bounds what comes before the first line break: more is no SIP.
	maxStartLine = 8 << 10
)

// The ways in which a stream has no next message boundary, so that RFC 3261 18.3 leaves only closing.
var (
	errNotSIP   = errors.New("stream is no SIP")
	errTooLarge = errors.New("message is too large")
	errNoLength = errors.New("no usable Content-Length")
)

// framer cuts a stream into whole messages (RFC 3261 7.5, 18.3) and finds the keep-alives between them (RFC 5626
// 3.5.1). It holds maxMessage bytes and one read at most. The zero value is ready; not for concurrent use.
type framer struct {
	buf     []byte
	scanned int // where the search for the end of the header section goes on
	whole   int // length of the message whose header section is complete; 0: not known yet
	lone    int // CRLFs seen since the last message or ping
}

// frame is what next found.
type frame int

const (
	frameNone    frame = iota // more bytes are needed
	frameMessage              // a whole message
	framePing                 // two CRLFs: the peer wants a pong
	framePong                 // one CRLF: an answer, if we asked
)

// write adds what was read.
func (f *framer) write(data []byte) { f.buf = append(f.buf, data...) }

// partial tells whether a message has begun and not ended.
func (f *framer) partial() bool { return len(f.buf) > 0 }

// next finds what comes next. The bytes of a message are good until the next call of write. After an error the
// stream has no boundaries any more; raw is then a complete header section, if there is one.
func (f *framer) next() (kind frame, raw []byte, err error) {
	if kind := f.between(); kind != frameNone {
		return kind, nil, nil
	}
	if f.whole == 0 {
		head, err := f.head()
		if err != nil || head == 0 {
			return frameNone, nil, err
		}
		length, ok := contentLength(f.buf[:head])
		if !ok {
			return frameNone, f.buf[:head], errNoLength
		}
		if head+length > maxMessage {
			return frameNone, f.buf[:head], errTooLarge
		}
		f.whole = head + length
	}
	if len(f.buf) < f.whole {
		return frameNone, nil, nil
	}
	raw = f.buf[:f.whole:f.whole]
	f.buf, f.scanned, f.whole, f.lone = f.buf[f.whole:], 0, 0, 0
	if len(f.buf) == 0 {
		f.buf = nil // the array of a large message is not kept for the next small one
	}
	return frameMessage, raw, nil
}

// between takes what may stand between messages: line breaks, and the NULs that some send to keep a NAT open.
func (f *framer) between() frame {
	for f.whole == 0 && f.scanned == 0 && len(f.buf) > 0 {
		switch {
		case f.buf[0] == 0 || f.buf[0] == '\n':
			f.skip(1)
		case len(f.buf) >= 2 && f.buf[0] == '\r' && f.buf[1] == '\n':
			f.skip(2)
			if f.lone++; f.lone == 2 {
				f.lone = 0
				return framePing
			}
			return framePong
		case f.buf[0] == '\r' && len(f.buf) >= 2:
			f.skip(1)
		default:
			return frameNone
		}
	}
	return frameNone
}

func (f *framer) skip(n int) {
	if f.buf = f.buf[n:]; len(f.buf) == 0 {
		f.buf = nil
	}
}

// head gives the length of the header section with the empty line, 0 while it is not complete.
func (f *framer) head() (int, error) {
	if len(f.buf) == 0 || len(f.buf) == 1 && f.buf[0] == '\r' {
		return 0, nil
	}
	if f.scanned == 0 { // the first line has not been judged yet
		switch end := bytes.IndexByte(f.buf, '\n'); {
		case end >= 0 && !LooksLikeSIP(f.buf), end < 0 && len(f.buf) > maxStartLine:
			return 0, errNotSIP
		case end < 0:
			return 0, nil
		}
	}
	if i := bytes.Index(f.buf[f.scanned:], []byte("\r\n\r\n")); i >= 0 {
		return f.scanned + i + 4, nil
	}
	if len(f.buf) >= maxMessage {
		return 0, errTooLarge
	}
	f.scanned = max(1, len(f.buf)-3) // the end may be split
	return 0, nil
}

// contentLength reads Content-Length, which streams need (RFC 3261 20.14). Two that differ are none: who takes the
// first and who takes the second would see different messages.
func contentLength(head []byte) (n int, ok bool) {
	for line := range bytes.SplitSeq(head, []byte("\r\n")) {
		name, value, found := bytes.Cut(line, []byte(":"))
		name = bytes.TrimRight(name, " \t")
		if !found || !bytes.EqualFold(name, []byte("Content-Length")) && !bytes.EqualFold(name, []byte("l")) {
			continue
		}
		v, err := strconv.ParseUint(string(bytes.TrimSpace(value)), 10, 31)
		if err != nil || ok && int(v) != n {
			return 0, false
		}
		n, ok = int(v), true
	}
	return n, ok
}
