//go:build lab

package lab

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestTransferAskedByBaresip: bob's baresip hands alice on to carol, who uses linphonec.
func TestTransferAskedByBaresip(t *testing.T) {
	t.Parallel()
	w := newTransferWorld(t, false, map[string]string{"transfers": "allow"})
	id := w.call(t, w.bob)
	mark := w.alice.Mark()
	_, err := w.bob.(*baresipTalker).b.Command(t.Context(), "transfer", w.carol.address())
	must(t, err)
	w.handedOn(t, mark, id)
}

// TestDTMFToLinphone: linphonec shows the tones it gets by RFC 4733 one by one.
func TestDTMFToLinphone(t *testing.T) {
	t.Parallel()
	l := newLab(t, Config{})
	files := suiteSpeech(t)
	p, err := l.Correspondent(0).StartLinphone(t.Context(), LinphoneConfig{User: "bob", Domain: Info, Play: files.Wide})
	must(t, err)
	alice := newPhone(t, &l.Mobile(0).Host, PhoneConfig{User: "alice", Domain: Info, Set: map[string]string{
		"audio.input": "file:" + files.Wide, "audio.output": "none", "codecs": "PCMU",
	}})
	c := startInCall(t, alice, &linphoneTalker{p: p})
	const digits = "159D*#0"
	mark := p.OutputSize()
	must(t, alice.Do(t.Context(), "dtmf", c.id, digits))
	var got strings.Builder
	err = poll(within(t, 8*time.Second), 50*time.Millisecond, func() (bool, error) {
		got.Reset()
		for _, m := range regexp.MustCompile(`Receiving tone (\S)`).FindAllStringSubmatch(fileFrom(p.proc.log, mark), -1) {
			got.WriteString(m[1])
		}
		return got.Len() >= len(digits), nil
	})
	if err != nil || got.String() != digits {
		t.Errorf("linphonec got the tones %q, want %q: %s", got.String(), digits, tail(fileFrom(p.proc.log, mark), 1000))
	}
	must(t, alice.Do(t.Context(), "hangup", c.id))
}

// TestTwinkleLamp: it tells no lamp and says so, and is asked no more than that.
func TestTwinkleLamp(t *testing.T) {
	t.Parallel()
	l := newLab(t, Config{})
	bob := startTwinkle(t, l, 0, TwinkleConfig{User: "bob"})
	alice := newPhone(t, &l.Mobile(0).Host, PhoneConfig{User: "alice", Domain: Info})
	capture, err := l.Mobile(0).Capture()
	must(t, err)
	must(t, alice.AddBuddy(t.Context(), bob.address()))
	must(t, alice.Do(t.Context(), "buddy", "lamp", bob.address(), "watch"))
	must(t, waitSIP(within(t, 10*time.Second), capture, `(?s)^SUBSCRIBE .*Event: dialog`))
	time.Sleep(2 * time.Second)
	packets, err := capture.Stop()
	must(t, err)
	asked, answers := 0, ""
	for _, p := range packets {
		if bytes.HasPrefix(p.Payload, []byte("SUBSCRIBE ")) && bytes.Contains(p.Payload, []byte("Event: dialog")) {
			asked++
		}
		if m := regexp.MustCompile(`(?s)^(SIP/2\.0 [2-6]\d\d) .*CSeq: \d+ SUBSCRIBE`).FindSubmatch(p.Payload); m != nil {
			answers += fmt.Sprintf("%s; ", m[1])
		}
	}
	t.Logf("asked %d times for the lamp; all SUBSCRIBEs, those for presence too, were answered %s", asked, answers)
	if asked > 3 { // once with credentials, once without, one repetition
		t.Errorf("asked %d times in 2 s", asked)
	}
	if !strings.Contains(answers, "489") {
		t.Errorf("no 489 among the answers %s", answers)
	}
	waitLamp(t, alice, bob.address(), "unknown")
}
