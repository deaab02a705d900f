package sip

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"

	"github.com/peregrine-softphone/peregrine/sip/resolve"
)

// locked is a media session that can ask for its keys in so many other ways.
type locked struct {
	*talk
	ways int
}

func (m *locked) NextKeys() bool {
	if m.ways == 0 {
		return false
	}
	m.ways--
	m.note("other keys")
	return true
}

func (m *locked) Offer(ctx context.Context) ([]byte, error) { return m.talk.Offer(ctx) }

// TestOtherKeysAfter488: the INVITE goes out again as long as there is another way to ask for keys, and no longer.
func TestOtherKeysAfter488(t *testing.T) {
	for _, tt := range []struct {
		name    string
		refuses int
		want    string
		state   CallState
	}{
		{"second taken", 1, "offer 1; other keys; offer 2; accept bob answer to alice offer 2", Established},
		{"none taken", 9, "offer 1; other keys; offer 2; other keys; offer 3", Ended},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, 10*ms, func(t *testing.T, l *lab) {
				_, bob, a := pair(l)
				refuse := tt.refuses
				bob.onCall = func(c *Call) {
					m := &talk{name: "bob"}
					if refuse--; refuse >= 0 {
						m.fail = errors.New("no such keys")
						wantErr(t, c.Answer(t.Context(), m), ErrMedia)
						return
					}
					must(t, c.Answer(t.Context(), m))
				}
				media := &locked{&talk{name: "alice"}, 2}
				c, err := a.Invite(t.Context(), bobURI(), media, CallOptions{})
				must(t, err)
				time.Sleep(2 * time.Second)
				if got := media.String(); got != tt.want {
					t.Errorf("media:\n %s, want\n %s", got, tt.want)
				}
				if c.State() != tt.state {
					t.Errorf("state %v (%+v)", c.State(), c.EndCause())
				}
				if tt.state == Established {
					must(t, c.Hangup(t.Context()))
				}
			})
		})
	}
}

func TestKeysStayOutOfTheClear(t *testing.T) {
	const key = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz\r\n"
	const body = "v=0\r\nm=audio 4000 RTP/AVP 0\r\n" + key + "a=sendrecv\r\n"
	for transport, want := range map[string]bool{"udp": false, "tcp": false, "ws": false, "tls": true, "wss": true} {
		req := sipmsg.NewRequest(sipmsg.INVITE, sipmsg.Uri{Scheme: "sip", Host: "example.org"})
		req.SetBody([]byte(body))
		hideKeys(req, hop{target: resolve.Target{Transport: transport}})
		got := string(req.Body())
		if strings.Contains(got, "inline:") != want {
			t.Errorf("%s: %q", transport, got)
		}
		if got != strings.ReplaceAll(body, key, "") && !want {
			t.Errorf("%s: more is gone than the key: %q", transport, got)
		}
		if h := req.ContentLength(); h == nil || int(*h) != len(got) {
			t.Errorf("%s: Content-Length %v of %d", transport, h, len(got))
		}
	}
}
