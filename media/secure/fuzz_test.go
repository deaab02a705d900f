package secure

import (
	"strings"
	"testing"
)

// FuzzCrypto reads the lines that a peer's SDP brings for SRTP. What is taken must come back the same when written.
func FuzzCrypto(f *testing.F) {
	for _, text := range []string{
		"1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20|1:4 FEC_ORDER=FEC_SRTP",
		"2 AEAD_AES_256_GCM inline:" + strings.Repeat("A", 58) + "Q== KDR=0 WSH=64",
		"1 AES_CM_128_HMAC_SHA1_32 inline:YUJDZGVmZ2hpSktMbW9QUXJzVHVWd3l6MTIzNDU2|1066:4",
		"sha-256 " + strings.Repeat("AB:", 31) + "CD", "sha-1 " + strings.Repeat("01:", 19) + "ff", "actpass", "holdconn",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if c, err := ParseCrypto(text); err == nil {
			again, err := ParseCrypto(c.String())
			if err != nil || again.Tag != c.Tag || !again.Master.Same(c.Master) {
				t.Fatalf("%q: written as %q: %v", text, c.String(), err)
			}
			if _, err := NewSealer(c.Master); err != nil {
				t.Fatalf("%q: %v", text, err)
			}
		}
		if p, err := ParseFingerprint(text); err == nil {
			if again, err := ParseFingerprint(p.String()); err != nil || again != p {
				t.Fatalf("%q: written as %q: %v", text, p.String(), err)
			}
		}
		if s := ParseSetup(text); s != NoSetup && ParseSetup(s.String()) != s {
			t.Fatalf("%q: %v", text, s)
		}
	})
}

// FuzzUnprotect: no datagram that the peer did not make is taken, and none disturbs what comes after it.
func FuzzUnprotect(f *testing.F) {
	for i, suite := range all() {
		m := Master{Suite: suite, key: make([]byte, suite.table().key+suite.table().salt)}
		s, _ := pair(f, m)
		f.Add(uint8(i), seal(f, s, packet(7, 1, "speech")))
		control, err := s.RTCP(report(7))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(i), append([]byte(nil), control...))
	}
	f.Add(uint8(0), []byte{0x9f, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7, 0xbe, 0xde, 0xff, 0xff})
	longest := make([]byte, maxPacket)
	copy(longest, []byte{0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7})
	f.Add(uint8(0), longest)
	buf := make([]byte, maxPacket)
	f.Fuzz(func(t *testing.T, which uint8, data []byte) {
		m := NewMaster(all()[int(which)%len(all())])
		s, o := pair(t, m)
		if _, err := o.RTP(buf, data); err == nil {
			t.Fatal("taken without the key")
		}
		if _, err := o.RTCP(buf, data); err == nil {
			t.Fatal("rtcp taken without the key")
		}
		p := packet(7, 2, "speech")
		if got, err := o.RTP(buf, seal(t, s, p)); err != nil || string(got) != string(p) {
			t.Fatalf("%q, %v", got, err)
		}
		// The packet as ours to protect: refused or opened again the same.
		other, o2 := pair(t, m)
		sealed, err := other.RTP(data)
		if err != nil {
			return
		}
		if got, err := o2.RTP(buf, sealed); err != nil || string(got) != string(data) {
			t.Fatalf("%x became %x, %v", data, got, err)
		}
	})
}
