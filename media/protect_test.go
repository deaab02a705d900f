package media

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/peregrine-softphone/peregrine/media/secure"
)

// with makes a configuration. tls: signalling is secured.
func with(t *testing.T, policy secure.Policy, keys secure.Exchange, tls bool) func(*Config) {
	t.Helper()
	return func(cfg *Config) {
		c, err := secure.NewCertificate()
		if err != nil {
			t.Fatal(err)
		}
		cfg.Security, cfg.Keys, cfg.Certificate = policy, keys, c
		cfg.SecureSignalling = func() bool { return tls }
	}
}

// spy keeps what passes between two phones.
func (w *wire) spy(t *testing.T, take func(data []byte, from, to netip.AddrPort) bool) {
	t.Helper()
	w.set(func(w *wire) { w.take = take })
}

// TestPolicies tries both policies and ways against each other: what is agreed, and that the speech arrives.
func TestPolicies(t *testing.T) {
	type end struct {
		policy secure.Policy
		keys   secure.Exchange
	}
	tests := []struct {
		name       string
		a, b       end
		tls        bool
		want, line string // encryption and profile; "" for a refusal
	}{
		{"preferred, DTLS", end{secure.Preferred, secure.Auto}, end{secure.Preferred, secure.Auto}, false, "dtls", "RTP/AVP"},
		{"preferred, both ways", end{secure.Preferred, secure.Auto}, end{secure.Preferred, secure.Auto}, true, "dtls", "RTP/AVP"},
		{"preferred, SDES", end{secure.Preferred, secure.SDES}, end{secure.Preferred, secure.Auto}, true, "sdes", "RTP/AVP"},
		{"preferred and off", end{secure.Preferred, secure.Auto}, end{secure.Off, secure.Auto}, true, "none", "RTP/AVP"},
		{"off and preferred", end{secure.Off, secure.Auto}, end{secure.Preferred, secure.Auto}, true, "none", "RTP/AVP"},
		{"no way in common", end{secure.Preferred, secure.SDES}, end{secure.Preferred, secure.DTLS}, true, "none", "RTP/AVP"},
		{"SDES without TLS", end{secure.Preferred, secure.SDES}, end{secure.Preferred, secure.SDES}, false, "none", "RTP/AVP"},
		{"required, SDES", end{secure.Required, secure.SDES}, end{secure.Preferred, secure.Auto}, true, "sdes", "RTP/SAVP"},
		{"required, DTLS", end{secure.Required, secure.DTLS}, end{secure.Preferred, secure.Auto}, false, "dtls", "UDP/TLS/RTP/SAVP"},
		{"required, auto", end{secure.Required, secure.Auto}, end{secure.Required, secure.Auto}, true, "dtls", "RTP/SAVP"},
		{"required, auto without TLS", end{secure.Required, secure.Auto}, end{secure.Required, secure.Auto}, false, "dtls", "UDP/TLS/RTP/SAVP"},
		{"required and off", end{secure.Required, secure.Auto}, end{secure.Off, secure.Auto}, true, "", ""},
		{"off and required", end{secure.Off, secure.Auto}, end{secure.Required, secure.Auto}, true, "", ""},
		{"preferred and required", end{secure.Preferred, secure.Auto}, end{secure.Required, secure.Auto}, false, "dtls", "RTP/AVP"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			running(t, with(t, tt.a.policy, tt.a.keys, tt.tls), with(t, tt.b.policy, tt.b.keys, tt.tls), []string{"PCMU"},
				func(t *testing.T, w *wire, a, b *phone) {
					plain := 0
					w.spy(t, func(data []byte, _, _ netip.AddrPort) bool {
						// 160 samples in the clear have no tag behind them.
						if classify(data) == kindMedia && !isRTCP(data) && len(data) == 172 {
							plain++
						}
						return true
					})
					offer, err := a.Offer(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					answer, err := b.Answer(offer)
					if tt.want == "" {
						if err == nil {
							t.Errorf("taken:\n%s", answer)
						}
						return
					}
					if err != nil {
						t.Fatalf("%v of\n%s", err, offer)
					}
					for _, text := range [][]byte{offer, answer} {
						if !strings.Contains(string(text), " "+tt.line+" ") {
							t.Errorf("want %s in\n%s", tt.line, text)
						}
					}
					if err := a.Accept(answer); err != nil {
						t.Fatal(err)
					}
					time.Sleep(8 * time.Second)
					for _, p := range []*phone{a, b} {
						st := p.Stats()
						if st.Encryption != tt.want || (st.Cipher != "") != (tt.want != "none") || st.AuthFailures != 0 {
							t.Errorf("%s %q, %d forged", st.Encryption, st.Cipher, st.AuthFailures)
						}
						if st.RTT == 0 {
							t.Error("no reports")
						}
					}
					w.set(func(*wire) {
						if (plain > 0) != (tt.want == "none") {
							t.Errorf("%d plain packets", plain)
						}
					})
					listen(t, a, b, 2, 1, 0.95)
					listen(t, b, a, 2, 1, 0.95)
				})
		})
	}
}

// TestNoSoundBeforeKeys: while the handshake is on its way nothing is sent or believed, and then sound begins.
func TestNoSoundBeforeKeys(t *testing.T) {
	cfg := with(t, secure.Preferred, secure.DTLS, false)
	running(t, cfg, cfg, []string{"PCMU"}, func(t *testing.T, w *wire, a, b *phone) {
		var mu sync.Mutex
		blocked, leaked := true, 0
		w.spy(t, func(data []byte, _, _ netip.AddrPort) bool {
			mu.Lock()
			defer mu.Unlock()
			if classify(data) == kindMedia {
				if blocked {
					leaked++
				}
				return true
			}
			return !blocked
		})
		connect(t, a, b)
		time.Sleep(3 * time.Second)
		mu.Lock()
		if st := a.Stats(); leaked > 0 || st.PacketsSent > 0 || st.Encryption != "dtls" || st.Cipher != "" {
			t.Errorf("%d datagrams before the keys, %+v", leaked, st)
		}
		mu.Unlock()
		forged := append([]byte{0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9}, make([]byte, 160)...)
		b.receive(forged, netip.MustParseAddrPort("10.0.0.1:4000"), false)
		if st := b.Stats(); st.PacketsReceived > 0 {
			t.Error("a plain packet was taken")
		}
		mu.Lock()
		blocked = false
		mu.Unlock()
		time.Sleep(12 * time.Second)
		if st := a.Stats(); st.Cipher == "" || st.PacketsReceived == 0 {
			t.Errorf("%+v", st)
		}
		listen(t, a, b, 13, 1, 0.95)
	})
}

// TestWithoutMux: the peer refuses one port for both, so RTCP has a handshake of its own (RFC 5764 5.1.1).
func TestWithoutMux(t *testing.T) {
	cfg := with(t, secure.Preferred, secure.DTLS, false)
	running(t, cfg, cfg, []string{"PCMU"}, func(t *testing.T, _ *wire, a, b *phone) {
		offer, err := a.Offer(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		answer, err := b.Answer([]byte(strings.ReplaceAll(string(offer), "a=rtcp-mux\r\n", "")))
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Accept(answer); err != nil {
			t.Fatal(err)
		}
		time.Sleep(8 * time.Second)
		for _, p := range []*phone{a, b} {
			if st := p.Stats(); st.RTT == 0 || st.AuthFailures > 0 || st.Cipher == "" {
				t.Errorf("%+v", st)
			}
		}
		listen(t, a, b, 5, 1, 0.95)
	})
}

// TestHandshakeLoss: a call comes about over a path that loses a third.
func TestHandshakeLoss(t *testing.T) {
	cfg := with(t, secure.Required, secure.DTLS, false)
	running(t, cfg, cfg, []string{"PCMU"}, func(t *testing.T, w *wire, a, b *phone) {
		w.set(func(w *wire) { w.loss = 0.3 })
		connect(t, a, b)
		time.Sleep(10 * time.Second)
		w.set(func(w *wire) { w.loss = 0 })
		time.Sleep(3 * time.Second)
		if st := b.Stats(); st.Cipher == "" || st.PacketsReceived == 0 {
			t.Errorf("%+v", st)
		}
		listen(t, a, b, 11, 1, 0.9)
	})
}

// TestReinviteKeepsKeys: a re-INVITE leaves keys and association alone.
func TestReinviteKeepsKeys(t *testing.T) {
	for _, way := range []secure.Exchange{secure.SDES, secure.DTLS} {
		t.Run(map[secure.Exchange]string{secure.SDES: "SDES", secure.DTLS: "DTLS"}[way], func(t *testing.T) {
			cfg := with(t, secure.Preferred, way, true)
			running(t, cfg, cfg, []string{"PCMU"}, func(t *testing.T, w *wire, a, b *phone) {
				connect(t, a, b)
				time.Sleep(2 * time.Second)
				handshakes := 0
				w.spy(t, func(data []byte, _, _ netip.AddrPort) bool {
					if classify(data) == kindDTLS {
						handshakes++
					}
					return true
				})
				seal, open := a.protect.shield.Load().sealer, a.protect.shield.Load().opener
				for range 3 {
					b.SetHold(true)
					connect(t, b, a)
					time.Sleep(300 * time.Millisecond)
					b.SetHold(false)
					connect(t, a, b)
					time.Sleep(700 * time.Millisecond)
				}
				w.set(func(*wire) {
					if h := a.protect.shield.Load(); h.sealer != seal || h.opener != open || handshakes > 0 {
						t.Errorf("keys changed, %d datagrams of handshakes", handshakes)
					}
				})
				time.Sleep(2 * time.Second)
				listen(t, a, b, 5.5, 1, 0.9)
				listen(t, b, a, 5.5, 1, 0.9)
				if st := a.Stats(); st.AuthFailures > 0 || st.Garbage > 0 {
					t.Errorf("%+v", st)
				}
			})
		})
	}
}

// TestDowngrade: the attributes of encryption are taken out on the way.
func TestDowngrade(t *testing.T) {
	strip := func(text []byte) []byte {
		var out []string
		for line := range strings.Lines(string(text)) {
			if !strings.HasPrefix(line, "a=crypto") && !strings.HasPrefix(line, "a=fingerprint") && !strings.HasPrefix(line, "a=setup") {
				out = append(out, line)
			}
		}
		return []byte(strings.ReplaceAll(strings.Join(out, ""), "UDP/TLS/RTP/SAVP", "RTP/AVP"))
	}
	for _, way := range []secure.Exchange{secure.SDES, secure.DTLS} {
		required, preferred := with(t, secure.Required, way, true), with(t, secure.Preferred, way, true)
		running(t, required, preferred, []string{"PCMU"}, func(t *testing.T, _ *wire, a, b *phone) {
			offer, err := a.Offer(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			answer, err := b.Answer(offer)
			if err != nil {
				t.Fatal(err)
			}
			if err := a.Accept(strip(answer)); !errors.Is(err, ErrInsecure) {
				t.Errorf("stripped answer: %v", err)
			}
			if err := a.Accept(answer); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Second)
			before := a.protect.shield.Load()
			again, err := b.Offer(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			plain := []byte(strings.ReplaceAll(string(strip(again)), "RTP/SAVP", "RTP/AVP"))
			if _, err := a.Answer(plain); !errors.Is(err, ErrInsecure) {
				t.Errorf("stripped offer in a call: %v", err)
			}
			b.Rollback()
			if a.protect.shield.Load() != before {
				t.Error("the refused offer changed something")
			}
			time.Sleep(2 * time.Second)
			listen(t, a, b, 2.5, 1, 0.9)
		})
		running(t, preferred, preferred, []string{"PCMU"}, func(t *testing.T, _ *wire, a, b *phone) {
			connect(t, a, b)
			if st := a.Stats(); st.Encryption == "none" {
				t.Error("not encrypted")
			}
			offer, err := b.Offer(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := a.Answer(strip(offer)); err != nil {
				t.Error(err)
			}
			if st := a.Stats(); st.Encryption != "none" {
				t.Errorf("shown as %s", st.Encryption)
			}
		})
	}
}

func TestNextKeys(t *testing.T) {
	profile := regexp.MustCompile(`m=audio \d+ (\S+)`)
	for _, tt := range []struct {
		name   string
		policy secure.Policy
		keys   secure.Exchange
		tls    bool
		want   string
	}{
		{"preferred", secure.Preferred, secure.Auto, true, "RTP/AVP RTP/SAVP UDP/TLS/RTP/SAVP"},
		{"preferred without TLS", secure.Preferred, secure.Auto, false, "RTP/AVP UDP/TLS/RTP/SAVP"},
		{"preferred, SDES without TLS", secure.Preferred, secure.SDES, false, "RTP/AVP"},
		{"required", secure.Required, secure.Auto, true, "RTP/SAVP UDP/TLS/RTP/SAVP"},
		{"required, DTLS", secure.Required, secure.DTLS, true, "UDP/TLS/RTP/SAVP"},
		{"required, SDES without TLS", secure.Required, secure.SDES, false, "ErrInsecure"},
		{"off", secure.Off, secure.Auto, true, "RTP/AVP"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			running(t, with(t, tt.policy, tt.keys, tt.tls), with(t, secure.Preferred, secure.Auto, true), []string{"PCMU"},
				func(t *testing.T, _ *wire, a, b *phone) {
					var got []string
					for {
						offer, err := a.Offer(t.Context())
						if errors.Is(err, ErrInsecure) {
							got = append(got, "ErrInsecure")
						} else {
							got = append(got, string(profile.FindSubmatch(offer)[1]))
						}
						if !a.NextKeys() {
							break
						}
					}
					if strings.Join(got, " ") != tt.want {
						t.Errorf("offers %v, want %s", got, tt.want)
					}
					if tt.want != "ErrInsecure" {
						connect(t, a, b)
					}
					if a.NextKeys() {
						t.Error("another way in a call")
					}
				})
		})
	}
}

// TestFork: two phones answer one offer, each with keys of its own; the last answer counts.
func TestFork(t *testing.T) {
	for _, way := range []secure.Exchange{secure.SDES, secure.DTLS} {
		cfg := with(t, secure.Preferred, way, true)
		running(t, cfg, cfg, []string{"PCMU"}, func(t *testing.T, w *wire, a, b *phone) {
			other := newPhoneWith(t, w, "10.0.0.3", cfg, "PCMU")
			var wg sync.WaitGroup
			wg.Go(func() { _ = other.Run(t.Context()) })
			offer, err := a.Offer(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range []*phone{other, b} {
				answer, err := p.Answer(offer)
				if err != nil {
					t.Fatal(err)
				}
				if err := a.Accept(answer); err != nil {
					t.Fatal(err)
				}
				time.Sleep(2 * time.Second)
				if st := a.Stats(); st.PacketsReceived == 0 {
					t.Errorf("%+v", st)
				}
				if st := p.Stats(); st.PacketsReceived == 0 {
					t.Errorf("%+v", st)
				}
			}
			other.Close()
			wg.Wait()
			before := a.Stats().PacketsReceived
			time.Sleep(3 * time.Second)
			if n := a.Stats().PacketsReceived - before; n < 140 {
				t.Errorf("%d packets in 3 s from who answered last", n)
			}
			if st := b.Stats(); st.PacketsReceived < 200 || st.Lost > 10 {
				t.Errorf("%+v", st)
			}
		})
	}
}

// TestAuthenticMove: the peer gets another address without a word in the signalling. Its packets tell, forged and
// replayed ones do not.
func TestAuthenticMove(t *testing.T) {
	for _, way := range []secure.Exchange{secure.SDES, secure.DTLS} {
		cfg := with(t, secure.Preferred, way, true)
		running(t, cfg, cfg, []string{"PCMU"}, func(t *testing.T, w *wire, a, b *phone) {
			var copies [][]byte
			connect(t, a, b)
			w.spy(t, func(data []byte, from, _ netip.AddrPort) bool {
				if from.Addr().String() == "10.0.0.1" && classify(data) == kindMedia && !isRTCP(data) {
					copies = append(copies, append([]byte(nil), data...))
				}
				return true
			})
			time.Sleep(15 * time.Second) // beyond the time in which plain packets may teach
			var caught [][]byte
			w.set(func(*wire) { caught = copies[len(copies)-20:] })
			thief := netip.MustParseAddrPort("10.0.6.6:4000")
			for i, c := range caught {
				b.receive(c, thief, false) // again
				bad := append([]byte(nil), c...)
				binary.BigEndian.PutUint16(bad[2:], binary.BigEndian.Uint16(bad[2:])+uint16(1000+i))
				b.receive(bad, thief, false)
			}
			if st := b.Stats(); st.Remote != netip.MustParseAddrPort("10.0.0.1:4000") || st.AuthFailures != 20 {
				t.Errorf("sends to %v after theft, %d forged", st.Remote, st.AuthFailures)
			}
			w.rebind(a.rtp, "10.0.9.9:4000")
			w.rebind(a.rtcp, "10.0.9.9:4001")
			a.Moved(time.Now())
			time.Sleep(100 * time.Millisecond)
			if st := b.Stats(); st.Remote != netip.MustParseAddrPort("10.0.9.9:4000") {
				t.Errorf("sends to %v", st.Remote)
			}
			time.Sleep(3 * time.Second)
			listen(t, b, a, 16, 1, 0.9)
			listen(t, a, b, 16, 1, 0.9)
			if st := b.Stats(); st.AuthFailures != 20 {
				t.Errorf("%d forged", st.AuthFailures)
			}
		})
	}
}

// TestAnotherCertificate: who answers the handshake is not who wrote the fingerprint.
func TestAnotherCertificate(t *testing.T) {
	cfg := with(t, secure.Required, secure.DTLS, false)
	running(t, cfg, cfg, []string{"PCMU"}, func(t *testing.T, _ *wire, a, b *phone) {
		offer, err := a.Offer(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		answer, err := b.Answer(offer)
		if err != nil {
			t.Fatal(err)
		}
		c, err := secure.NewCertificate()
		if err != nil {
			t.Fatal(err)
		}
		forged := strings.ReplaceAll(string(answer), b.protect.certificate.Fingerprint().String(), c.Fingerprint().String())
		if err := a.Accept([]byte(forged)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		if st := a.Stats(); st.Cipher != "" || st.PacketsSent > 0 || st.PacketsReceived > 0 {
			t.Errorf("talks to a stranger: %+v", st)
		}
	})
}

// FuzzSTUNDemux: whatever datagram comes, plain or under encryption, nothing panics and the call goes on.
func FuzzSTUNDemux(f *testing.F) {
	f.Add([]byte{0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, false, uint8(0))
	f.Add([]byte{22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 1, 0}, false, uint8(2))
	f.Add([]byte{0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9, 1, 2, 3}, false, uint8(1))
	f.Add([]byte{0x80, 200, 0, 1, 0, 0, 0, 9}, true, uint8(1))
	from := netip.MustParseAddrPort("10.0.0.1:4000")
	f.Fuzz(func(t *testing.T, data []byte, rtcp bool, how uint8) {
		w := newWire(1)
		p := newPhoneWith(t, w, "10.0.0.2", func(cfg *Config) {
			cfg.Security, cfg.SecureSignalling = secure.Preferred, func() bool { return true }
		}, "PCMU")
		defer p.Close()
		stun := 0
		p.takeSTUN(func([]byte, netip.AddrPort, bool) { stun++ })
		p.rx.set(p.payloadTypes(p.agreement))
		switch how % 3 {
		case 1:
			key := secure.NewMaster(secure.AES128HMAC80)
			opener, err := secure.NewOpener(key)
			if err != nil {
				t.Fatal(err)
			}
			p.protect.shield.Store(&shield{way: secure.SDES, opener: opener})
		case 2:
			p.protect.shield.Store(&shield{way: secure.DTLS, split: true})
		}
		p.receive(data, from, rtcp)
		if want := len(data) > 0 && data[0] <= 3; (stun == 1) != want {
			t.Errorf("%d STUN messages from %x", stun, data)
		}
		if st := p.Stats(); how%3 != 0 && st.PacketsReceived > 0 {
			t.Errorf("%x taken without a key", data)
		}
	})
}

// TestProtectedPathAllocations: nothing is allocated on the whole way of a packet, out and in.
func TestProtectedPathAllocations(t *testing.T) {
	w := newWire(1)
	p := newPhoneWith(t, w, "10.0.0.2", func(cfg *Config) { cfg.Security = secure.Preferred }, "PCMU")
	defer p.Close()
	key := secure.NewMaster(secure.AES128GCM)
	opener, err := secure.NewOpener(key)
	if err != nil {
		t.Fatal(err)
	}
	sealer, err := secure.NewSealer(key)
	if err != nil {
		t.Fatal(err)
	}
	p.protect.shield.Store(&shield{way: secure.SDES, sealer: sealer, opener: opener})
	packet := append([]byte{0x80, 99, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9}, make([]byte, 160)...) // of no known type
	from, seq := netip.MustParseAddrPort("10.0.0.1:4000"), uint16(0)
	if n := testing.AllocsPerRun(500, func() {
		binary.BigEndian.PutUint16(packet[2:], seq)
		seq++
		sealed, err := p.protect.seal(packet)
		if err != nil {
			t.Fatal(err)
		}
		p.receive(sealed, from, false)
	}); n != 0 {
		t.Errorf("%g allocations for a packet out and in", n)
	}
	if st := p.Stats(); st.AuthFailures != 0 || st.Garbage == 0 {
		t.Errorf("%+v", st)
	}
}

// TestPeerChangesKey: what was on its way with the old key is still heard, and the new one is taken at once.
func TestPeerChangesKey(t *testing.T) {
	cfg := with(t, secure.Preferred, secure.SDES, true)
	running(t, cfg, cfg, []string{"PCMU"}, func(t *testing.T, _ *wire, a, b *phone) {
		connect(t, a, b)
		time.Sleep(2 * time.Second)
		for range 3 {
			b.mu.Lock()
			b.protect.own = nil
			b.mu.Unlock()
			connect(t, b, a)
			time.Sleep(2 * time.Second)
		}
		if st := a.Stats(); st.AuthFailures > 0 || st.Lost > 0 {
			t.Errorf("%+v", st)
		}
		if st := b.Stats(); st.AuthFailures > 0 || st.Lost > 0 {
			t.Errorf("%+v", st)
		}
		listen(t, a, b, 5, 1, 0.95)
		listen(t, b, a, 5, 1, 0.95)
	})
}

// TestAnotherParty: who comes into the call by a transfer of a server gets a key that the one before does not know.
func TestAnotherParty(t *testing.T) {
	cfg := with(t, secure.Preferred, secure.SDES, true)
	running(t, cfg, cfg, []string{"PCMU"}, func(t *testing.T, w *wire, a, b *phone) {
		connect(t, b, a)
		before := a.protect.own[a.protect.agreed.suite].master
		carol := newPhoneWith(t, w, "10.0.0.3", cfg, "PCMU")
		defer carol.Close()
		connect(t, carol, a)
		if after := a.protect.own[a.protect.agreed.suite].master; after.Same(before) {
			t.Error("the same key for two peers")
		}
	})
}

// TestHandshakeBehindNAT: the peer's address in its SDP leads nowhere; its handshake tells where it is.
func TestHandshakeBehindNAT(t *testing.T) {
	cfg := with(t, secure.Preferred, secure.DTLS, false)
	running(t, cfg, cfg, []string{"PCMU"}, func(t *testing.T, _ *wire, a, b *phone) {
		offer, err := a.Offer(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		answer, err := b.Answer([]byte(strings.ReplaceAll(string(offer), "IP4 10.0.0.1", "IP4 192.168.1.7")))
		if err != nil {
			t.Fatal(err)
		}
		// "passive" makes a, behind the NAT, begin: b cannot.
		answer = []byte(strings.ReplaceAll(string(answer), "a=setup:active", "a=setup:passive"))
		b.mu.Lock()
		b.protect.agreed.active = false
		if err := b.guard(b.protect.agreed, true); err != nil {
			t.Error(err)
		}
		b.protect.shield.Store(&shield{way: secure.DTLS})
		b.wantHandshake(b.protect.agreed, true)
		b.mu.Unlock()
		if err := a.Accept(answer); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		if st := b.Stats(); st.Remote != netip.MustParseAddrPort("10.0.0.1:4000") || st.Cipher == "" {
			t.Errorf("%+v", st)
		}
		listen(t, b, a, 3, 1, 0.9)
		listen(t, a, b, 3, 1, 0.9)
	})
}
