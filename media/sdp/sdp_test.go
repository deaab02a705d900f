package sdp

import (
	"bytes"
	"errors"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func local(names ...string) Local {
	known := map[string]Format{
		"opus": {111, "opus", 48000, 2, "useinbandfec=1"},
		"PCMU": {0, "PCMU", 8000, 1, ""},
		"PCMA": {8, "PCMA", 8000, 1, ""},
		"L16":  {118, "L16", 16000, 1, ""},
	}
	l := Local{Addr: netip.MustParseAddr("198.51.100.2"), Port: 5000, RTCPPort: 5001, Events: true, PTime: 20}
	for _, n := range names {
		l.Formats = append(l.Formats, known[n])
	}
	return l
}

func parse(t *testing.T, text string) *Description {
	t.Helper()
	d, err := Parse([]byte(text))
	if err != nil {
		t.Fatalf("parse %q: %v", text, err)
	}
	return d
}

// offerOf makes a description with one or more media sections.
func offerOf(sections ...string) string {
	return "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n" + strings.Join(sections, "")
}

// TestAnswerGolden answers the offers of real peers. The answers are golden files beside them.
func TestAnswerGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.offer.sdp")
	if err != nil || len(files) < 4 {
		t.Fatalf("offers %v, %v", files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got, _, err := NewNegotiation("-", 7).Answer(local("opus", "PCMU", "PCMA"), parse(t, string(text)))
			if err != nil {
				t.Fatal(err)
			}
			golden := strings.TrimSuffix(file, ".offer.sdp") + ".answer.sdp"
			if *update {
				if err := os.WriteFile(golden, got, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func TestParse(t *testing.T) {
	d := parse(t, "v=0\no=bob 12 34 IN IP6 2001:db8::1\ns=x\nc=IN IP4 224.2.1.1/127/3\nb=AS:80\nt=0 0\n"+
		"z=junk\nnonsense\na=sendonly\nm=audio 49170/2 RTP/AVP 0 97 \na=rtpmap:97 opus/48000/2 \n"+
		"m=video 0 RTP/AVP 31\nc=IN IP4 host.example\n")
	want := &Description{
		Origin: Origin{"bob", 12, 34, netip.MustParseAddr("2001:db8::1")}, Name: "x",
		Conn: netip.MustParseAddr("224.2.1.1"), Times: []string{"0 0"}, Attributes: []Attribute{{"sendonly", ""}},
		Media: []Media{
			{
				Kind: "audio", Port: 49170, Proto: "RTP/AVP", Formats: []string{"0", "97"},
				Attributes: []Attribute{{"rtpmap", "97 opus/48000/2"}},
			},
			{Kind: "video", Proto: "RTP/AVP", Formats: []string{"31"}, HasConn: true},
		},
	}
	if !reflect.DeepEqual(d, want) {
		t.Errorf("got  %+v\nwant %+v", d, want)
	}
	for name, text := range map[string]string{
		"empty": "", "no version": "o=- 1 1 IN IP4 1.2.3.4\r\n", "version 1": "v=1\r\n", "port": "v=0\r\nm=audio x RTP/AVP 0\r\n",
		"port too high": "v=0\r\nm=audio 65536 RTP/AVP 0\r\n", "short m": "v=0\r\nm=audio 1\r\n",
		"too long": "v=0\r\n" + strings.Repeat("a=x\r\n", MaxSize/5), "many lines": "v=0\n" + strings.Repeat("\n", MaxLines),
		"many media": "v=0\n" + strings.Repeat("m=audio 1 RTP/AVP 0\n", MaxMedia+1),
	} {
		if _, err := Parse([]byte(text)); !errors.Is(err, ErrSyntax) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAgreement(t *testing.T) {
	type want struct {
		codecs, remote, rtcp string
		send, receive, hold  bool
		mux                  bool
		ptime, events        int
		err                  error
	}
	tests := []struct {
		name, offer string
		direction   Direction
		want        want
	}{
		{
			"static without rtpmap", offerOf("m=audio 4000 RTP/AVP 18 8 0\r\n"), SendRecv,
			want{codecs: "PCMA PCMU", remote: "192.0.2.1:4000", rtcp: "192.0.2.1:4001", send: true, receive: true},
		},
		{
			"other port for rtcp", offerOf("m=audio 4000 RTP/AVP 0\r\na=rtcp:5555\r\na=ptime:30\r\n"), SendRecv,
			want{codecs: "PCMU", remote: "192.0.2.1:4000", rtcp: "192.0.2.1:5555", send: true, receive: true, ptime: 30},
		},
		{
			"other address for rtcp", offerOf("m=audio 4000 RTP/AVP 0\r\na=rtcp:5555 IN IP4 192.0.2.9\r\n"), SendRecv,
			want{codecs: "PCMU", remote: "192.0.2.1:4000", rtcp: "192.0.2.9:5555", send: true, receive: true},
		},
		{
			"rtcp-mux", offerOf("m=audio 4000 RTP/AVP 0\r\na=rtcp-mux\r\n"), SendRecv,
			want{codecs: "PCMU", remote: "192.0.2.1:4000", rtcp: "192.0.2.1:4000", send: true, receive: true, mux: true},
		},
		{
			"ipv6", offerOf("m=audio 4000 RTP/AVP 0\r\nc=IN IP6 2001:db8::5\r\n"), SendRecv,
			want{codecs: "PCMU", remote: "[2001:db8::5]:4000", rtcp: "[2001:db8::5]:4001", send: true, receive: true},
		},
		{
			"held by sendonly", offerOf("m=audio 4000 RTP/AVP 0\r\na=sendonly\r\n"), SendRecv,
			want{codecs: "PCMU", remote: "192.0.2.1:4000", rtcp: "192.0.2.1:4001", receive: true, hold: true},
		},
		{
			"held at session level", strings.Replace(offerOf("m=audio 4000 RTP/AVP 0\r\n"), "t=0 0", "t=0 0\r\na=inactive", 1), SendRecv,
			want{codecs: "PCMU", remote: "192.0.2.1:4000", rtcp: "192.0.2.1:4001", hold: true},
		},
		{
			"media level goes first", strings.Replace(offerOf("m=audio 4000 RTP/AVP 0\r\na=sendrecv\r\n"), "t=0 0", "t=0 0\r\na=inactive", 1), SendRecv,
			want{codecs: "PCMU", remote: "192.0.2.1:4000", rtcp: "192.0.2.1:4001", send: true, receive: true},
		},
		{
			"held the old way", offerOf("m=audio 4000 RTP/AVP 0\r\nc=IN IP4 0.0.0.0\r\n"), SendRecv,
			want{codecs: "PCMU", remote: "invalid AddrPort", rtcp: "invalid AddrPort", receive: true, hold: true},
		},
		{
			"both hold", offerOf("m=audio 4000 RTP/AVP 0\r\na=sendonly\r\n"), SendOnly,
			want{codecs: "PCMU", remote: "192.0.2.1:4000", rtcp: "192.0.2.1:4001", hold: true},
		},
		{
			"we hold", offerOf("m=audio 4000 RTP/AVP 0\r\n"), SendOnly,
			want{codecs: "PCMU", remote: "192.0.2.1:4000", rtcp: "192.0.2.1:4001", send: true},
		},
		{
			"second audio line fits", offerOf("m=audio 4000 RTP/SAVP 0\r\n", "m=audio 4002 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n"), SendRecv,
			want{codecs: "PCMU", remote: "192.0.2.1:4002", rtcp: "192.0.2.1:4003", send: true, receive: true, events: 1},
		},
		{"secured only", offerOf("m=audio 4000 RTP/SAVP 0\r\n"), SendRecv, want{err: ErrNoCommon}},
		{"switched off", offerOf("m=audio 0 RTP/AVP 0\r\n"), SendRecv, want{err: ErrNoCommon}},
		{"unknown codecs", offerOf("m=audio 4000 RTP/AVP 18 97\r\na=rtpmap:97 iLBC/8000\r\n"), SendRecv, want{err: ErrNoCommon}},
		{"events alone", offerOf("m=audio 4000 RTP/AVP 101\r\na=rtpmap:101 telephone-event/8000\r\n"), SendRecv, want{err: ErrNoCommon}},
		{"rtpmap overrides static", offerOf("m=audio 4000 RTP/AVP 0\r\na=rtpmap:0 G729/8000\r\n"), SendRecv, want{err: ErrNoCommon}},
		{"no media", offerOf(), SendRecv, want{err: ErrNoCommon}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := local("opus", "PCMU", "PCMA")
			l.Direction = tt.direction
			_, a, err := NewNegotiation("-", 1).Answer(l, parse(t, tt.offer))
			got := want{
				codecs: names(a.Codecs), remote: a.Remote.String(), rtcp: a.RemoteRTCP.String(), send: a.Send, receive: a.Receive,
				hold: a.RemoteHold, mux: a.Mux, ptime: a.PTime, events: len(a.Events), err: err,
			}
			if err != nil {
				got = want{err: err}
			}
			if got != tt.want {
				t.Errorf("got  %+v\nwant %+v", got, tt.want)
			}
		})
	}
}

func names(list []Codec) string {
	var s []string
	for _, c := range list {
		s = append(s, c.Name)
	}
	return strings.Join(s, " ")
}

func TestReofferKeepsLinesAndNumbers(t *testing.T) {
	n := NewNegotiation("-", 1)
	offer := offerOf("m=video 7000 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n",
		"m=audio 4000 RTP/AVP 107 0 100\r\na=rtpmap:107 opus/48000/2\r\na=rtpmap:100 telephone-event/8000\r\n")
	if _, _, err := n.Answer(local("opus", "PCMU", "L16"), parse(t, offer)); err != nil {
		t.Fatal(err)
	}
	d := parse(t, string(n.Offer(local("PCMU", "opus", "L16"))))
	if len(d.Media) != 2 || d.Media[0].Kind != "video" || d.Media[0].Port != 0 || d.Media[1].Kind != "audio" {
		t.Fatalf("lines %+v", d.Media)
	}
	// 107 and 100 as the peer numbered them; L16 is new and keeps its own; telephone-event at the other rates gets free ones.
	if got := d.Media[1].Formats; !slices.Equal(got[:3], []string{"0", "107", "118"}) || !slices.Contains(got, "100") {
		t.Errorf("formats %v", got)
	}
	seen := map[string]bool{}
	for _, f := range d.Media[1].Formats {
		if seen[f] {
			t.Errorf("number %s twice in %v", f, d.Media[1].Formats)
		}
		seen[f] = true
	}
}

func TestNumberTakenByThePeer(t *testing.T) {
	n := NewNegotiation("-", 1)
	offer := offerOf("m=audio 4000 RTP/AVP 0 111\r\na=rtpmap:111 speex/16000\r\n")
	if _, _, err := n.Answer(local("opus", "PCMU"), parse(t, offer)); err != nil {
		t.Fatal(err)
	}
	d := parse(t, string(n.Offer(local("opus", "PCMU"))))
	for _, f := range d.Media[0].RTPFormats() {
		if f.Name == "opus" && f.PayloadType == 111 {
			t.Error("opus took the number that the peer uses for speex")
		}
	}
}

func TestVersionGrowsWithChangesOnly(t *testing.T) {
	n, l := NewNegotiation("-", 50), local("PCMU")
	version := func(text []byte) uint64 { return parse(t, string(text)).Origin.Version }
	first := version(n.Offer(l))
	if again := version(n.Offer(l)); again != first {
		t.Errorf("same offer: version %d after %d", again, first)
	}
	l.Addr = netip.MustParseAddr("203.0.113.9")
	if moved := version(n.Offer(l)); moved != first+1 {
		t.Errorf("another address: version %d after %d", moved, first)
	}
	l.Direction = SendOnly
	if held := version(n.Offer(l)); held != first+2 {
		t.Errorf("hold: version %d after %d", held, first)
	}
}

func TestAccept(t *testing.T) {
	tests := []struct {
		name, answer string
		check        func(Agreement) bool
		err          error
	}{
		{
			"plain", offerOf("m=audio 4000 RTP/AVP 111 0\r\na=rtpmap:111 opus/48000/2\r\n"),
			func(a Agreement) bool { return names(a.Codecs) == "opus PCMU" && a.Send && a.Receive }, nil,
		},
		{
			"other number", offerOf("m=audio 4000 RTP/AVP 99\r\na=rtpmap:99 opus/48000/2\r\n"),
			func(a Agreement) bool { return a.Codecs[0].PayloadType == 99 && a.Codecs[0].Receive == 111 }, nil,
		},
		{
			"rtpmap left out", offerOf("m=audio 4000 RTP/AVP 111\r\n"),
			func(a Agreement) bool { return names(a.Codecs) == "opus" }, nil,
		},
		{"refused", offerOf("m=audio 0 RTP/AVP 0\r\n"), func(a Agreement) bool { return a.Refused }, nil},
		{
			"mux not offered", offerOf("m=audio 4000 RTP/AVP 0\r\na=rtcp-mux\r\n"),
			func(a Agreement) bool { return !a.Mux }, nil,
		},
		{"video instead", offerOf("m=video 4000 RTP/AVP 96\r\n"), nil, ErrMismatch},
		{"nothing", offerOf(), nil, ErrMismatch},
		{"other codec", offerOf("m=audio 4000 RTP/AVP 18\r\n"), nil, ErrNoCommon},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n := NewNegotiation("-", 1)
			n.Offer(local("opus", "PCMU"))
			for range 2 { // a 183 and its 200 bring the same answer
				a, err := n.Accept(parse(t, tt.answer))
				if !errors.Is(err, tt.err) {
					t.Fatalf("error %v, want %v", err, tt.err)
				}
				if err == nil && !tt.check(a) {
					t.Errorf("%+v", a)
				}
			}
		})
	}
	if _, err := NewNegotiation("-", 1).Accept(parse(t, offerOf("m=audio 4000 RTP/AVP 0\r\n"))); !errors.Is(err, ErrMismatch) {
		t.Errorf("answer without an offer: %v", err)
	}
}

func TestOrderOfTheAnswer(t *testing.T) {
	offer := offerOf("m=audio 4000 RTP/AVP 8 0\r\n")
	for own, want := range map[bool]string{false: "PCMA PCMU", true: "PCMU PCMA"} {
		l := local("PCMU", "PCMA")
		l.PreferOwn = own
		if _, a, err := NewNegotiation("-", 1).Answer(l, parse(t, offer)); err != nil || names(a.Codecs) != want {
			t.Errorf("own %v: %s, %v", own, names(a.Codecs), err)
		}
	}
}

func TestRollback(t *testing.T) {
	n := NewNegotiation("-", 1)
	n.Offer(local("PCMU"))
	n.Rollback()
	if n.Outstanding() || n.audio != -1 || len(n.lines) != 0 {
		t.Errorf("%+v", n)
	}
	n.Rollback() // nothing to do
	if _, a, err := n.Answer(local("PCMU"), parse(t, offerOf("m=audio 4000 RTP/AVP 0\r\n"))); err != nil || !a.Send {
		t.Errorf("%+v, %v", a, err)
	}
}

func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/*.sdp")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		d, err := Parse(text)
		if err != nil {
			return
		}
		if again, err := Parse(d.Marshal()); err != nil || len(again.Media) != len(d.Media) {
			t.Fatalf("what we write of it does not parse: %v\n%s", err, d.Marshal())
		}
		n := NewNegotiation("-", 1)
		answer, a, err := n.Answer(local("opus", "PCMU", "PCMA"), d)
		if err != nil {
			return
		}
		back, err := Parse(answer)
		if err != nil || len(back.Media) != len(d.Media) || len(a.Codecs) == 0 {
			t.Fatalf("answer %v\n%s", err, answer)
		}
		// RFC 3264 6: the same lines in the same order.
		for i := range back.Media {
			if back.Media[i].Kind != d.Media[i].Kind {
				t.Fatalf("line %d is %s, offered %s", i, back.Media[i].Kind, d.Media[i].Kind)
			}
		}
		offer := n.Offer(local("PCMU", "opus"))
		if _, err := Parse(offer); err != nil {
			t.Fatalf("offer %v\n%s", err, offer)
		}
	})
}
