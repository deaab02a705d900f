package syntax

import (
	"bytes"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
)

// seeds are all messages that torture, and clean ones.
func seeds(f *testing.F) {
	f.Helper()
	for _, dir := range []string{"rfc4475", "rfc5118"} {
		files, err := filepath.Glob("testdata/" + dir + "/*.dat")
		if err != nil || len(files) == 0 {
			f.Fatal(dir, err)
		}
		for _, name := range files {
			data, err := os.ReadFile(name)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	f.Add([]byte(clean))
	f.Add([]byte(ok200))
}

// FuzzCheck holds what was judged well-formed against its canonical form: that is judged alike, needs no further
// change, and has the same body. What was refused gets an answer that is itself well-formed, if what it repeats is.
func FuzzCheck(f *testing.F) {
	seeds(f)
	from := netip.MustParseAddrPort("192.0.2.7:49152")
	f.Fuzz(func(t *testing.T, raw []byte) {
		given := bytes.Clone(raw)
		v := Check(raw)
		if !bytes.Equal(given, raw) {
			t.Fatal("what was given has been changed")
		}
		if !v.OK() {
			if r, ok := Refuse(raw, v, from, []byte("secret")); ok {
				checkAnswer(t, raw, r.Answer)
			}
			return
		}
		again := Check(v.Message)
		if !again.OK() || !bytes.Equal(again.Message, v.Message) || again.Method != v.Method {
			t.Fatalf("%q\nbecomes %q\nbecomes %q (%s)", raw, v.Message, again.Message, again.Reason)
		}
		if &again.Message[0] != &v.Message[0] {
			t.Fatalf("the canonical form is not seen as such: %q", v.Message)
		}
		_, was, _ := bytes.Cut(raw, crlf2)
		_, is, found := bytes.Cut(v.Message, crlf2)
		if !found || !bytes.HasPrefix(was, is) {
			t.Fatalf("body %q becomes %q", was, is)
		}
	})
}

// checkAnswer wants an answer that Check takes when the header fields it repeats are those of a request that Check
// takes, and one that cannot be taken for two messages in any case.
func checkAnswer(t *testing.T, raw, answer []byte) {
	t.Helper()
	head, rest, found := bytes.Cut(answer, crlf2)
	if !found || len(rest) > 0 || bytes.Contains(bytes.ReplaceAll(head, crlf, nil), []byte("\n")) {
		t.Fatalf("answer %q\nto %q", answer, raw)
	}
	m := messages.Get().(*message) //nolint:forcetypeassert // the pool holds nothing else
	defer m.release()
	_ = m.scan(raw)
	whole := m.count[hFrom] == 1 && m.count[hTo] == 1 && m.count[hCallID] == 1 && m.count[hCSeq] == 1
	texts := true
	for _, one := range m.fields {
		texts = texts && isText(one.value) && len(one.value) < MaxField-200
	}
	if !whole || !texts || badVia(m) || m.vias() != 1 || badCSeq(m) || badCallID(m) || m.badParty(hFrom) || m.badParty(hTo) {
		return
	}
	if v := Check(answer); !v.OK() {
		t.Fatalf("answer %q (%s)\nto %q", answer, v.Reason, raw)
	}
}

// FuzzAddress wants no loss in what is read of an address.
func FuzzAddress(f *testing.F) {
	for _, s := range []string{`"A \"B\"" <sip:a@b;c>;tag=1;x="y;z"`, `sip:a@b;tag=1`, `A B <sip:x>`, `*`, `"`, `<sip:a@[::1]:5070>;a;b=;`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a, ok := parseAddress([]byte(text), true)
		fine, _ := checkParams(a.params)
		if !ok || !fine || !validURI(a.uri) || !isText([]byte(text)) {
			return
		}
		written := a.append(nil)
		b, ok := parseAddress(written, true)
		if !ok || !bytes.Equal(a.uri, b.uri) || !bytes.Equal(a.display, b.display) || !bytes.Equal(b.append(nil), written) {
			t.Fatalf("%q becomes %q", text, written)
		}
		for name, value := range Params(string(a.params)) {
			if got, has := param(b.params, string(bytes.ToLower([]byte(name)))); !has || string(got) != value {
				t.Fatalf("%q: parameter %q becomes %q", text, value, got)
			}
		}
		if one, rest, more := element(written); more || len(rest) > 0 || !bytes.Equal(one, written) {
			t.Fatalf("%q is a list", written)
		}
	})
}
