package sip

import (
	"strings"
	"testing"
)

// Every event in every state.
func TestReferTable(t *testing.T) {
	names := [referStates]string{"asked", "accepted", "trying", "succeeded", "failed", "unknown"}
	events := [referEvents]string{"2xx", "2xx-quiet", "refused", "1xx", "success", "failure", "nothing", "timeout"}
	want := `
asked:     2xx=accepted 2xx-quiet=unknown refused=failed 1xx=trying success=succeeded failure=failed nothing=unknown timeout=asked
accepted:  2xx=accepted 2xx-quiet=unknown refused=failed 1xx=trying success=succeeded failure=failed nothing=unknown timeout=unknown
trying:    2xx=trying 2xx-quiet=unknown refused=failed 1xx=trying success=succeeded failure=failed nothing=unknown timeout=unknown
succeeded: 2xx=succeeded 2xx-quiet=succeeded refused=succeeded 1xx=succeeded success=succeeded failure=succeeded nothing=succeeded timeout=succeeded
failed:    2xx=failed 2xx-quiet=failed refused=failed 1xx=failed success=failed failure=failed nothing=failed timeout=failed
unknown:   2xx=unknown 2xx-quiet=unknown refused=unknown 1xx=unknown success=unknown failure=unknown nothing=unknown timeout=unknown`
	rows := map[string][]string{}
	for line := range strings.SplitSeq(strings.TrimSpace(want), "\n") {
		state, cells, _ := strings.Cut(line, ":")
		rows[state] = strings.Fields(cells)
	}
	for state := range referStates {
		for event := range referEvents {
			got := events[event] + "=" + names[referTable[state][event]]
			if cell := rows[names[state]][event]; got != cell {
				t.Errorf("%s: %s, want %s", names[state], got, cell)
			}
		}
	}
}

func TestFragStatus(t *testing.T) {
	tests := []struct {
		body, reason string
		code         int
	}{
		{"SIP/2.0 200 OK\r\n", "OK", 200},
		{"SIP/2.0 486 Busy Here\r\nWarning: 399 x \"y\"\r\n\r\n", "Busy Here", 486},
		{"sip/2.0  100   Trying", "Trying", 100},
		{"SIP/2.0 180", "", 180},
		{"SIP/2.0 603 \x00De\xffcline\n", "Decline", 603},
		{"SIP/2.0 99 Low", "", 0},
		{"SIP/2.0 700 High", "", 0},
		{"SIP/2.0 -1 x", "", 0},
		{"SIP/2.0 2x0 OK", "", 0},
		{"SIP/1.0 200 OK", "", 0},
		{"INVITE sip:a@b SIP/2.0", "", 0},
		{"", "", 0},
		{"\r\n", "", 0},
	}
	for _, test := range tests {
		if code, reason := fragStatus([]byte(test.body)); code != test.code || reason != test.reason {
			t.Errorf("%q: %d %q, want %d %q", test.body, code, reason, test.code, test.reason)
		}
	}
}

func FuzzFragStatus(f *testing.F) {
	f.Add([]byte("SIP/2.0 200 OK\r\n"))
	f.Add([]byte("SIP/2.0 \xff\n"))
	f.Fuzz(func(t *testing.T, body []byte) {
		if code, reason := fragStatus(body); code != 0 && (code < 100 || code > 699) || strings.ContainsAny(reason, "\r\n") {
			t.Errorf("%q gives %d %q", body, code, reason)
		}
	})
}
