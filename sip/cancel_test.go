package sip

import (
	"strings"
	"testing"
	"time"
)

// slowAnswer is a phone that a scripted peer calls; the call is being answered by a media session that takes its time.
func slowAnswer(t *testing.T, l *lab) (u *phone, p *peer, media *talk, done <-chan error) {
	t.Helper()
	u, p = l.phone("10.0.0.1", nil), l.peer("10.0.0.2:5060")
	u.lan("alice")
	media = &talk{name: "alice", hold: make(chan struct{})}
	answered := make(chan error, 1)
	u.onCall = func(c *Call) {
		must(t, c.Ring(t.Context()))
		answered <- c.Answer(t.Context(), media)
	}
	return u, p, media, answered
}

func inviteLines(number, method string, more ...string) []string {
	return append([]string{
		"From: <sip:bob@10.0.0.2>;tag=b", "Call-ID: c", "CSeq: " + number + " " + method, "Contact: <sip:bob@10.0.0.2:5060>",
	}, more...)
}

// A CANCEL that comes while the call is being answered wins for good: the 487 has the tag of the 180, and is what is
// repeated until its ACK comes.
func TestCancelWhileAnswering(t *testing.T) {
	bubble(t, ms, func(t *testing.T, l *lab) {
		u, p, media, answered := slowAnswer(t, l)
		const to = "To: <sip:alice@10.0.0.1>"
		// Of a real size: who has not proven to receive anything gets three times its bytes, no more.
		offer := "v=0\r\no=bob\r\n" + strings.Repeat("a=more\r\n", 100)
		p.request("10.0.0.1:5060", "INVITE sip:alice@10.0.0.1", "i", offer, inviteLines("1", "INVITE", to)...)
		tag := tagIn(p.await("SIP/2.0 180").field("To"))
		p.request("10.0.0.1:5060", "CANCEL sip:alice@10.0.0.1", "i", "", inviteLines("1", "CANCEL", to)...)
		if got := tagIn(p.next("SIP/2.0 200").field("To")); got != tag {
			t.Errorf("the CANCEL was answered with tag %q, want %q", got, tag)
		}
		if got := tagIn(p.next("SIP/2.0 487").field("To")); got != tag {
			t.Errorf("the INVITE was answered with tag %q, want %q", got, tag)
		}
		close(media.hold)
		wantErr(t, <-answered, ErrEnded)
		if got := u.call(0).EndCause(); got.Reason != EndedCancelled || got.Err != nil {
			t.Errorf("the call ended as %+v", got)
		}
		for range 3 { // timer G: 0.5, 1, 2 s
			p.next("SIP/2.0 487")
		}
	})
}

// A cancelled re-INVITE leaves the call as it is.
func TestCancelledReinvite(t *testing.T) {
	for _, body := range []string{"v=0\r\no=bob again\r\n", ""} {
		bubble(t, ms, func(t *testing.T, l *lab) {
			u, p, media, answered := slowAnswer(t, l)
			close(media.hold)
			p.request("10.0.0.1:5060", "INVITE sip:alice@10.0.0.1", "i", "v=0\r\no=bob\r\n",
				inviteLines("1", "INVITE", "To: <sip:alice@10.0.0.1>")...)
			ok := p.await("SIP/2.0 200")
			to := "To: " + ok.field("To")
			p.request("10.0.0.1:5060", "ACK sip:alice@10.0.0.1", "a", "", inviteLines("1", "ACK", to)...)
			must(t, <-answered)
			media.slow(2 * time.Second)
			p.request("10.0.0.1:5060", "INVITE sip:alice@10.0.0.1", "r", body, inviteLines("2", "INVITE", to)...)
			time.Sleep(time.Second)
			p.request("10.0.0.1:5060", "CANCEL sip:alice@10.0.0.1", "r", "", inviteLines("2", "CANCEL", to)...)
			p.await("SIP/2.0 487")
			p.request("10.0.0.1:5060", "ACK sip:alice@10.0.0.1", "r", "", inviteLines("2", "ACK", to)...)
			p.drain()
			time.Sleep(time.Minute)
			if c := u.call(0); c.State() != Established || len(p.in) != 0 {
				t.Errorf("%v for %+v, %d messages", c.State(), c.EndCause(), len(p.in))
			}
			if body == "" && !strings.HasSuffix(media.String(), "offer 1; rollback") {
				t.Errorf("media %s: the offer nobody heard of stays", media)
			}
			media.slow(0)
			p.request("10.0.0.1:5060", "INVITE sip:alice@10.0.0.1", "s", "v=0\r\no=bob third\r\n", inviteLines("3", "INVITE", to)...)
			p.await("SIP/2.0 200")
		})
	}
}
