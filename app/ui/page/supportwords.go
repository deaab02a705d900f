package page

import (
	"fmt"
	"strings"
	"time"

	"github.com/peregrine-softphone/peregrine/app"
)

// summaryMost bounds the line of a message in bytes: no row is wider.
const summaryMost = 200

// traceSummary tells in a few words what a SIP message is: the method and whom it is for, or the
// answer and to what. alert says that it is a refusal.
func traceSummary(text string) (what string, alert bool) {
	first, _, _ := strings.Cut(text, "\n")
	first = strings.ToValidUTF8(strings.TrimRight(first[:min(len(first), summaryMost)], "\r"), "")
	if answer, ok := strings.CutPrefix(first, "SIP/2.0 "); ok {
		_, method, _ := strings.Cut(headerValue(text, "cseq"), " ")
		alert = answer != "" && answer[0] >= '4' && answer[0] <= '6' &&
			!strings.HasPrefix(answer, "401") && !strings.HasPrefix(answer, "407") // a challenge is no refusal
		if method = strings.TrimSpace(method); method != "" {
			answer += " (" + method + ")"
		}
		return answer, alert
	}
	method, rest, _ := strings.Cut(first, " ")
	target, _, _ := strings.Cut(rest, " ")
	return strings.TrimSpace(method + " " + ShowAddress(target)), false
}

// headerValue is the value of the first header with this name, in small letters, or "".
func headerValue(text, name string) string {
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		if line == "" {
			return "" // the body begins
		}
		key, value, ok := strings.Cut(line, ":")
		if ok && strings.EqualFold(strings.TrimSpace(key), name) {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// supportFigures are the accounts and calls with all their figures, in English: they are for whoever
// helps, to be copied.
func supportFigures(snap app.Snapshot, now time.Time) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	up := "down"
	if snap.Network.Up {
		up = "up"
	}
	line("network   %s, %s, %s", up, orNone(snap.Network.Link), orNone(snap.Network.Address))
	line("time      %s", now.Format(time.RFC3339))
	line("shield    %d packets silenced, %d over their rate, %d from elsewhere",
		snap.Shield.Silenced, snap.Shield.Limited, snap.Shield.Spoofed)
	for _, a := range snap.Accounts {
		line("")
		line("account   %s (%s)", ShowAddress(a.Address), a.Kind)
		line("  state     %s", a.State)
		if a.Detail != "" {
			line("  detail    %s", a.Detail)
		}
		line("  server    %s", orNone(a.Server))
		line("  contact   %s", orNone(a.Contact))
		line("  expires   %d s", a.ExpiresIn)
		line("  transport %s, proxy %s, verify %s", orNone(a.Transport), orNone(a.Proxy), orNone(string(a.Verify)))
	}
	for _, c := range snap.Calls {
		if c.State == app.CallEnded {
			continue
		}
		callFigures(line, c, now)
	}
	return b.String()
}

func callFigures(line func(string, ...any), c app.Call, now time.Time) {
	q := c.Quality
	line("")
	line("call %-4s %s", c.ID, ShowAddress(c.Peer))
	line("  state     %s, by %s", c.State, orNone(ShowAddress(c.Account)))
	line("  codec     %s of %s", orNone(c.Codec), orNone(strings.Join(c.Codecs, ", ")))
	line("  secure    signalling %t, sound %s", c.Secure, orNone(c.Encryption))
	line("  packets   %d sent, %d received, %d lost", q.PacketsSent, q.PacketsReceived, q.Lost)
	line("  loss      %.1f %%", q.LossPercent)
	line("  jitter    %.1f ms, buffer %.0f ms", q.JitterMS, q.DelayMS)
	line("  roundtrip %.0f ms", q.RTTMS)
	line("  mos       %.1f", q.MOS)
	for _, h := range c.HandOffs {
		line("  hand-off  %s to %s (%s): silence heard %s, sent %s", clock(h.At, now), h.To, h.Link,
			millis(h.GapInMS), millis(h.GapOutMS))
	}
}

func orNone(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
