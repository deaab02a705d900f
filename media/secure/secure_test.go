package secure

import (
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/srtp/v3"
)

// packet makes an RTP packet.
func packet(ssrc uint32, seq uint16, payload string) []byte {
	p := make([]byte, rtpHeader, rtpHeader+len(payload))
	p[0] = 0x80
	binary.BigEndian.PutUint16(p[2:], seq)
	binary.BigEndian.PutUint32(p[8:], ssrc)
	return append(p, payload...)
}

// report makes a receiver report without blocks.
func report(ssrc uint32) []byte {
	p := []byte{0x80, 201, 0, 1, 0, 0, 0, 0}
	binary.BigEndian.PutUint32(p[4:], ssrc)
	return p
}

func all() []Suite {
	return []Suite{AES128GCM, AES256GCM, AES128HMAC80, AES256HMAC80, AES128HMAC32}
}

func pair(t testing.TB, m Master) (*Sealer, *Opener) {
	t.Helper()
	s, err := NewSealer(m)
	if err != nil {
		t.Fatal(err)
	}
	o, err := NewOpener(m)
	if err != nil {
		t.Fatal(err)
	}
	return s, o
}

func seal(t testing.TB, s *Sealer, p []byte) []byte {
	t.Helper()
	out, err := s.RTP(p)
	if err != nil {
		t.Fatal(err)
	}
	return append([]byte(nil), out...)
}

func TestThereAndBack(t *testing.T) {
	for _, suite := range all() {
		t.Run(suite.String(), func(t *testing.T) {
			s, o := pair(t, NewMaster(suite))
			buf := make([]byte, maxPacket)
			seq := uint16(65530) // wraps: the roll-over counter grows
			for i := range 70000 {
				p := packet(7, seq, "speech")
				sealed := seal(t, s, p)
				if len(sealed) != len(p)+suite.table().growth {
					t.Fatalf("%d bytes from %d", len(sealed), len(p))
				}
				if i%1000 < 3 && strings.Contains(string(sealed), "speech") {
					t.Fatal("not encrypted")
				}
				got, err := o.RTP(buf, sealed)
				if err != nil || string(got) != string(p) {
					t.Fatalf("packet %d: %q, %v", i, got, err)
				}
				seq++
			}
			sealed, err := s.RTCP(report(7))
			if err != nil {
				t.Fatal(err)
			}
			if got, err := o.RTCP(buf, sealed); err != nil || string(got) != string(report(7)) {
				t.Fatalf("rtcp %q, %v", got, err)
			}
			if _, err := o.RTCP(buf, sealed); !errors.Is(err, ErrReplayed) {
				t.Errorf("rtcp again: %v", err)
			}
		})
	}
}

// TestPeerOfPion checks that what we make is what pion alone reads.
func TestPeerOfPion(t *testing.T) {
	m := NewMaster(AES128HMAC80)
	s, _ := pair(t, m)
	c, err := srtp.CreateContext(m.key[:16], m.key[16:], srtp.ProtectionProfileAes128CmHmacSha1_80)
	if err != nil {
		t.Fatal(err)
	}
	p := packet(1, 2, "hello")
	if got, err := c.DecryptRTP(nil, seal(t, s, p), nil); err != nil || string(got) != string(p) {
		t.Errorf("%q, %v", got, err)
	}
}

func TestRefused(t *testing.T) {
	for _, suite := range all() {
		t.Run(suite.String(), func(t *testing.T) {
			s, o := pair(t, NewMaster(suite))
			buf := make([]byte, maxPacket)
			sealed := seal(t, s, packet(7, 100, "speech"))
			for i := range sealed {
				bad := append([]byte(nil), sealed...)
				bad[i] ^= 0x10
				if _, err := o.RTP(buf, bad); err == nil {
					t.Errorf("byte %d changed: taken", i)
				}
			}
			for n := range sealed {
				if _, err := o.RTP(buf, sealed[:n]); !errors.Is(err, ErrForged) {
					t.Errorf("cut to %d: %v", n, err)
				}
			}
			if _, err := o.RTP(buf, packet(7, 101, "plain speech of some length")); !errors.Is(err, ErrForged) {
				t.Errorf("plain: %v", err)
			}
			if _, err := o.RTP(buf, sealed); err != nil {
				t.Fatalf("the true one: %v", err)
			}
			if _, err := o.RTP(buf, sealed); !errors.Is(err, ErrReplayed) {
				t.Errorf("again: %v", err)
			}
			_, other := pair(t, NewMaster(suite))
			if _, err := other.RTP(buf, sealed); !errors.Is(err, ErrForged) {
				t.Errorf("another key: %v", err)
			}
			control, err := s.RTCP(report(7))
			if err != nil {
				t.Fatal(err)
			}
			for i := range control {
				bad := append([]byte(nil), control...)
				bad[i] ^= 1
				if _, err := o.RTCP(buf, bad); err == nil {
					t.Errorf("rtcp byte %d changed: taken", i)
				}
				if _, err := o.RTCP(buf, control[:i]); err == nil {
					t.Errorf("rtcp cut to %d: taken", i)
				}
			}
		})
	}
}

// TestNoIndexTwice: the same packet again gives the same bytes; another one with its number is refused.
func TestNoIndexTwice(t *testing.T) {
	s, _ := pair(t, NewMaster(AES128GCM))
	first := seal(t, s, packet(7, 100, "one"))
	if again := seal(t, s, packet(7, 100, "one")); string(again) != string(first) {
		t.Error("the same packet was encrypted anew")
	}
	for name, p := range map[string][]byte{
		"same number": packet(7, 100, "two"), "older": packet(7, 99, "two"), "other source": packet(8, 101, "two"),
	} {
		if _, err := s.RTP(p); !errors.Is(err, ErrReused) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if again := seal(t, s, packet(7, 100, "one")); string(again) != string(first) {
		t.Error("the last packet is forgotten")
	}
}

func TestReplayWindow(t *testing.T) {
	s, o := pair(t, NewMaster(AES128GCM))
	buf := make([]byte, maxPacket)
	var sealed [][]byte
	for i := range 2000 {
		sealed = append(sealed, seal(t, s, packet(7, uint16(i), "x")))
	}
	rng := rand.New(rand.NewPCG(1, 2))
	taken := map[int]bool{}
	highest := -1
	for range 60000 {
		i := max(highest, 0) + rng.IntN(325) - 320
		if i < 0 || i >= len(sealed) {
			continue
		}
		_, err := o.RTP(buf, sealed[i])
		old := highest-i >= windowSize
		if want := !taken[i] && !old; (err == nil) != want {
			t.Fatalf("packet %d with highest %d, taken %v: %v", i, highest, taken[i], err)
		}
		if err == nil {
			taken[i] = true
			highest = max(highest, i)
		}
	}
	if len(taken) < 500 {
		t.Errorf("only %d taken", len(taken))
	}
}

// TestStrangersLeaveNothing: forged sources neither fill the memory nor disturb the true one.
func TestStrangersLeaveNothing(t *testing.T) {
	m := NewMaster(AES128HMAC80)
	s, o := pair(t, m)
	buf := make([]byte, maxPacket)
	for i := range 5000 {
		forged := packet(uint32(i)+100, 1, "0123456789 forged forged")
		if _, err := o.RTP(buf, forged); !errors.Is(err, ErrForged) {
			t.Fatal(err)
		}
		if i%500 == 0 {
			if _, err := o.RTP(buf, seal(t, s, packet(7, uint16(i), "true"))); err != nil {
				t.Fatalf("after %d: %v", i, err)
			}
		}
	}
	// The peer changes its source many times: each has its own counter, and the first is not forgotten at once.
	for ssrc := range uint32(maxStreams + 3) {
		other, err := NewSealer(m)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := o.RTP(buf, seal(t, other, packet(1000+ssrc, 5, "true"))); err != nil {
			t.Fatalf("source %d: %v", ssrc, err)
		}
	}
}

func TestCryptoLine(t *testing.T) {
	key := "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz" // RFC 4568 9.1
	long := strings.Repeat("A", 56)
	tests := []struct {
		name, text string
		want       string // written again; "" for an error
		err        error
	}{
		{"RFC 4568", "1 AES_CM_128_HMAC_SHA1_80 inline:" + key + "|2^20|1:4", "1 AES_CM_128_HMAC_SHA1_80 inline:" + key + "|1:4", nil},
		{"no lifetime", "2 AES_CM_128_HMAC_SHA1_32 inline:" + key + "|7:1", "2 AES_CM_128_HMAC_SHA1_32 inline:" + key + "|7:1", nil},
		{"plain number", "1 AES_CM_128_HMAC_SHA1_80 inline:" + key + "|1048576", "1 AES_CM_128_HMAC_SHA1_80 inline:" + key, nil},
		{"lower case", "1 aes_cm_128_hmac_sha1_80 INLINE:" + key, "1 AES_CM_128_HMAC_SHA1_80 inline:" + key, nil},
		{"hints", "1 AES_CM_128_HMAC_SHA1_80 inline:" + key + " WSH=128 KDR=0 -X=1", "1 AES_CM_128_HMAC_SHA1_80 inline:" + key, nil},
		{"old name", "1 AES_CM_256_HMAC_SHA1_80 inline:" + strings.Repeat("A", 61) + "Q==", "1 AES_256_CM_HMAC_SHA1_80 inline:" + strings.Repeat("A", 61) + "Q==", nil},
		{"gcm", "3 AEAD_AES_128_GCM inline:" + strings.Repeat("A", 37) + "Q==", "3 AEAD_AES_128_GCM inline:" + strings.Repeat("A", 37) + "Q==", nil},
		{"no padding", "3 AEAD_AES_128_GCM inline:" + strings.Repeat("A", 37) + "Q", "3 AEAD_AES_128_GCM inline:" + strings.Repeat("A", 37) + "Q==", nil},
		{"unencrypted", "1 AES_CM_128_HMAC_SHA1_80 inline:" + key + " UNENCRYPTED_SRTP", "", ErrUnsupported},
		{"unencrypted rtcp", "1 AES_CM_128_HMAC_SHA1_80 inline:" + key + " UNENCRYPTED_SRTCP", "", ErrUnsupported},
		{"unauthenticated", "1 AES_CM_128_HMAC_SHA1_80 inline:" + key + " UNAUTHENTICATED_SRTP", "", ErrUnsupported},
		{"derivation rate", "1 AES_CM_128_HMAC_SHA1_80 inline:" + key + " KDR=1", "", ErrUnsupported},
		{"unknown parameter", "1 AES_CM_128_HMAC_SHA1_80 inline:" + key + " NEW=1", "", ErrUnsupported},
		{"unknown suite", "1 F8_128_HMAC_SHA1_80 inline:" + key, "", ErrUnsupported},
		{"several keys", "1 AES_CM_128_HMAC_SHA1_80 inline:" + key + "|2^20|1:4;inline:" + key + "|2^20|2:4", "", ErrUnsupported},
		{"key too long", "1 AES_CM_128_HMAC_SHA1_80 inline:" + long, "", ErrSyntax},
		{"key too short", "1 AES_CM_128_HMAC_SHA1_80 inline:" + key[:36], "", ErrSyntax},
		{"no base64", "1 AES_CM_128_HMAC_SHA1_80 inline:" + key[:39] + "!", "", ErrSyntax},
		{"other method", "1 AES_CM_128_HMAC_SHA1_80 uri:" + key, "", ErrSyntax},
		{"tag", "x AES_CM_128_HMAC_SHA1_80 inline:" + key, "", ErrSyntax},
		{"tag too large", "1000000000 AES_CM_128_HMAC_SHA1_80 inline:" + key, "", ErrSyntax},
		{"no key", "1 AES_CM_128_HMAC_SHA1_80", "", ErrSyntax},
		{"lifetime", "1 AES_CM_128_HMAC_SHA1_80 inline:" + key + "|2^99", "", ErrSyntax},
		{"no lifetime at all", "1 AES_CM_128_HMAC_SHA1_80 inline:" + key + "|0", "", ErrSyntax},
		{"MKI too large", "1 AES_CM_128_HMAC_SHA1_80 inline:" + key + "|2^20|300:1", "", ErrSyntax},
		{"MKI too long", "1 AES_CM_128_HMAC_SHA1_80 inline:" + key + "|2^20|1:100", "", ErrUnsupported},
		{"too much", "1 AES_CM_128_HMAC_SHA1_80 inline:" + key + "|2^20|1:4|5", "", ErrSyntax},
		{"empty", "", "", ErrSyntax},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := ParseCrypto(tt.text)
			if !errors.Is(err, tt.err) {
				t.Fatalf("error %v, want %v", err, tt.err)
			}
			if err == nil && c.String() != tt.want {
				t.Errorf("got  %s\nwant %s", c, tt.want)
			}
			if strings.Contains(c.Master.String(), key) {
				t.Error("the key is printed")
			}
		})
	}
}

// TestMKI: a peer's key with an identifier opens its packets, which carry it.
func TestMKI(t *testing.T) {
	m := NewMaster(AES128HMAC80)
	m.MKI = []byte{0, 0, 0, 1}
	s, o := pair(t, m)
	p := packet(7, 1, "speech")
	sealed := seal(t, s, p)
	if len(sealed) != len(p)+4+10 {
		t.Errorf("%d bytes", len(sealed))
	}
	if got, err := o.RTP(make([]byte, maxPacket), sealed); err != nil || string(got) != string(p) {
		t.Errorf("%q, %v", got, err)
	}
}

func TestFingerprintLine(t *testing.T) {
	c, err := NewCertificate()
	if err != nil {
		t.Fatal(err)
	}
	der := c.tls.Certificate[0]
	for _, h := range hashes() {
		f := sum(h, der)
		back, err := ParseFingerprint(strings.ToLower(f.String()))
		if err != nil || back != f {
			t.Errorf("%s: %v, %v", f, back, err)
		}
		if err := Match([]Fingerprint{back}, der); err != nil {
			t.Errorf("%s: %v", f, err)
		}
	}
	right, wrong := c.Fingerprint(), sum(right(t).Hash, []byte("x"))
	weak := sum(hashes()[0], der)
	for name, list := range map[string][]Fingerprint{
		"none": nil, "wrong": {wrong}, "weak beside wrong": {weak, wrong},
	} {
		if Match(list, der) == nil {
			t.Errorf("%s: matches", name)
		}
	}
	if err := Match([]Fingerprint{wrong, right}, der); err != nil {
		t.Errorf("one of two: %v", err)
	}
	for _, text := range []string{
		"", "sha-256", "sha-256 AA:BB", "md5 " + right.String()[8:], "sha-256 " + strings.Repeat("G", 95),
		strings.ReplaceAll(right.String(), ":", "-"), right.String() + ":00",
	} {
		if _, err := ParseFingerprint(text); err == nil {
			t.Errorf("%q: taken", text)
		}
	}
}

func right(t *testing.T) Fingerprint {
	t.Helper()
	c, err := NewCertificate()
	if err != nil {
		t.Fatal(err)
	}
	return c.Fingerprint()
}

func TestSetupLine(t *testing.T) {
	for _, s := range []Setup{ActPass, Active, Passive, HoldConn} {
		if got := ParseSetup(" " + strings.ToUpper(s.String())); got != s {
			t.Errorf("%s: %s", s, got)
		}
	}
	if got := ParseSetup("both"); got != NoSetup {
		t.Error(got)
	}
}

// lossy carries the datagrams of two associations with delay and loss.
type lossy struct {
	mu   sync.Mutex
	rng  *rand.Rand
	loss float64
	ends [2]*Association
	sent int
}

func (n *lossy) send(to int) func([]byte) {
	return func(data []byte) {
		n.mu.Lock()
		n.sent++
		lost := n.rng.Float64() < n.loss
		n.mu.Unlock()
		if lost {
			return
		}
		data = append([]byte(nil), data...)
		time.AfterFunc(20*time.Millisecond, func() { n.ends[to].Receive(data) })
	}
}

type outcome struct {
	keys Keys
	err  error
	took time.Duration
}

// shake lets two ends agree, each expecting a fingerprint, and gives what came of it.
func shake(t *testing.T, loss float64, seed uint64, patience time.Duration, expect func(a, b Fingerprint) (ofB, ofA Fingerprint)) [2]outcome {
	t.Helper()
	var certificates [2]*Certificate
	for i := range certificates {
		c, err := NewCertificate()
		if err != nil {
			t.Fatal(err)
		}
		certificates[i] = c
	}
	n := &lossy{rng: rand.New(rand.NewPCG(seed, 3)), loss: loss}
	ofB, ofA := expect(certificates[0].Fingerprint(), certificates[1].Fingerprint())
	n.ends[0] = NewAssociation(AssociationConfig{
		Certificate: certificates[0], Active: true, Fingerprints: []Fingerprint{ofB}, Send: n.send(1),
	})
	n.ends[1] = NewAssociation(AssociationConfig{
		Certificate: certificates[1], Fingerprints: []Fingerprint{ofA}, Send: n.send(0),
	})
	var out [2]outcome
	ctx, cancel := context.WithCancel(t.Context())
	var both, done sync.WaitGroup
	both.Add(2)
	for i := range n.ends {
		done.Go(func() {
			begin := time.Now()
			limit, stop := context.WithTimeout(ctx, patience)
			defer stop()
			out[i].keys, out[i].err = n.ends[i].Handshake(limit)
			out[i].took = time.Since(begin)
			both.Done()
			if out[i].err == nil {
				n.ends[i].Serve(ctx)
			}
		})
	}
	both.Wait()
	cancel()
	done.Wait()
	return out
}

func honest(a, b Fingerprint) (Fingerprint, Fingerprint) { return b, a }

func TestHandshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := shake(t, 0, 1, 10*time.Second, honest)
		if out[0].err != nil || out[1].err != nil {
			t.Fatal(out[0].err, out[1].err)
		}
		a, b := out[0].keys, out[1].keys
		if !a.Send.Same(b.Receive) || !b.Send.Same(a.Receive) || a.Send.Same(a.Receive) || !a.Send.Valid() {
			t.Errorf("keys %v %v", a, b)
		}
		if a.Send.Suite != AES128GCM {
			t.Errorf("suite %s", a.Send.Suite)
		}
		// A round trip for the cookie and two for the handshake, of 40 ms.
		if out[0].took > 125*time.Millisecond {
			t.Errorf("took %v", out[0].took)
		}
		s, o := pair(t, a.Send)
		if _, err := o.RTP(make([]byte, maxPacket), seal(t, s, packet(1, 1, "x"))); err != nil {
			t.Error(err)
		}
	})
}

func TestHandshakeOverLoss(t *testing.T) {
	for seed := range uint64(8) {
		synctest.Test(t, func(t *testing.T) {
			out := shake(t, 0.3, seed, 30*time.Second, honest)
			if out[0].err != nil || out[1].err != nil {
				t.Fatalf("seed %d: %v, %v", seed, out[0].err, out[1].err)
			}
			t.Logf("seed %d: %v, %v", seed, out[0].took, out[1].took)
		})
	}
}

func TestHandshakeWithAnother(t *testing.T) {
	stranger := sum(hashes()[2], []byte("somebody else"))
	for name, expect := range map[string]func(a, b Fingerprint) (Fingerprint, Fingerprint){
		"server": func(a, _ Fingerprint) (Fingerprint, Fingerprint) { return stranger, a },
		"client": func(_, b Fingerprint) (Fingerprint, Fingerprint) { return b, stranger },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				out := shake(t, 0, 1, 5*time.Second, expect)
				who := map[string]int{"server": 0, "client": 1}[name]
				if !errors.Is(out[who].err, ErrFingerprint) {
					t.Errorf("deceived: %v", out[who].err)
				}
				if out[who].keys.Send.Valid() {
					t.Error("keys in spite of it")
				}
			})
		})
	}
}

func TestHandshakeEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := shake(t, 1, 1, 7*time.Second, honest)
		for i := range out {
			if out[i].err == nil || out[i].took > 8*time.Second {
				t.Errorf("%v after %v", out[i].err, out[i].took)
			}
		}
	})
}

func TestNoAllocations(t *testing.T) {
	for _, suite := range all() {
		t.Run(suite.String(), func(t *testing.T) {
			s, o := pair(t, NewMaster(suite))
			buf, seq := make([]byte, maxPacket), uint16(0)
			p := packet(7, 0, strings.Repeat("s", 160))
			if n := testing.AllocsPerRun(1000, func() {
				binary.BigEndian.PutUint16(p[2:], seq)
				seq++
				sealed, err := s.RTP(p)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := o.RTP(buf, sealed); err != nil {
					t.Fatal(err)
				}
			}); n != 0 {
				t.Errorf("%g allocations for a packet both ways", n)
			}
		})
	}
}

func BenchmarkPacket(b *testing.B) {
	for _, suite := range all() {
		p := packet(7, 0, strings.Repeat("s", 160))
		b.Run(suite.String()+"/protect", func(b *testing.B) {
			s, _ := pair(b, NewMaster(suite))
			b.ReportAllocs()
			seq := uint16(0)
			for b.Loop() {
				binary.BigEndian.PutUint16(p[2:], seq)
				seq++
				if _, err := s.RTP(p); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(suite.String()+"/both", func(b *testing.B) {
			s, o := pair(b, NewMaster(suite))
			b.ReportAllocs()
			seq, buf := uint16(0), make([]byte, maxPacket)
			for b.Loop() {
				binary.BigEndian.PutUint16(p[2:], seq)
				seq++
				sealed, err := s.RTP(p)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := o.RTP(buf, sealed); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
