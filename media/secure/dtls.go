package secure

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/logging"
)

const (
	// flightTime is the pause before a flight is sent again; it doubles each time. RFC 6347 4.2.4.1 would have 1 s and
	// lets whoever waits for less choose less: here that is somebody whose first word is about to be lost.
	flightTime = 100 * time.Millisecond

	// inbox is how many datagrams wait for the handshake; a flight has at most a handful.
	inbox = 32

	// exporter is the label of RFC 5764 4.2.
	exporter = "EXTRACTOR-dtls_srtp"
)

// Keys are the outcome of a handshake.
type Keys struct {
	Send, Receive Master
}

// AssociationConfig is what a handshake needs to know.
type AssociationConfig struct {
	Certificate  *Certificate
	Active       bool          // we begin
	Fingerprints []Fingerprint // of the peer's certificate, from its description

	// Send sends a datagram to the peer, from any goroutine. The data is only valid during the call.
	Send func(data []byte)
}

// Association is one DTLS association for the keys of SRTP (RFC 5764), over datagrams that somebody else sends and
// receives. The order of calls is NewAssociation, then Handshake, then Serve; Receive at any time from any goroutine.
type Association struct {
	cfg  AssociationConfig
	link *link
	conn *dtls.Conn
}

// NewAssociation prepares an association.
func NewAssociation(cfg AssociationConfig) *Association {
	return &Association{cfg: cfg, link: &link{
		send: cfg.Send, in: make(chan []byte, inbox), closed: make(chan struct{}), expired: make(chan struct{}),
	}}
}

// Receive takes a datagram of the peer (RFC 7983: first byte 20 to 63). When too many wait it is dropped, and sent
// again by the peer in time.
func (a *Association) Receive(data []byte) {
	select {
	case a.link.in <- append([]byte(nil), data...):
	default:
	}
}

// Handshake agrees on keys with the peer whose certificate has the fingerprint. It repeats what is lost, until ctx
// ends. It fails with ErrFingerprint when somebody else answers.
func (a *Association) Handshake(ctx context.Context) (Keys, error) {
	keys, err := a.handshake(ctx)
	if err != nil {
		_ = a.link.Close()
		return Keys{}, fmt.Errorf("dtls handshake: %w", err)
	}
	return keys, nil
}

func (a *Association) handshake(ctx context.Context) (Keys, error) {
	var mismatch error // of the fingerprint: pion tells the peer, not us
	options := []dtls.Option{
		dtls.WithCertificates(a.cfg.Certificate.tls),
		// A server that names authorities, as Linphone 5.1 does, means nobody of ours: it gets our certificate all the
		// same.
		dtls.WithGetClientCertificate(func(*dtls.CertificateRequestInfo) (*tls.Certificate, error) {
			return &a.cfg.Certificate.tls, nil
		}),
		dtls.WithSRTPProtectionProfiles(
			dtls.SRTP_AEAD_AES_128_GCM, dtls.SRTP_AES128_CM_HMAC_SHA1_80, dtls.SRTP_AEAD_AES_256_GCM,
		),
		// No authority vouches for these certificates: the fingerprint does (RFC 5763 5).
		dtls.WithInsecureSkipVerify(true),
		dtls.WithVerifyPeerCertificate(func(raw [][]byte, _ [][]*x509.Certificate) error {
			if len(raw) == 0 || Match(a.cfg.Fingerprints, raw[0]) != nil {
				mismatch = ErrFingerprint
				return ErrFingerprint
			}
			return nil
		}),
		dtls.WithExtendedMasterSecret(dtls.RequestExtendedMasterSecret),
		dtls.WithFlightInterval(flightTime),
		dtls.WithLoggerFactory(&logging.DefaultLoggerFactory{
			Writer: io.Discard, DefaultLogLevel: logging.LogLevelDisabled, ScopeLevels: map[string]logging.LogLevel{},
		}),
	}
	var err error
	if a.cfg.Active {
		a.conn, err = dtls.ClientWithOptions(a.link, a.link.LocalAddr(), clientOptions(options)...)
	} else {
		// RFC 5764 4.1: both sides show a certificate.
		a.conn, err = dtls.ServerWithOptions(a.link, a.link.LocalAddr(),
			append(serverOptions(options), dtls.WithClientAuth(dtls.RequireAnyClientCert))...)
	}
	if err != nil {
		return Keys{}, err
	}
	if err := a.conn.HandshakeContext(ctx); err != nil {
		_ = a.conn.Close()
		return Keys{}, errors.Join(mismatch, err)
	}
	return a.export()
}

func clientOptions(list []dtls.Option) []dtls.ClientOption {
	out := make([]dtls.ClientOption, len(list))
	for i, o := range list {
		out[i] = o
	}
	return out
}

func serverOptions(list []dtls.Option) []dtls.ServerOption {
	out := make([]dtls.ServerOption, len(list))
	for i, o := range list {
		out[i] = o
	}
	return out
}

// export takes the keys out of a finished handshake (RFC 5764 4.2).
func (a *Association) export() (Keys, error) {
	state, ok := a.conn.ConnectionState()
	// The callback has looked already; here nothing depends on whether it was asked.
	if !ok || len(state.PeerCertificates) == 0 {
		return Keys{}, ErrFingerprint
	}
	if err := Match(a.cfg.Fingerprints, state.PeerCertificates[0]); err != nil {
		return Keys{}, err
	}
	profile, ok := a.conn.SelectedSRTPProtectionProfile()
	s := suiteOf(profile)
	if !ok || s == NoSuite {
		return Keys{}, fmt.Errorf("srtp profile %#x: %w", uint16(profile), ErrUnsupported)
	}
	t := s.table()
	material, err := state.ExportKeyingMaterial(exporter, nil, 2*(t.key+t.salt))
	if err != nil {
		return Keys{}, err
	}
	// RFC 5764 4.2: key of the client, key of the server, salt of the client, salt of the server.
	master := func(n int) Master {
		key := append([]byte(nil), material[n*t.key:(n+1)*t.key]...)
		salts := material[2*t.key:]
		return Master{Suite: s, key: append(key, salts[n*t.salt:(n+1)*t.salt]...)}
	}
	client, server := master(0), master(1)
	if a.cfg.Active {
		return Keys{Send: client, Receive: server}, nil
	}
	return Keys{Send: server, Receive: client}, nil
}

func suiteOf(p dtls.SRTPProtectionProfile) Suite {
	switch p { //nolint:exhaustive // those we offer
	case dtls.SRTP_AEAD_AES_128_GCM:
		return AES128GCM
	case dtls.SRTP_AEAD_AES_256_GCM:
		return AES256GCM
	case dtls.SRTP_AES128_CM_HMAC_SHA1_80:
		return AES128HMAC80
	case dtls.SRTP_AES128_CM_HMAC_SHA1_32:
		return AES128HMAC32
	}
	return NoSuite
}

// Serve keeps a finished association until ctx ends, so that a last flight that was lost can be sent again, and then
// says goodbye. Data that a peer sends in it means nothing to a call.
func (a *Association) Serve(ctx context.Context) {
	stop := context.AfterFunc(ctx, func() { _ = a.conn.Close() })
	defer stop()
	buf := make([]byte, maxPacket)
	for {
		if _, err := a.conn.Read(buf); err != nil {
			break // closed: by us, or by the peer, whose keys live on with the call
		}
	}
	<-ctx.Done()
	_ = a.conn.Close()
	_ = a.link.Close()
}

// link is the packet connection under a handshake.
type link struct {
	send func([]byte)
	in   chan []byte

	mu      sync.Mutex
	expired chan struct{} // closed: the deadline is past
	closed  chan struct{}
	once    sync.Once
}

var _ net.PacketConn = (*link)(nil)

// ReadFrom implements net.PacketConn.
func (l *link) ReadFrom(b []byte) (int, net.Addr, error) {
	l.mu.Lock()
	expired := l.expired
	l.mu.Unlock()
	select {
	case data := <-l.in:
		return copy(b, data), l.LocalAddr(), nil
	case <-l.closed:
		return 0, nil, net.ErrClosed
	case <-expired:
		return 0, nil, os.ErrDeadlineExceeded
	}
}

// WriteTo implements net.PacketConn. What does not leave is as good as lost, and sent again.
func (l *link) WriteTo(b []byte, _ net.Addr) (int, error) {
	select {
	case <-l.closed:
		return 0, net.ErrClosed
	default:
	}
	l.send(b)
	return len(b), nil
}

// Close implements net.PacketConn.
func (l *link) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// LocalAddr implements net.PacketConn: there is one peer, and where it is others know.
func (l *link) LocalAddr() net.Addr { return &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

// SetReadDeadline implements net.PacketConn for the two moments that pion uses: long past, to wake a reader, and none.
func (l *link) SetReadDeadline(t time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	past := !t.IsZero() && !t.After(time.Now())
	select {
	case <-l.expired:
		if !past {
			l.expired = make(chan struct{})
		}
	default:
		if past {
			close(l.expired)
		}
	}
	return nil
}

// SetDeadline implements net.PacketConn.
func (l *link) SetDeadline(t time.Time) error { return l.SetReadDeadline(t) }

// SetWriteDeadline implements net.PacketConn: writing never blocks.
func (l *link) SetWriteDeadline(time.Time) error { return nil }
