package transport

import (
	"net/netip"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"
)

// Conn is the way to one peer: a stream, or an address that datagrams go to. Its methods may be called from any
// goroutine. Ref, TryClose and Close, which sipgo's transactions call, do nothing: transactions come and go, the way
// stays.
type Conn interface {
	sipmsg.Connection
	// Transport is "udp", "tcp" or "tls".
	Transport() string
	// Remote is the peer's address. Local is ours: unspecified for datagrams, whose source the kernel chooses.
	Remote() netip.AddrPort
	Local() netip.AddrPort
	// Broken is closed when the stream has ended; nil for datagrams.
	Broken() <-chan struct{}
	// SilentSince tells whether nothing has been read from the stream after t; false for datagrams.
	SilentSince(t time.Time) bool
	// Shut closes the stream; it does nothing to datagrams.
	Shut()
	// KeepAlive sets how often a stream we opened is probed (RFC 5626 4.4.1): every is the longest pause, 0 the usual
	// one; agreed says that the peer promised to answer, so that its silence ends the stream from the first time on.
	// It does nothing to datagrams: they have Layer.KeepAlive.
	KeepAlive(every time.Duration, agreed bool)
	// PeerKey is the pin of the key a TLS server has shown (see trust.Policy); "" without TLS.
	PeerKey() string
	// Same tells whether two ways are one: the same stream, or datagrams to the same address.
	Same(other Conn) bool
	// Answers is the way that responses to a request which came by here go (RFC 3261 18.2.2, RFC 3581 4). Datagrams
	// go to the source address, and to its port when the Via had rport, else to the port it names; over a
	// stream back on it or, once that has ended, on a new one to that port.
	Answers(port uint16, rport bool) Conn
}
