package resolve

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// serveDNS runs a name server on a loopback port over UDP and TCP until the test ends, and gives its port.
func serveDNS(t *testing.T, handle dns.HandlerFunc) (host, port string) {
	t.Helper()
	packets, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	streams, err := net.Listen("tcp", packets.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []*dns.Server{{PacketConn: packets, Handler: handle}, {Listener: streams, Handler: handle}} {
		started := make(chan struct{})
		s.NotifyStartedFunc = func() { close(started) }
		done := make(chan error, 1)
		go func() { done <- s.ActivateAndServe() }()
		<-started
		t.Cleanup(func() {
			_ = s.Shutdown()
			if err := <-done; err != nil {
				t.Errorf("name server: %v", err)
			}
		})
	}
	host, port, _ = net.SplitHostPort(packets.LocalAddr().String())
	return host, port
}

// testClient has its files in a folder of the test and reaches every name server of resolv.conf at the given port.
func testClient(t *testing.T, port, resolvConf, hosts string) (*Client, string) {
	t.Helper()
	dir := t.TempDir()
	conf := filepath.Join(dir, "resolv.conf")
	write(t, conf, resolvConf)
	write(t, filepath.Join(dir, "hosts"), hosts)
	return NewClient(ClientConfig{
		ResolvConf: conf, Hosts: filepath.Join(dir, "hosts"), Fallback: testZone(),
		Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
			server, _, _ := net.SplitHostPort(addr)
			return (&net.Dialer{}).DialContext(ctx, network, net.JoinHostPort(server, port))
		},
	}), conf
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func reply(w dns.ResponseWriter, q *dns.Msg, rcode int, records ...string) {
	m := new(dns.Msg).SetRcode(q, rcode)
	for _, s := range records {
		rr, err := dns.NewRR(s)
		if err != nil {
			panic(err)
		}
		if rr.Header().Rrtype == dns.TypeSOA {
			m.Ns = append(m.Ns, rr)
		} else {
			m.Answer = append(m.Answer, rr)
		}
	}
	_ = w.WriteMsg(m)
}

func infoTest(w dns.ResponseWriter, q *dns.Msg) {
	name, qtype := strings.ToLower(q.Question[0].Name), q.Question[0].Qtype
	switch {
	case name == "info.test." && qtype == dns.TypeNAPTR:
		reply(w, q, dns.RcodeSuccess, `info.test. 300 IN NAPTR 10 20 "s" "SIP+D2U" "" _sip._udp.info.test.`)
	case name == "_sip._udp.info.test." && qtype == dns.TypeSRV:
		reply(w, q, dns.RcodeSuccess, "_sip._udp.info.test. 200 IN SRV 1 2 5070 sip.info.test.")
	case name == "sip.info.test." && qtype == dns.TypeA:
		reply(w, q, dns.RcodeSuccess, "sip.info.test. 100 IN CNAME a.info.test.", "a.info.test. 50 IN A 192.0.2.1")
	case name == "sip.info.test." && qtype == dns.TypeAAAA:
		reply(w, q, dns.RcodeSuccess, "sip.info.test. 100 IN AAAA 2001:db8::1")
	case name == "four.test." && qtype == dns.TypeA:
		reply(w, q, dns.RcodeSuccess, "four.test. 100 IN A 192.0.2.4")
	case name == "four.test.":
		reply(w, q, dns.RcodeServerFailure) // a server that chokes on AAAA: seen in home routers
	case name == "big.test." && qtype == dns.TypeA && w.RemoteAddr().Network() == "udp":
		m := new(dns.Msg).SetReply(q)
		m.Truncated = true
		_ = w.WriteMsg(m)
	case name == "big.test." && qtype == dns.TypeA:
		reply(w, q, dns.RcodeSuccess, "big.test. 100 IN A 192.0.2.5")
	case name == "pbx.office.test." && qtype == dns.TypeA:
		reply(w, q, dns.RcodeSuccess, "pbx.office.test. 100 IN A 192.0.2.6")
	case name == "broken.test.":
		reply(w, q, dns.RcodeServerFailure)
	default:
		reply(w, q, dns.RcodeNameError, "test. 7 IN SOA ns.test. root.test. 1 2 3 4 5")
	}
}

func TestClientRecords(t *testing.T) {
	host, port := serveDNS(t, infoTest)
	c, _ := testClient(t, port, "nameserver "+host+"\n", "")
	n, ttl, err := c.NAPTR(t.Context(), "info.test")
	if want := []NAPTR{{10, 20, "s", "SIP+D2U", "", "_sip._udp.info.test."}}; err != nil || !reflect.DeepEqual(n, want) || ttl != 300*time.Second {
		t.Errorf("NAPTR %+v, %v, %v; want %+v", n, ttl, err, want)
	}
	s, ttl, err := c.SRV(t.Context(), "_sip._udp.info.test")
	if want := []SRV{{"sip.info.test.", 5070, 1, 2}}; err != nil || !reflect.DeepEqual(s, want) || ttl != 200*time.Second {
		t.Errorf("SRV %+v, %v, %v; want %+v", s, ttl, err, want)
	}
	a, ttl, err := c.Addr(t.Context(), "sip.info.test")
	if want := ips("192.0.2.1", "2001:db8::1"); err != nil || !reflect.DeepEqual(a, want) || ttl != 50*time.Second {
		t.Errorf("Addr %v, %v, %v; want %v for the least TTL", a, ttl, err, want)
	}
	got, err := New(Config{DNS: c}).Lookup(t.Context(), mustURI(t, "sip:bob@info.test"), "")
	if want := "udp 192.0.2.1:5070 udp [2001:db8::1]:5070"; err != nil || text(got) != want {
		t.Errorf("Lookup %s, %v; want %s", text(got), err, want)
	}
}

func TestClientCases(t *testing.T) {
	host, port := serveDNS(t, infoTest)
	c, _ := testClient(t, port, "nameserver "+host+"\nsearch office.test\n",
		"192.0.2.20 Box.lan box # a comment\n2001:db8::20 box.lan\n192.0.2.21 info.test\n")
	tests := []struct {
		name, host, want string
		err              error
	}{
		{"hosts file", "box.lan", "192.0.2.20 2001:db8::20", nil},
		{"hosts file before DNS", "INFO.test.", "192.0.2.21", nil},
		{"truncated: asked again over TCP", "big.test", "192.0.2.5", nil},
		{"AAAA fails, A answers", "four.test", "192.0.2.4", nil},
		{"search list for a short name", "pbx", "192.0.2.6", nil},
		{"no search list for a full name", "pbx.test", "", ErrNotFound},
		{"mDNS goes to the operating system", "printer.local", "", ErrNotFound},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ttl, err := c.Addr(t.Context(), tt.host)
			want := ips(strings.Fields(tt.want)...)
			if !errors.Is(err, tt.err) || !reflect.DeepEqual(got, want) || ttl <= 0 {
				t.Errorf("got %v, %v, %v; want %v, %v", got, ttl, err, want, tt.err)
			}
		})
	}
	if _, ttl, err := c.SRV(t.Context(), "_sip._udp.absent.test"); !errors.Is(err, ErrNotFound) || ttl != 5*time.Second {
		t.Errorf("absent: %v, %v; want the SOA's 5 s", ttl, err)
	}
	if _, _, err := c.SRV(t.Context(), "broken.test"); err == nil || errors.Is(err, ErrNotFound) {
		t.Errorf("SERVFAIL: %v", err)
	}
}

func TestClientTriesTheNextServer(t *testing.T) {
	host, port := serveDNS(t, infoTest)
	c, _ := testClient(t, port, "nameserver 127.0.0.254\nnameserver "+host+"\n", "") // nobody listens on the first: refused
	if a, _, err := c.Addr(t.Context(), "four.test"); err != nil || !reflect.DeepEqual(a, ips("192.0.2.4")) {
		t.Errorf("got %v, %v", a, err)
	}
}

func TestClientReadsAChangedResolvConf(t *testing.T) {
	host, port := serveDNS(t, infoTest)
	c, conf := testClient(t, port, "nameserver 127.0.0.254\n", "")
	if _, _, err := c.Addr(t.Context(), "four.test"); err == nil {
		t.Fatal("an answer from a server that is not there")
	}
	write(t, conf, "# moved\nnameserver "+host+"\n")
	c.resolv.looked = time.Time{} // as if the time between two looks had passed
	if a, _, err := c.Addr(t.Context(), "four.test"); err != nil || !reflect.DeepEqual(a, ips("192.0.2.4")) {
		t.Errorf("after the change: %v, %v", a, err)
	}
	if err := os.Remove(conf); err != nil {
		t.Fatal(err)
	}
	c.resolv.looked = time.Time{}
	if a, _, err := c.Addr(t.Context(), "plain.test"); err != nil || !reflect.DeepEqual(a, ips("192.0.2.4")) {
		t.Errorf("without a file the fall-back answers: %v, %v", a, err)
	}
	if s, _, err := c.SRV(t.Context(), "_sip._udp.srv.test"); err != nil || len(s) != 1 {
		t.Errorf("without a file the fall-back answers SRV: %v, %v", s, err)
	}
}

func TestClientIgnoresAnswersToOtherQuestions(t *testing.T) {
	host, port := serveDNS(t, func(w dns.ResponseWriter, q *dns.Msg) {
		forged := q.Copy()
		forged.Id++
		reply(w, forged, dns.RcodeSuccess, q.Question[0].Name+" 100 IN A 203.0.113.66")
		other := q.Copy()
		other.Question[0].Name = "other.test."
		reply(w, other, dns.RcodeSuccess, "other.test. 100 IN A 203.0.113.66")
		_, _ = w.Write([]byte{1, 2, 3})
		infoTest(w, q)
	})
	c, _ := testClient(t, port, "nameserver "+host+"\n", "")
	if a, _, err := c.Addr(t.Context(), "four.test"); err != nil || !reflect.DeepEqual(a, ips("192.0.2.4")) {
		t.Errorf("got %v, %v", a, err)
	}
}

func TestClientEndsWithItsContext(t *testing.T) {
	asked := make(chan struct{}, 16)
	host, port := serveDNS(t, func(dns.ResponseWriter, *dns.Msg) { asked <- struct{}{} }) // a server that never answers
	c, _ := testClient(t, port, "nameserver "+host+"\n", "")
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-asked
		cancel()
	}()
	if _, _, err := c.SRV(ctx, "_sip._udp.info.test"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

func TestClientLeavesEDNSForOldServers(t *testing.T) {
	var plain atomic.Int32
	host, port := serveDNS(t, func(w dns.ResponseWriter, q *dns.Msg) {
		if q.IsEdns0() != nil {
			reply(w, q, dns.RcodeFormatError)
			return
		}
		plain.Add(1)
		infoTest(w, q)
	})
	c, _ := testClient(t, port, "nameserver "+host+"\n", "")
	if s, _, err := c.SRV(t.Context(), "_sip._udp.info.test"); err != nil || len(s) != 1 || plain.Load() != 1 {
		t.Errorf("got %v, %v after %d plain questions", s, err, plain.Load())
	}
}

func TestSearchNames(t *testing.T) {
	conf := &dns.ClientConfig{Search: []string{"a.test", "b.test."}, Ndots: 1}
	tests := []struct {
		in   string
		want []string
	}{
		{"pbx", []string{"pbx.a.test.", "pbx.b.test.", "pbx."}},
		{"_sip._udp.pbx", []string{"_sip._udp.pbx.a.test.", "_sip._udp.pbx.b.test.", "_sip._udp.pbx."}},
		{"info.test", []string{"info.test."}},
		{"pbx.", []string{"pbx."}},
	}
	for _, tt := range tests {
		if got := searchNames(tt.in, conf); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("searchNames(%q) = %v, want %v", tt.in, got, tt.want)
		}
	}
}

func FuzzParseHosts(f *testing.F) {
	f.Add("127.0.0.1 localhost\n::1 ip6-localhost # x\nbad line\n")
	f.Fuzz(func(t *testing.T, s string) {
		table, err := parseHosts(strings.NewReader(s))
		if err != nil {
			return
		}
		for name, found := range *table {
			if len(found) == 0 || name != strings.ToLower(name) {
				t.Fatalf("%q: %v", name, found)
			}
		}
	})
}
