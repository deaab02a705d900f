// Package syntax judges SIP messages before they are parsed (RFC 3261 7, 8.2, 18.3, 20, 25). It serves package sip,
// which hands it every datagram and every message that a stream was cut into. It is pure: no sockets, clocks or state,
// and it does not know sipgo.
//
// Check gives a Verdict: the message in one canonical form, which any parser reads alike, or the answer a peer
// deserves for what is wrong with it; Refuse writes that answer. The form is: no folded lines, long header names,
// one element of Via, Contact, Route and the like per line, no white space around separators. URIs, quoted strings,
// tags, Call-ID and the body stay as they were, byte for byte, so that digests and signatures still fit. A message
// that has this form already, as nearly all have, is neither copied nor allocated for.
//
// The rules are a table (rules.go), each with the section it obeys. All work is linear in the size of the message.
package syntax

// Limits of what is taken. A peer that passes one learns which by the code in brackets.
const (
	// MaxMessage is the largest message in bytes (513), what a UDP length field can say.
	MaxMessage = 65535
	// MaxHead is the largest start line with its header fields in bytes (513).
	MaxHead = 32 << 10
	// MaxBody is the largest body in bytes (413).
	MaxBody = 60000
	// MaxURI is the longest Request-URI in bytes (414), as in package uri.
	MaxURI = 2048
	// MaxFields is how many header fields there may be, elements of lists counted each. Max-Forwards lets 70 proxies
	// add a Via and a Record-Route. More are not worth an answer, which would have to repeat the Vias.
	MaxFields = 256
	// MaxField is the longest header field in bytes (400).
	MaxField = 8 << 10
	// maxParams is how many parameters an address, its URI or a Via may have, and header parts a URI (400).
	maxParams = 32
)

// Verdict is what Check thinks of a message.
type Verdict struct {
	// Code is the status code of the answer a request deserves; 0: it is well formed.
	Code int
	// Reason is the reason phrase of that answer. It says what is wrong (RFC 3261 21.4.1).
	Reason string
	// Drop says that there can be no answer: it is a response, an ACK, or has no Via that says where to.
	Drop bool
	// Section is where the broken rule stands, such as "RFC 3261 8.1.1.5".
	Section string
	// Method is that of the request, in its own case; empty for a response.
	Method string
	// Message is what to parse: canonical, without the bytes that follow the message in a datagram (RFC 3261 18.3).
	// Of a clean message it is a part of the bytes given; nil when Code or Drop is set.
	Message []byte
}

// OK tells whether the message may be parsed and handled.
func (v Verdict) OK() bool { return v.Code == 0 && !v.Drop }

// Check judges one message that came as a datagram, or that a stream was cut into. The Verdict may refer to raw.
func Check(raw []byte) Verdict {
	if len(raw) > MaxMessage {
		return Verdict{Drop: true, Code: 513, Reason: "Message Too Large", Section: "RFC 3261 21.5.7"}
	}
	m := messages.Get().(*message) //nolint:forcetypeassert // the pool holds nothing else
	defer m.release()
	fault := m.scan(raw)
	if fault == nil {
		fault = m.judge()
	}
	if fault != nil {
		return m.refused(fault)
	}
	v := Verdict{Message: m.raw[:m.end]}
	if m.isRequest() {
		v.Method = methodName(m.method)
	}
	if m.untidy {
		v.Message = m.canonical()
	}
	return v
}

// refused makes the verdict on a message with a fault.
func (m *message) refused(f *fault) Verdict {
	v := Verdict{Code: f.code, Reason: f.reason, Section: f.section}
	if m.isRequest() {
		v.Method = methodName(m.method)
	}
	// RFC 3261 17.1.1.3: there is no response to ACK; 8.1.3, 18.1.2: a malformed response is dropped.
	v.Drop = f.drop || !m.isRequest() || v.Method == "ACK" || m.count[hVia] == 0
	return v
}

// fault is a broken rule.
type fault struct {
	code    int
	reason  string
	section string
	drop    bool
}
