package sip

import (
	"context"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/peregrine-softphone/peregrine/internal/netsim"
	"github.com/peregrine-softphone/peregrine/sip/digest"
	"github.com/peregrine-softphone/peregrine/sip/trust"
)

// meter counts what a host sends and receives as packets on the wire, IPv4 headers included. Each segment of a stream
// counts with a bare acknowledgement, which is the most there can be.
type meter struct {
	*netsim.Host
	packets, bytes atomic.Int64
}

const (
	udpHeaders = 20 + 8
	tcpHeaders = 20 + 32 // with timestamps, as Linux has it
)

func (m *meter) datagram(n int) { m.packets.Add(1); m.bytes.Add(int64(n + udpHeaders)) }
func (m *meter) segment(n int)  { m.packets.Add(2); m.bytes.Add(int64(n + 2*tcpHeaders)) }

func (m *meter) ListenPacket(ctx context.Context, network, addr string) (net.PacketConn, error) {
	pc, err := m.Host.ListenPacket(ctx, network, addr)
	return &meteredPackets{pc, m}, err
}

func (m *meter) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	c, err := m.Host.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	m.packets.Add(3) // SYN, its answer, ACK
	m.bytes.Add(3 * tcpHeaders)
	return &meteredStream{c, m}, nil
}

type meteredPackets struct {
	net.PacketConn
	m *meter
}

func (p *meteredPackets) WriteTo(b []byte, to net.Addr) (int, error) {
	p.m.datagram(len(b))
	return p.PacketConn.WriteTo(b, to)
}

func (p *meteredPackets) ReadFrom(b []byte) (int, net.Addr, error) {
	n, from, err := p.PacketConn.ReadFrom(b)
	if err == nil {
		p.m.datagram(n)
	}
	return n, from, err
}

type meteredStream struct {
	net.Conn
	m *meter
}

func (s *meteredStream) Write(b []byte) (int, error) {
	s.m.segment(len(b))
	return s.Conn.Write(b)
}

func (s *meteredStream) Read(b []byte) (int, error) {
	n, err := s.Conn.Read(b)
	if err == nil {
		s.m.segment(n)
	}
	return n, err
}

// BenchmarkRegistrationDay holds one registration for a day of virtual time, with digest and a nonce that is stale at
// each refresh, and reports what that costs on the wire, both ways. ns/op is the work of a day, the registrar's too.
func BenchmarkRegistrationDay(b *testing.B) {
	tests := []struct {
		name, server  string
		outbound, nat bool
		expires       time.Duration
	}{
		{"UDP", "udp 10.0.0.9:5060", false, false, 0},
		{"UDP,NAT", "udp 10.0.0.9:5060", false, true, 0},
		{"UDP,outbound", "udp 10.0.0.9:5060", true, false, 0},
		{"TCP", "tcp 10.0.0.9:5060", false, false, 0},
		{"TCP,outbound", "tcp 10.0.0.9:5060", true, false, 0},
		{"TLS", "tls 10.0.0.9:5061", false, false, 0},
		{"TLS,outbound", "tls 10.0.0.9:5061", true, false, 0},
		{"UDP,10min", "udp 10.0.0.9:5060", false, false, 10 * time.Minute},
	}
	for _, tt := range tests {
		b.Run(tt.name, func(b *testing.B) {
			var packets, bytes int64
			for b.Loop() {
				ok := inBubble(b.Name(), func(t *testing.T) {
					packets, bytes = registrationDay(t, tt.server, tt.outbound, tt.nat, tt.expires)
				})
				if !ok {
					b.Fatal("the day went wrong")
				}
			}
			b.ReportMetric(float64(packets), "packets/day")
			b.ReportMetric(float64(bytes), "bytes/day")
		})
	}
}

// inBubble runs f as a test of its own: bubbles are for tests only.
func inBubble(name string, f func(t *testing.T)) bool {
	always := func(string, string) (bool, error) { return true, nil }
	return testing.RunTests(always, []testing.InternalTest{{Name: name, F: f}})
}

func registrationDay(
	t *testing.T, server string, outbound, nat bool, expires time.Duration,
) (packets, bytes int64) {
	t.Helper()
	bubble(t, 10*ms, func(t *testing.T, l *lab) {
		v, err := digest.NewVerifier(digest.VerifierConfig{Realm: "info.test"})
		must(t, err)
		o := l.office("10.0.0.9")
		o.outbound = outbound
		if nat {
			o.nat = "10.8.8.8:40000"
		}
		o.script = func(m wireMessage) (string, []string) {
			_, err := v.Verify(m.field("Authorization"), "REGISTER", nil, func(string, string) (string, bool) { return "secret", true })
			if err == nil {
				return "", nil
			}
			var lines []string
			for _, c := range v.Challenges(m.field("Authorization") != "") {
				lines = append(lines, "WWW-Authenticate: "+c)
			}
			return "401 Unauthorized", lines
		}
		l.server(server)
		m := &meter{}
		p := l.phone("10.0.0.1", func(c *Config) {
			m.Host, _ = c.Network.(*netsim.Host)
			c.Network = m
		})
		cfg := outboundAccount()
		cfg.Password, cfg.Expires, cfg.Trust = "secret", expires, trust.Policy{Mode: trust.Pin}
		if !outbound {
			cfg.Instance = ""
		}
		a := p.account(cfg)
		time.Sleep(24 * time.Hour)
		if s := a.State(); s.Registration != Registered || strings.Contains(p.history(), "failed") {
			t.Errorf("after a day %+v, history %s", s, p.history())
		}
		packets, bytes = m.packets.Load(), m.bytes.Load()
	})
	return packets, bytes
}
