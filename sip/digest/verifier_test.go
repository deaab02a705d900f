package digest

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func passwords(user, _ string) (string, bool) {
	p, ok := map[string]string{"alice": "secret", "bob": "other"}[user]
	return p, ok
}

func newVerifier(t *testing.T, cfg VerifierConfig) *Verifier {
	t.Helper()
	cfg.Realm = "info.test"
	v, err := NewVerifier(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestVerifyAcceptsTheCache(t *testing.T) {
	for _, algorithm := range []string{"MD5", "MD5-sess", "SHA-256", "SHA-256-sess", "SHA-512-256", "SHA-512-256-sess"} {
		t.Run(algorithm, func(t *testing.T) {
			v := newVerifier(t, VerifierConfig{Algorithms: []string{algorithm}})
			var c Cache
			if err := c.Challenge("k", v.Challenges(false)); err != nil {
				t.Fatal(err)
			}
			for range 3 {
				h, _ := c.Authorize("k", "REGISTER", "sip:info.test", "alice", "secret", nil)
				if user, err := v.Verify(h, "REGISTER", nil, passwords); user != "alice" || err != nil {
					t.Fatalf("Verify(%s) = %q, %v", h, user, err)
				}
			}
		})
	}
}

func TestVerifyRefuses(t *testing.T) {
	v := newVerifier(t, VerifierConfig{})
	other := newVerifier(t, VerifierConfig{})
	answer := func(w *Verifier, user, password string) string {
		var c Cache
		if err := c.Challenge("k", w.Challenges(false)); err != nil {
			t.Fatal(err)
		}
		h, _ := c.Authorize("k", "REGISTER", "sip:info.test", user, password, nil)
		return h
	}
	good := answer(v, "alice", "secret")
	if _, err := v.Verify(good, "REGISTER", nil, passwords); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, header, method string
		want                 error
	}{
		{"nothing", "", "REGISTER", ErrNoDigest},
		{"wrong password", answer(v, "alice", "guess"), "REGISTER", ErrWrong},
		{"unknown user", answer(v, "mallory", ""), "REGISTER", ErrWrong},
		{"another method", answer(v, "alice", "secret"), "INVITE", ErrWrong},
		{"replay", good, "REGISTER", ErrStale},
		{"nonce of another server", answer(other, "alice", "secret"), "REGISTER", ErrStale},
		{"another realm", strings.Replace(answer(v, "alice", "secret"), "info.test", "enst.test", 1), "REGISTER", ErrWrong},
		{"algorithm not offered", strings.Replace(answer(v, "alice", "secret"), "SHA-256", "SHA-512-256", 1), "REGISTER", ErrWrong},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if user, err := v.Verify(tt.header, tt.method, nil, passwords); !errors.Is(err, tt.want) || user != "" {
				t.Errorf("Verify = %q, %v; want %v", user, err, tt.want)
			}
		})
	}
}

func TestVerifyCounts(t *testing.T) {
	v := newVerifier(t, VerifierConfig{Algorithms: []string{"MD5"}})
	ch, err := ParseChallenge(v.Challenges(false)[0])
	if err != nil {
		t.Fatal(err)
	}
	try := func(nc uint32, qop string) error {
		c := Credentials{Username: "alice", Realm: ch.Realm, Nonce: ch.Nonce, URI: "sip:h", QOP: qop, NC: nc, CNonce: "c"}
		c.Response, _ = c.expected("INVITE", "secret", nil)
		_, err := v.Verify(c.String(), "INVITE", nil, passwords)
		return err
	}
	steps := []struct {
		nc   uint32
		qop  string
		want error
	}{
		{1, "auth", nil},
		{1, "auth", ErrStale},
		{3, "auth", nil},
		{2, "auth", nil},
		{2, "auth", ErrStale},
		{0, "auth", ErrStale},
		{200, "auth", nil},
		{100, "auth", ErrStale},
		{199, "auth", nil},
		{1, "", ErrStale},
	}
	for i, s := range steps {
		if err := try(s.nc, s.qop); !errors.Is(err, s.want) {
			t.Errorf("step %d, nc %d: %v, want %v", i, s.nc, err, s.want)
		}
	}
}

func TestNonceExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVerifier(t, VerifierConfig{Lifetime: time.Minute})
		var c Cache
		if err := c.Challenge("k", v.Challenges(false)); err != nil {
			t.Fatal(err)
		}
		verify := func() error {
			h, _ := c.Authorize("k", "REGISTER", "sip:h", "alice", "secret", nil)
			_, err := v.Verify(h, "REGISTER", nil, passwords)
			return err
		}
		time.Sleep(time.Minute)
		if err := verify(); err != nil {
			t.Fatalf("after its lifetime to the second: %v", err)
		}
		time.Sleep(time.Second)
		if err := verify(); !errors.Is(err, ErrStale) {
			t.Fatalf("a second later: %v, want %v", err, ErrStale)
		}
	})
}

func TestReplayRecordsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVerifier(t, VerifierConfig{Algorithms: []string{"MD5"}, Lifetime: time.Hour})
		var first string
		for i := range maxNonces + 10 {
			time.Sleep(time.Millisecond)
			var c Cache
			if err := c.Challenge("k", v.Challenges(false)); err != nil {
				t.Fatal(err)
			}
			h, _ := c.Authorize("k", "REGISTER", "sip:h", "alice", "secret", nil)
			if _, err := v.Verify(h, "REGISTER", nil, passwords); err != nil {
				t.Fatalf("nonce %d: %v", i, err)
			}
			if i == 0 {
				first = h
			}
		}
		if len(v.used) > maxNonces {
			t.Errorf("%d records, want at most %d", len(v.used), maxNonces)
		}
		if _, err := v.Verify(first, "REGISTER", nil, passwords); !errors.Is(err, ErrStale) {
			t.Errorf("replay after its record was dropped: %v, want %v", err, ErrStale)
		}
	})
}

func TestNewVerifierChecks(t *testing.T) {
	if _, err := NewVerifier(VerifierConfig{}); err == nil {
		t.Error("no realm was taken")
	}
	if _, err := NewVerifier(VerifierConfig{Realm: "r", Algorithms: []string{"CRC32"}}); err == nil {
		t.Error("an unknown algorithm was taken")
	}
}
