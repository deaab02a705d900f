package app

import (
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// pbx is a server as far as these tests need one: it registers everybody, answers SUBSCRIBE to a mailbox with a code,
// and sends what it is told to.
type pbx struct {
	t    *testing.T
	conn net.PacketConn
	code int // answer to SUBSCRIBE

	mu        sync.Mutex
	phone     net.Addr
	contact   string // of the registration
	subscribe string // the last SUBSCRIBE
	count     int    // of SUBSCRIBEs, without repetitions
	cseq      int
	seen      []string          // first lines of what came, for the log of a failure
	answers   map[string]string // status lines of responses, by CSeq
	notified  []string          // NOTIFYs that came
}

func newPBX(t *testing.T, code int) *pbx {
	t.Helper()
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &pbx{t: t, conn: conn, code: code, answers: map[string]string{}}
	var wg sync.WaitGroup
	wg.Go(p.serve)
	t.Cleanup(func() {
		_ = conn.Close()
		wg.Wait()
	})
	return p
}

func header(msg, name string) string {
	for line := range strings.SplitSeq(msg, "\r\n") {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.EqualFold(strings.TrimSpace(key), name) {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func (p *pbx) serve() {
	buf := make([]byte, 64<<10)
	for {
		n, from, err := p.conn.ReadFrom(buf)
		if err != nil {
			return
		}
		msg := string(buf[:n])
		p.mu.Lock()
		first, _, _ := strings.Cut(msg, "\r\n")
		p.seen = append(p.seen, first)
		switch method, _, _ := strings.Cut(msg, " "); method {
		case "REGISTER":
			p.phone = from
			if c := header(msg, "Contact"); c != "*" {
				p.contact, _, _ = strings.Cut(strings.TrimPrefix(c, "<"), ">")
			}
			p.answer(msg, from, 200, "Contact: "+header(msg, "Contact")+"\r\nExpires: 600\r\n")
		case "SUBSCRIBE":
			if header(msg, "Event") != "message-summary" || !strings.HasPrefix(msg, "SUBSCRIBE sip:alice@info.test SIP/2.0") {
				p.answer(msg, from, 489, "")
				break
			}
			if header(msg, "Call-ID") != header(p.subscribe, "Call-ID") {
				p.count++
			}
			p.subscribe = msg
			p.answer(msg, from, p.code, "Contact: <sip:box@"+p.conn.LocalAddr().String()+">\r\nExpires: 600\r\n")
		case "SIP/2.0":
			p.answers[header(msg, "CSeq")] = first
		case "NOTIFY":
			p.notified = append(p.notified, msg)
			p.answer(msg, from, 200, "")
		}
		p.mu.Unlock()
	}
}

func (p *pbx) answer(msg string, to net.Addr, code int, extra string) {
	tag := ";tag=pbx"
	if strings.Contains(header(msg, "To"), "tag=") {
		tag = ""
	}
	p.send(to, fmt.Sprintf("SIP/2.0 %d X\r\nVia: %s\r\nFrom: %s\r\nTo: %s%s\r\nCall-ID: %s\r\nCSeq: %s\r\n%sContent-Length: 0\r\n\r\n",
		code, header(msg, "Via"), header(msg, "From"), header(msg, "To"), tag, header(msg, "Call-ID"), header(msg, "CSeq"), extra))
}

func (p *pbx) send(to net.Addr, msg string) {
	if _, err := p.conn.WriteTo([]byte(msg), to); err != nil {
		p.t.Error(err)
	}
}

// notify sends a summary, in the subscription or outside of any.
func (p *pbx) notify(inside bool, state, body string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cseq++
	from, to, id := "<sip:alice@info.test>;tag=pbx", header(p.subscribe, "From"), header(p.subscribe, "Call-ID")
	if !inside {
		from, to, id = "<sip:asterisk@info.test>;tag=u", "<sip:alice@info.test>", fmt.Sprint("unasked", p.cseq)
	}
	p.send(p.phone, fmt.Sprintf("NOTIFY %s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bK%d\r\nMax-Forwards: 70\r\n"+
		"From: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %d NOTIFY\r\nContact: <sip:box@%s>\r\nEvent: message-summary\r\n"+
		"Subscription-State: %s\r\nContent-Type: application/simple-message-summary\r\nContent-Length: %d\r\n\r\n%s",
		p.contact, p.conn.LocalAddr(), p.cseq, from, to, id, p.cseq, p.conn.LocalAddr(), state, len(body), body))
}

// watch forwards a SUBSCRIBE of somebody to the lamp of the phone, and gives the CSeq of its answer.
func (p *pbx) watch(who string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cseq++
	p.send(p.phone, fmt.Sprintf("SUBSCRIBE %s SIP/2.0\r\nVia: SIP/2.0/UDP %[2]s;branch=z9hG4bKs%[3]d\r\nMax-Forwards: 70\r\n"+
		"Record-Route: <sip:%[2]s;lr>\r\nFrom: <sip:%[4]s>;tag=w%[3]d\r\nTo: <sip:alice@info.test>\r\nCall-ID: watch%[3]d\r\n"+
		"CSeq: %[3]d SUBSCRIBE\r\nContact: <sip:%[4]s>\r\nEvent: dialog\r\nAccept: application/dialog-info+xml\r\n"+
		"Expires: 600\r\nContent-Length: 0\r\n\r\n", p.contact, p.conn.LocalAddr(), p.cseq, who))
	return fmt.Sprint(p.cseq, " SUBSCRIBE")
}

// await waits until the server has seen something.
func (p *pbx) await(what string, ok func() bool) {
	p.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		p.mu.Lock()
		good := ok()
		p.mu.Unlock()
		if good {
			return
		}
	}
	p.t.Fatalf("waited in vain for: %s; came:\n%s", what, strings.Join(p.seen, "\n"))
}

// startAlice runs an engine with an account at the server.
func startAlice(t *testing.T, p *pbx) *Engine {
	t.Helper()
	e, _ := startEngine(t, t.TempDir(), freePort(t))
	must(t, e.AddAccount(t.Context(), AccountSpec{
		Address: "alice@info.test", Proxy: p.conn.LocalAddr().String(), Transport: "udp", Password: "x", PasswordStore: "file",
	}))
	awaitSnapshot(t, e, "registration", func(s Snapshot) bool {
		return len(s.Accounts) == 1 && s.Accounts[0].State == AccountRegistered
	})
	return e
}

func boxIs(t *testing.T, e *Engine, want Voicemail) {
	t.Helper()
	awaitSnapshot(t, e, fmt.Sprintf("mailbox %+v", want), func(s Snapshot) bool { return s.Accounts[0].Voicemail == want })
}

// TestVoicemail: a registered account subscribes to its mailbox and shows what it is told, also unasked.
func TestVoicemail(t *testing.T) {
	p := newPBX(t, 200)
	e := startAlice(t, p)
	p.await("the subscription", func() bool { return p.count >= 1 })
	if got := header(p.subscribe, "Accept"); got != "application/simple-message-summary" {
		t.Errorf("Accept: %q", got)
	}
	p.notify(true, "active;expires=600", "Messages-Waiting: yes\r\nMessage-Account: sip:*97@info.test\r\nVoice-Message: 2/1 (0/0)\r\n")
	boxIs(t, e, Voicemail{Waiting: true, New: 2, Old: 1, Address: "sip:*97@info.test"})
	p.notify(false, "active", "Messages-Waiting: yes\r\n")
	boxIs(t, e, Voicemail{Waiting: true, New: -1})
	p.notify(true, "active;expires=600", "Messages-Waiting: no\r\nVoice-Message: 0/3 (0/0)\r\n")
	boxIs(t, e, Voicemail{Old: 3})
	p.notify(false, "active", "nonsense")
	p.await("an answer to each NOTIFY", func() bool { return len(p.answers) >= 4 })
	for i, want := range []string{" 200 ", " 200 ", " 200 ", " 400 "} {
		if got := p.answers[fmt.Sprint(i+1, " NOTIFY")]; !strings.Contains(got, want) {
			t.Errorf("answer %d: %s, want%s", i+1, got, want)
		}
	}
	boxIs(t, e, Voicemail{Old: 3})
	must(t, e.RemoveAccount(t.Context(), "alice@info.test"))
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.voicemail.boxes) != 0 {
		t.Errorf("mailboxes left: %v", e.voicemail.boxes)
	}
}

// TestNoVoicemail: a server without mailboxes is left alone, quietly; what it tells unasked counts all the same.
func TestNoVoicemail(t *testing.T) {
	for _, code := range []int{403, 404, 405, 489} {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			p := newPBX(t, code)
			e := startAlice(t, p)
			p.await("the subscription", func() bool { return p.count >= 1 })
			p.notify(false, "terminated;reason=timeout", "Messages-Waiting: yes\r\nVoice-Message: 1/0\r\n")
			boxIs(t, e, Voicemail{Waiting: true, New: 1})
			s := e.Snapshot()
			p.mu.Lock()
			defer p.mu.Unlock()
			// One for the registration, and one if the news that the network is up came after it.
			if p.count > 2 || len(s.Notices) != 0 || s.Accounts[0].State != AccountRegistered {
				t.Errorf("%d subscriptions, notices %+v, account %+v", p.count, s.Notices, s.Accounts[0])
			}
		})
	}
}
