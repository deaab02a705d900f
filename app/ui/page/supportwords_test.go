package page

import (
	"strings"
	"testing"
)

func TestTraceSummary(t *testing.T) {
	for _, tc := range []struct {
		name, text, want string
		alert            bool
	}{
		{"request", "INVITE sip:bob@info.test SIP/2.0\r\nCSeq: 1 INVITE\r\n\r\n", "INVITE bob@info.test", false},
		{"answer", "SIP/2.0 200 OK\r\nVia: x\r\ncseq : 7 REGISTER\r\n\r\n", "200 OK (REGISTER)", false},
		{"challenge", "SIP/2.0 407 Proxy Authentication Required\r\nCSeq: 7 INVITE\r\n\r\n", "407 Proxy Authentication Required (INVITE)", false},
		{"refusal", "SIP/2.0 486 Busy Here\r\nCSeq: 7 INVITE\r\n\r\n", "486 Busy Here (INVITE)", true},
		{"decline", "SIP/2.0 603 Decline\nCSeq: 7 INVITE\n\n", "603 Decline (INVITE)", true},
		{"no CSeq", "SIP/2.0 200 OK\r\n\r\n", "200 OK", false},
		{"CSeq in the body only", "SIP/2.0 200 OK\r\n\r\nCSeq: 1 X\r\n", "200 OK", false},
		{"keep-alive", "\r\n\r\n", "", false},
		{"nothing", "", "", false},
		{"answer without a code", "SIP/2.0 ", "", false},
		{"long", "INVITE sip:" + strings.Repeat("ü", 5000) + " SIP/2.0", "INVITE " + strings.Repeat("ü", 94), false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			what, alert := traceSummary(tc.text)
			if what != tc.want || alert != tc.alert {
				t.Errorf("got %q %v, want %q %v", what, alert, tc.want, tc.alert)
			}
		})
	}
}

func TestShortName(t *testing.T) {
	for name, want := range map[string]string{
		"Bob Keller": "Bob", "Chloé": "Chloé", "+49 30 1234567": "+49 30 1234567", "J. Úlfsson": "J.", "A B": "A B", "": "",
	} {
		if got := shortName(name); got != want {
			t.Errorf("shortName(%q): got %q, want %q", name, got, want)
		}
	}
}
