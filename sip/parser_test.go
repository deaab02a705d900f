package sip

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	sipmsg "github.com/emiago/sipgo/sip"

	"github.com/peregrine-softphone/peregrine/sip/syntax"
	"github.com/peregrine-softphone/peregrine/sip/uri"
)

func TestParser(t *testing.T) {
	parse := newParser()
	msg, err := parse([]byte("DANCE! sip:a@b SIP/2.0\r\nv : SIP / 2.0/UDP [::1] : 5070 ;\r\n branch=z9hG4bK1;x=\"a;branch=z9hG4bK2\", SIP/2.0/TCP c\r\n" +
		"f: \"A \\\"\" <sip:a@b>;x=\"1;tag=2\" ; TAG = 3;y=\"a b\"\r\nt: sip:b@c ; tag=4\r\ni: 5\r\nCSeq: 06  DANCE!\r\n" +
		"m: \"x, \\\"y\" <sip:a;b>,<sip:c>\r\nl: 1\r\nc: text/plain\r\n\r\nhello"))
	must(t, err)
	req, ok := msg.(*sipmsg.Request)
	if !ok {
		t.Fatal("no request")
	}
	via := req.Via()
	got := fmt.Sprint(req.Method, " ", via.Host, " ", via.Port, " ", via.Params.GetOr("branch", ""), " ", tagOf(req.From()), " ",
		tagOf(req.To()), " ", req.CSeq().SeqNo, " ", len(req.GetHeaders("Via")), " ", string(req.Body()), " ", contacts(req))
	const want = `DANCE! ::1 5070 z9hG4bK1 3 4 6 2 h ["x, \"y" <sip:a;b> <sip:c>]`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if text := req.From().Value(); text != `"A \"" <sip:a@b>;x="1;tag=2";tag=3;y="a b"` {
		t.Errorf("From is given back as %s", text)
	}
	if _, err := parse([]byte("INVITE sip:a SIP/2.0\r\n\r\n")); err == nil || !strings.Contains(err.Error(), "Missing Via (RFC 3261 8.1.1.7)") {
		t.Error(err)
	}
}

// FuzzParser is the difference between two readers: what package syntax takes, sipgo must parse, and both must see the
// same identifiers. A response made of it must be one that package syntax takes.
func FuzzParser(f *testing.F) {
	files, err := filepath.Glob("syntax/testdata/rfc*/*.dat")
	if err != nil || len(files) == 0 {
		f.Fatal(err)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	parse := newParser()
	f.Fuzz(func(t *testing.T, raw []byte) {
		v := syntax.Check(raw)
		msg, err := parse(raw)
		if !v.OK() {
			if err == nil {
				t.Fatal("parsed what was refused")
			}
			return
		}
		if err != nil {
			if strings.Contains(err.Error(), "IPV6") { // sipgo reads no zone of more than some bytes
				return
			}
			t.Fatalf("%v: %q", err, v.Message)
		}
		head, body, _ := bytes.Cut(v.Message, []byte("\r\n\r\n"))
		if !bytes.Equal(body, msg.Body()) {
			t.Fatalf("body %q, want %q", msg.Body(), body)
		}
		sameHeaders(t, msg, strings.Split(string(head), "\r\n")[1:])
		req, ok := msg.(*sipmsg.Request)
		if !ok {
			return
		}
		if string(req.Method) != v.Method {
			t.Fatalf("method %q, want %q", req.Method, v.Method)
		}
		req.SetSource("192.0.2.1:5060")
		answer := []byte(sipmsg.NewResponseFromRequest(req, 400, "x", nil).String())
		if w := syntax.Check(answer); !w.OK() && v.Method != "ACK" && len(req.GetHeaders("Via")) == 1 {
			t.Fatalf("%s: answer %q\nto %q", w.Reason, answer, v.Message)
		}
		if _, err := uri.Parse(req.Recipient.String()); err != nil {
			t.Fatalf("Request-URI %q: %v", req.Recipient.String(), err)
		}
	})
}

// sameHeaders compares what sipgo has read with the lines it was read from.
func sameHeaders(t *testing.T, msg sipmsg.Message, lines []string) {
	t.Helper()
	want := map[string][]string{}
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ":")
		want[strings.ToLower(name)] = append(want[strings.ToLower(name)], strings.Trim(value, " \t"))
	}
	tag := func(name string) string {
		_, _, rest, _ := syntax.Address(want[name][0])
		return textParam(rest, "tag")
	}
	if got := tagOf(msg.From()); got != tag("from") {
		t.Fatalf("From tag %q, want %q", got, tag("from"))
	}
	if got := tagOf(msg.To()); got != tag("to") {
		t.Fatalf("To tag %q, want %q", got, tag("to"))
	}
	if got := msg.CallID().Value(); got != want["call-id"][0] {
		t.Fatalf("Call-ID %q, want %q", got, want["call-id"][0])
	}
	number, method, _ := strings.Cut(want["cseq"][0], " ")
	if got := msg.CSeq(); fmt.Sprint(got.SeqNo) != strings.TrimLeft(number[:len(number)-1], "0")+number[len(number)-1:] || string(got.MethodName) != method {
		t.Fatalf("CSeq %v, want %q", got, want["cseq"][0])
	}
	vias := msg.GetHeaders("Via")
	if len(vias) != len(want["via"]) {
		t.Fatalf("%d Vias, want %q", len(vias), want["via"])
	}
	for i, h := range vias {
		via, ok := h.(*sipmsg.ViaHeader)
		sentBy, _, _ := strings.Cut(want["via"][i], ";")
		if got := via.Params.GetOr("branch", ""); !ok || got != textParam(want["via"][i][len(sentBy):], "branch") {
			t.Fatalf("branch %q of Via %q", got, want["via"][i])
		}
		via = via.Clone()
		via.Params = nil
		if host, _, _ := strings.Cut(via.Value(), "]"); !strings.HasPrefix(strings.ToLower(sentBy), strings.ToLower(host)) && via.Port == 0 {
			t.Fatalf("Via %q, want %q", via.Value(), sentBy)
		}
	}
	for name, values := range want {
		if got := msg.GetHeaders(name); len(got) != len(values) {
			t.Fatalf("%d times %s, want %d", len(got), name, len(values))
		}
	}
}

// textParam looks up a parameter as the text has it.
func textParam(text, want string) string {
	for name, value := range syntax.Params(text) {
		if name == want {
			return value
		}
	}
	return ""
}
