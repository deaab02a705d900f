package mailbox

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/peregrine-softphone/peregrine/sip/uri"
)

func mustURI(t testing.TB, s string) uri.URI {
	t.Helper()
	u, err := uri.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// show writes a summary for comparison: a URI is not comparable.
func show(s Summary) string {
	return fmt.Sprintf("waiting %t, %q, known %t, %d/%d, urgent %d", s.Waiting, s.Account, s.Known, s.New, s.Old, s.Urgent)
}

// TestDecode: documents as servers write them, and as they should not.
func TestDecode(t *testing.T) {
	box := mustURI(t, "sip:alice@vmail.example.com")
	tests := []struct {
		name, body string
		want       Summary
		err        error
	}{
		{
			"RFC 3842 4.1", "Messages-Waiting: yes\r\nMessage-Account: sip:alice@vmail.example.com\r\nVoice-Message: 2/8 (0/2)\r\n",
			Summary{Waiting: true, Account: box, Known: true, New: 2, Old: 8},
			nil,
		},
		{"RFC 3842, status alone", "Messages-Waiting: no\r\n", Summary{}, nil},
		{
			"Asterisk", "Messages-Waiting: yes\r\nMessage-Account: sip:asterisk@192.0.2.1\r\nVoice-Message: 1/0 (0/0)\r\n",
			Summary{Waiting: true, Account: mustURI(t, "sip:asterisk@192.0.2.1"), Known: true, New: 1},
			nil,
		},
		{
			"FreeSWITCH", "Messages-Waiting: yes\r\nMessage-Account: sip:1000@192.0.2.1\r\nVoice-Message: 3/1 (1/0)\r\n",
			Summary{Waiting: true, Account: mustURI(t, "sip:1000@192.0.2.1"), Known: true, New: 3, Old: 1, Urgent: 1},
			nil,
		},
		{
			"other classes", "Messages-Waiting: yes\r\nFax-Message: 5/0\r\nVoice-Message: 0/2\r\n",
			Summary{Waiting: true, Known: true, Old: 2},
			nil,
		},
		{
			"headers of messages behind", "Messages-Waiting: no\r\nVoice-Message: 0/1\r\n\r\nTo: <sip:a@b>\r\nMessages-Waiting: yes\r\n",
			Summary{Known: true, Old: 1},
			nil,
		},
		{
			"bare line feeds and spaces", " messages-waiting :YES \n voice-message : 4 / 5 ( 1 / 1 ) \n",
			Summary{Waiting: true, Known: true, New: 4, Old: 5, Urgent: 1},
			nil,
		},
		{"byte order mark", "\xEF\xBB\xBFMessages-Waiting: yes", Summary{Waiting: true}, nil},
		{
			"account in brackets", "Messages-Waiting: no\nMessage-Account: \"Box\" <sip:alice@vmail.example.com>;x=1\n",
			Summary{Account: box},
			nil,
		},
		{"account that is none", "Messages-Waiting: no\nMessage-Account: alice\n", Summary{}, nil},
		{"no status, new messages", "Voice-Message: 1/0\r\n", Summary{Waiting: true, Known: true, New: 1}, nil},
		{"no status, none new", "Voice-Message: 0/3\r\n", Summary{Known: true, Old: 3}, nil},
		{"no old count", "Messages-Waiting: yes\r\nVoice-Message: 2\r\n", Summary{Waiting: true, Known: true, New: 2}, nil},
		{
			"huge counts", "Messages-Waiting: yes\r\nVoice-Message: 99999999999999999999999/1000001\r\n",
			Summary{Waiting: true, Known: true, New: maxCount, Old: maxCount},
			nil,
		},
		{"negative count", "Messages-Waiting: yes\r\nVoice-Message: -1/0\r\n", Summary{Waiting: true}, nil},
		{"words for counts", "Messages-Waiting: yes\r\nVoice-Message: many\r\n", Summary{Waiting: true}, nil},
		{"empty", "", Summary{}, ErrNoStatus},
		{"something else", "<presence/>", Summary{}, ErrNoStatus},
		{"neither yes nor no", "Messages-Waiting: perhaps\r\n", Summary{}, ErrNoStatus},
		{"too large", "Messages-Waiting: yes\r\n" + strings.Repeat("x", MaxDocument), Summary{}, ErrTooLarge},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Decode([]byte(tt.body))
			if show(got) != show(tt.want) || !errors.Is(err, tt.err) {
				t.Errorf("got %+v, %v; want %+v, %v", got, err, tt.want, tt.err)
			}
		})
	}
}

func TestEncode(t *testing.T) {
	s := Summary{Waiting: true, Account: mustURI(t, "sip:alice@vmail.example.com"), Known: true, New: 2, Old: 8, Urgent: 1}
	const want = "Messages-Waiting: yes\r\nMessage-Account: sip:alice@vmail.example.com\r\nVoice-Message: 2/8 (1/0)\r\n"
	if got := string(Encode(s)); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// FuzzDecode: nothing panics, the bounds hold, and what was understood survives being written and read again.
func FuzzDecode(f *testing.F) {
	f.Add([]byte("Messages-Waiting: yes\r\nMessage-Account: sip:a@b\r\nVoice-Message: 2/8 (0/2)\r\n"))
	f.Add([]byte("voice-message: 99999999999999999999/ 1 ((("))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := Decode(data)
		if err != nil {
			return
		}
		if s.New < 0 || s.Old < 0 || s.Urgent < 0 || max(s.New, s.Old) > maxCount || s.Urgent > s.New {
			t.Fatalf("out of bounds: %+v", s)
		}
		again, err := Decode(Encode(s))
		if err != nil || again.Waiting != s.Waiting || again.New != s.New || again.Account.String() != s.Account.String() {
			t.Fatalf("got %+v, %v; want %+v", again, err, s)
		}
	})
}
