package ice

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/pion/stun/v3"

	"github.com/peregrine-softphone/peregrine/media/sdp"
)

func TestParseRemote(t *testing.T) {
	const head = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
	const secrets = "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789abcdefghijkl\r\n"
	host := "a=candidate:1 1 UDP 2113929471 192.0.2.1 5000 typ host\r\n"
	for _, c := range []struct {
		name, session, media string
		one, two             int // candidates taken of each component; one -1: no ICE
		lite, mismatch       bool
	}{
		{name: "secrets of the session", session: secrets, media: host, one: 1},
		{name: "secrets of the line", media: secrets + host, one: 1},
		{
			name: "secrets of the line go first", one: 1, media: secrets + host,
			session: "a=ice-ufrag:" + strings.Repeat("x", 300) + "\r\na=ice-pwd:short\r\n",
		},
		{name: "lite", session: "a=ice-lite\r\n", media: secrets + host, one: 1, lite: true},
		{name: "no ICE", media: "", one: -1},
		{name: "no candidates", media: secrets, one: -1},
		{name: "short password", media: "a=ice-ufrag:abcd\r\na=ice-pwd:short\r\n" + host, one: -1},
		{name: "strange ufrag", media: "a=ice-ufrag:ab cd\r\na=ice-pwd:0123456789abcdefghijkl\r\n" + host, one: -1},
		{name: "refused", media: secrets + host + "a=ice-mismatch\r\n", one: -1},
		{
			name: "address changed on the way", one: -1, mismatch: true,
			media: secrets + "a=candidate:1 1 UDP 2113929471 10.0.0.1 5000 typ host\r\n",
		},
		{
			name: "both components, and what is left out", one: 2, two: 1,
			media: secrets + host + strings.Join([]string{
				"a=candidate:1 2 udp 2113929470 192.0.2.1 5001 typ host",
				"a=candidate:2 1 UDP 1677721855 198.51.100.7 61000 typ srflx raddr 192.0.2.1 rport 5000 generation 0",
				"a=candidate:3 1 TCP 1 192.0.2.1 9 typ host tcptype active",
				"a=candidate:4 1 UDP 1 b2a4.local 5000 typ host",
				"a=candidate:5 1 UDP 1 name.example.org 5000 typ host",
				"a=candidate:6 1 UDP 1 0.0.0.0 5000 typ host",
				"a=candidate:7 1 UDP 1 224.0.0.1 5000 typ host",
				"a=candidate:8 1 UDP 1 192.0.2.1 0 typ host",
				"a=candidate:9 1 UDP 0 192.0.2.1 1 typ host",
				"a=candidate:9 1 UDP 4294967295 192.0.2.1 1 typ host",
				"a=candidate:10 3 UDP 1 192.0.2.1 1 typ host",
				"a=candidate:11 1 UDP 1 fe80::1%eth0 1 typ host",
				"a=candidate:12 1 UDP 1 192.0.2.1 1 typ teleport",
				"a=candidate:" + strings.Repeat("f", 40) + " 1 UDP 1 192.0.2.1 1 typ host",
				"a=candidate:13 1 UDP 1 192.0.2.1",
			}, "\r\n") + "\r\n",
		},
		{
			name: "too many", one: maxCandidates,
			media: secrets + strings.Repeat(host, 3*maxCandidates),
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, err := sdp.Parse([]byte(head + c.session + "m=audio 5000 RTP/AVP 0\r\n" + c.media))
			if err != nil {
				t.Fatal(err)
			}
			r, mismatch := ParseRemote(d, &d.Media[0])
			if mismatch != c.mismatch {
				t.Errorf("mismatch %v, want %v", mismatch, c.mismatch)
			}
			if r == nil {
				if c.one >= 0 {
					t.Errorf("no ICE, want %d candidates", c.one)
				}
				return
			}
			if len(r.of(1)) != c.one || len(r.of(2)) != c.two || r.Lite != c.lite {
				t.Errorf("%d and %d candidates, lite %v, want %d, %d, %v",
					len(r.of(1)), len(r.of(2)), r.Lite, c.one, c.two, c.lite)
			}
		})
	}
}

func TestParseServers(t *testing.T) {
	for _, c := range []struct {
		text string
		turn bool
		want string // "": refused
	}{
		{"stun.example.org", false, "stun:stun.example.org:3478"},
		{" 192.0.2.1:3479 ", false, "stun:192.0.2.1:3479"},
		{"stun:stun.example.org:19302", false, "stun:stun.example.org:19302"},
		{"turn:turn.example.org", false, ""},
		{"stuns:stun.example.org", false, ""},
		{"", false, ""},
		{"a b", false, ""},
		{"host:port", false, ""},
		{"host:99999", false, ""},
		{"turn.example.org", true, "turn:turn.example.org:3478?transport=udp"},
		{"turn:192.0.2.1:3478?transport=tcp", true, "turn:192.0.2.1:3478?transport=tcp"},
		{"turns:turn.example.org", true, "turns:turn.example.org:5349?transport=tcp"},
		{"turns:turn.example.org?transport=udp", true, ""},
		{"stun:stun.example.org", true, ""},
		{"http://turn.example.org", true, ""},
		{"turn:user@turn.example.org", true, ""},
	} {
		parse := ParseSTUN
		if c.turn {
			parse = ParseTURN
		}
		got := ""
		if u, err := parse(c.text); err == nil {
			got = u.String()
		}
		if got != c.want {
			t.Errorf("%q is %q, want %q", c.text, got, c.want)
		}
	}
}

func TestMappedAddress(t *testing.T) {
	build := func(kind stun.MessageType, set stun.Setter) *stun.Message {
		m, err := stun.Build(stun.TransactionID, kind, set)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	ip := netip.MustParseAddr("198.51.100.7").AsSlice()
	for _, c := range []struct {
		name string
		m    *stun.Message
		want string
	}{
		{"xor", build(stun.BindingSuccess, &stun.XORMappedAddress{IP: ip, Port: 4711}), "198.51.100.7:4711"},
		{"of RFC 3489", build(stun.BindingSuccess, &stun.MappedAddress{IP: ip, Port: 4711}), "198.51.100.7:4711"},
		{"error", build(stun.BindingError, &stun.XORMappedAddress{IP: ip, Port: 4711}), "invalid AddrPort"},
		{"port 0", build(stun.BindingSuccess, &stun.XORMappedAddress{IP: ip}), "invalid AddrPort"},
		{"none", build(stun.BindingSuccess, stun.NewSoftware("x")), "invalid AddrPort"},
	} {
		if got, _ := mappedAddress(c.m); got.String() != c.want {
			t.Errorf("%s: %v, want %s", c.name, got, c.want)
		}
	}
}

// TestBeyond decides which address a peer without ICE is told.
func TestBeyond(t *testing.T) {
	for _, c := range []struct {
		name, toward, mapped, own string
		want                      bool
	}{
		{"server in the Internet", "203.0.113.9", "198.51.100.7", "192.168.1.5", true},
		{"PBX of the office, STUN outside", "10.1.2.3", "198.51.100.7", "10.9.8.7", false},
		{"in our own network", "192.168.1.77", "192.168.77.1", "192.168.1.5", false},
		{"behind a second NAT", "10.77.0.10", "10.77.3.100", "192.168.20.10", true},
		{"this host", "127.0.0.1", "198.51.100.7", "192.168.1.5", false},
		{"unknown", "", "198.51.100.7", "192.168.1.5", true},
	} {
		var toward netip.Addr
		if c.toward != "" {
			toward = netip.MustParseAddr(c.toward)
		}
		if got := beyond(toward, netip.MustParseAddr(c.mapped), netip.MustParseAddr(c.own)); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// TestCandidateLines writes what RFC 8839 5.1 and the priorities of RFC 8445 5.1.2.1 ask for.
func TestCandidateLines(t *testing.T) {
	c := &component{id: 2, mux: newMux([]netip.Addr{netip.MustParseAddr("192.168.1.5")}, 4001, nil, nil)}
	var got []string
	for _, a := range c.lines(netip.MustParseAddr("192.168.1.5"), netip.MustParseAddrPort("198.51.100.7:61001"),
		netip.MustParseAddrPort("203.0.113.1:50000")) {
		got = append(got, a.Key+":"+a.Value)
	}
	want := []string{
		"candidate:H0 2 UDP 2130706430 192.168.1.5 4001 typ host",
		"candidate:S 2 UDP 1694498814 198.51.100.7 61001 typ srflx raddr 192.168.1.5 rport 4001",
		"candidate:R 2 UDP 16777214 203.0.113.1 50000 typ relay raddr 198.51.100.7 rport 61001",
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
