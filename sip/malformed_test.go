package sip

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"
	"time"
)

const malformedHead = "Via: SIP/2.0/UDP 192.0.2.7:5070;branch=z9hG4bK1\r\nf: <sip:a@x>;tag=1\r\nTo: <sip:b@y>\r\ni: abc\r\nCSeq: "

func TestRefuseMalformed(t *testing.T) {
	remote := netip.MustParseAddrPort("192.0.2.7:49152")
	tests := []struct {
		name, raw, status, to string
	}{
		{"bad CSeq", "OPTIONS sip:b@y SIP/2.0\r\n" + malformedHead + "abc OPTIONS\r\n\r\n", "400", "192.0.2.7:5070"},
		{"other version", "OPTIONS sip:b@y SIP/7.0\r\n" + malformedHead + "1 OPTIONS\r\n\r\n", "505", "192.0.2.7:5070"},
		{
			"rport", strings.Replace("OPTIONS sip:b@y SIP/2.0\r\n"+malformedHead+"x\r\n\r\n", ";branch", ";rport;branch", 1), "400",
			"192.0.2.7:49152",
		},
		{"folded", "OPTIONS sip:b@y SIP/2.0\r\nVia: SIP/2.0/UDP\r\n 192.0.2.7\r\nFrom: a\r\nTo: b\r\nCall-ID: c\r\nCSeq: d\r\n\r\n", "400", "192.0.2.7:5060"},
		{"ACK", "ACK sip:b@y SIP/2.0\r\n" + malformedHead + "x ACK\r\n\r\n", "", ""},
		{"response", "SIP/2.0 200 OK\r\n" + malformedHead + "x OPTIONS\r\n\r\n", "", ""},
		{"no Via", "OPTIONS sip:b@y SIP/2.0\r\nFrom: a\r\nTo: b\r\nCall-ID: c\r\nCSeq: x\r\n\r\n", "", ""},
		{"two Call-IDs", "OPTIONS sip:b@y SIP/2.0\r\nCall-ID: z\r\n" + malformedHead + "x\r\n\r\n", "", ""},
		{"no SIP", "GET / HTTP/1.1\r\n\r\n", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			answer, to := refuseMalformed([]byte(tt.raw), remote)
			if tt.status == "" {
				if answer != nil {
					t.Errorf("answered %q", answer)
				}
				return
			}
			if !bytes.HasPrefix(answer, []byte("SIP/2.0 "+tt.status+" ")) || to.String() != tt.to {
				t.Errorf("answer to %v:\n%s\nwant %s to %s", to, answer, tt.status, tt.to)
			}
		})
	}
}

func TestRefusalsAreBounded(t *testing.T) {
	var r refusals
	now, sent := time.Unix(1000, 0), 0
	for range 10 * refuseRate {
		if r.allow(now) {
			sent++
		}
	}
	if sent != refuseRate || !r.allow(now.Add(time.Second)) {
		t.Errorf("%d answers in a second, want %d and more in the next", sent, refuseRate)
	}
}

func FuzzRefuseMalformed(f *testing.F) {
	f.Add("OPTIONS sip:b@y SIP/2.0\r\n" + malformedHead + "x OPTIONS\r\n\r\nbody")
	f.Add("INVITE sip:b@y SIP/2.0\r\nv:\r\nf:\r\nt:\r\ni:\r\nCSeq:\r\n\r\n")
	remote := netip.MustParseAddrPort("192.0.2.7:49152")
	f.Fuzz(func(t *testing.T, raw string) {
		answer, to := refuseMalformed([]byte(raw), remote)
		if answer == nil {
			return
		}
		head, rest, _ := strings.Cut(string(answer), "\r\n\r\n")
		if rest != "" || to.Addr() != remote.Addr() || strings.Count(head, "\r\nContent-Length:") != 1 {
			t.Errorf("answer to %v:\n%q", to, answer)
		}
	})
}
