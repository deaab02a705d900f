package presence

import (
	"encoding/xml"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/peregrine-softphone/peregrine/presence/xmltext"
	"github.com/peregrine-softphone/peregrine/sip/uri"
)

func mustURI(t testing.TB, s string) uri.URI {
	t.Helper()
	u, err := uri.Parse(s)
	if err != nil {
		t.Fatalf("Parse(%q): %v", s, err)
	}
	return u
}

// TestEncodeDecode: what we write we read back, for every status.
func TestEncodeDecode(t *testing.T) {
	since := time.Date(2026, 11, 22, 10, 30, 0, 0, time.UTC)
	now := since.Add(time.Hour)
	tests := []struct {
		name string
		in   State
		want State
	}{
		{"online", State{Status: Online, Since: since}, State{Status: Online, Since: since}},
		{"online with note", State{Status: Online, Note: `<b>"Grüße" & more</b>`, Since: since}, State{Status: Online, Note: `<b>"Grüße" & more</b>`, Since: since}},
		{"away", State{Status: Away, Note: "back at 3", Since: since}, State{Status: Away, Note: "back at 3", Since: since}},
		{"busy", State{Status: Busy, Since: since}, State{Status: Busy, Since: since}},
		{"on the phone", State{Status: OnThePhone, Since: since}, State{Status: OnThePhone, Since: since}},
		{"lunch", State{Status: Lunch, Since: since}, State{Status: Lunch, Since: since}},
		{"offline tells nothing", State{Status: Offline, Note: "hiding", Since: since}, State{Status: Offline, Since: now}},
		{"unknown is closed", State{Status: Unknown, Note: "x", Since: since}, State{Status: Offline, Since: since}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			body := Encode(mustURI(t, "sip:a%26b@info.test;transport=tcp"), tt.in)
			doc, err := Decode(body)
			if err != nil {
				t.Fatalf("Decode: %v\n%s", err, body)
			}
			if got := Compose(doc, now); got != tt.want {
				t.Errorf("got %+v, want %+v\n%s", got, tt.want, body)
			}
			if doc.Entity != "sip:a&b@info.test" && doc.Entity != "sip:a%26b@info.test" {
				t.Errorf("entity %q", doc.Entity)
			}
			strict := xml.NewDecoder(strings.NewReader(string(body)))
			for {
				if _, err := strict.Token(); err != nil {
					if err.Error() != "EOF" {
						t.Errorf("not well-formed: %v\n%s", err, body)
					}
					break
				}
			}
		})
	}
}

// TestEncodeForFirmMatchers: baresip finds these strings by regular expression.
func TestEncodeForFirmMatchers(t *testing.T) {
	body := string(Encode(mustURI(t, "sip:alice@info.test"), State{Status: Away}))
	for _, want := range []string{"<basic>open</basic>", "<rpid:away/>", `entity="sip:alice@info.test"`} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in\n%s", want, body)
		}
	}
}

const pidfNS = `xmlns="urn:ietf:params:xml:ns:pidf"`

func TestDecodeForeign(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	tests := []struct {
		name, body string
		want       Status
		note       string
	}{
		{"no namespace", `<presence entity="sip:b@i"><tuple id="x"><status><basic>open</basic></status></tuple></presence>`, Online, ""},
		{"other prefix", `<p:presence xmlns:p="urn:ietf:params:xml:ns:pidf"><p:tuple id="x"><p:status><p:basic> open
</p:basic></p:status></p:tuple></p:presence>`, Online, ""},
		{"undeclared prefix", `<pp:presence><pp:tuple><pp:status><pp:basic>OPEN</pp:basic></pp:status></pp:tuple></pp:presence>`, Online, ""},
		{"basic ?", `<presence ` + pidfNS + `><tuple id="x"><status><basic>?</basic></status><note>hm</note></tuple></presence>`, Unknown, "hm"},
		{"no basic but activity", `<presence><tuple><status/></tuple><person><activities><away/></activities></person></presence>`, Away, ""},
		{"closed beats activity", `<presence><tuple><status><basic>closed</basic></status></tuple><person><activities><busy/></activities></person></presence>`, Offline, ""},
		{"open device beats closed", `<presence><tuple id="1"><status><basic>closed</basic></status></tuple><tuple id="2"><status><basic>open</basic></status></tuple></presence>`, Online, ""},
		{"priority decides", `<presence><tuple><status><basic>open</basic><activities><away/></activities></status><contact priority="0.2">sip:b@1</contact></tuple>` +
			`<tuple><status><basic>open</basic><activities><meal/></activities></status><contact priority="0.9">sip:b@2</contact></tuple></presence>`, Lunch, ""},
		{"timestamp decides", `<presence><tuple><status><basic>open</basic></status><note>new</note><timestamp>2026-11-22T11:00:00Z</timestamp></tuple>` +
			`<tuple><status><basic>open</basic></status><note>old</note><timestamp>2026-11-22T10:00:00Z</timestamp></tuple></presence>`, Online, "new"},
		{"newest person", `<presence><tuple><status><basic>open</basic></status></tuple><person id="a"><activities><busy/></activities><timestamp>2026-11-22T09:00:00Z</timestamp></person>` +
			`<person id="b"><activities><on-the-phone/></activities><timestamp>2026-11-22T10:00:00Z</timestamp></person></presence>`, OnThePhone, ""},
		{"firmest activity", `<presence><tuple><status><basic>open</basic></status></tuple><person><activities><away/><on-the-phone/></activities></person></presence>`, OnThePhone, ""},
		{"RPID in a default namespace", `<presence><tuple><status><basic>open</basic></status></tuple><person xmlns="urn:ietf:params:xml:ns:pidf:data-model"><activities xmlns="urn:ietf:params:xml:ns:pidf:rpid"><meal/></activities></person></presence>`, Lunch, ""},
		{"unknown activity", `<presence><tuple><status><basic>open</basic></status></tuple><person><activities><unknown/></activities></person></presence>`, Online, ""},
		{"draft activity as text", `<presence><tuple><status><basic>open</basic></status></tuple><person><activities><activity>busy</activity></activities></person></presence>`, Busy, ""},
		{"no device", `<presence entity="sip:b@i"/>`, Offline, ""},
		{"ISO-8859-1", "<?xml version='1.0' encoding='ISO-8859-1'?><presence><note>bin im B\xfcro</note><tuple><status><basic>open</basic></status></tuple></presence>", Online, "bin im Büro"},
		{"wrong UTF-8", "<?xml version=\"1.0\" encoding=\"UTF-8\"?><presence><note>B\xfcro</note><tuple><status><basic>open</basic></status></tuple></presence>", Online, "Büro"},
		{"UTF-16", utf16LE(`<?xml version="1.0" encoding="UTF-16"?><presence><tuple><status><basic>open</basic></status><note>ü</note></tuple></presence>`), Online, "ü"},
		{"byte order mark", "\xEF\xBB\xBF" + `<?xml version="1.0"?><presence><tuple><status><basic>open</basic></status></tuple></presence>`, Online, ""},
		{"Windows Messenger XPIDF", `<presence><presentity uri="sip:b@i;method=SUBSCRIBE"/><atom id="1"><address uri="sip:b@10.0.0.1"><status status="open"/><msnsubstatus substatus="berightback"/></address></atom></presence>`, Away, ""},
		{"bidi override in a note", "<presence><tuple><status><basic>open</basic></status><note>a\u202Eb\u0000c&#x202E;</note></tuple></presence>", Online, "ab"},
		{"device note is not the person's", `<presence><tuple><status><basic>open</basic></status></tuple><device id="d"><note>laptop</note></device></presence>`, Online, ""},
		{"nested tuple", `<presence><tuple><status><basic>open</basic></status><tuple><status><basic>closed</basic></status></tuple></tuple></presence>`, Online, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			doc, err := Decode([]byte(tt.body))
			if tt.name == "bidi override in a note" { // the NUL makes it no XML
				if err == nil {
					t.Fatal("a NUL was accepted")
				}
				doc, err = Decode([]byte(strings.ReplaceAll(tt.body, "\x00c", "")))
			}
			if err != nil {
				t.Fatal(err)
			}
			got := Compose(doc, now)
			if got.Status != tt.want || got.Note != tt.note {
				t.Errorf("got %s %q, want %s %q", got.Status, got.Note, tt.want, tt.note)
			}
			if (got.Status == Unknown) != (got.Reason != "") {
				t.Errorf("status %s with reason %q", got.Status, got.Reason)
			}
		})
	}
}

func utf16LE(s string) string {
	out := []byte{0xFF, 0xFE}
	for _, r := range s {
		out = append(out, byte(r), byte(r>>8))
	}
	return string(out)
}

func TestDecodeRefuses(t *testing.T) {
	deep := strings.Repeat("<a>", maxDepth) + strings.Repeat("</a>", maxDepth)
	tests := []struct {
		name, body string
		want       error // nil: any
	}{
		{"DTD", `<!DOCTYPE presence [<!ENTITY a "b">]><presence><note>&a;</note></presence>`, ErrDTD},
		{"depth", "<presence>" + deep + "</presence>", ErrTooLarge},
		{"size", "<presence>" + strings.Repeat(" ", MaxDocument) + "</presence>", ErrTooLarge},
		{"elements", "<presence>" + strings.Repeat("<a/>", maxElements) + "</presence>", ErrTooLarge},
		{"empty", "", nil},
		{"text", "hello", nil},
		{"other root", "<html></html>", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Decode([]byte(tt.body))
			if err == nil || tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

// TestDecodeBounds: of too many tuples the first ones count.
func TestDecodeBounds(t *testing.T) {
	doc, err := Decode([]byte("<presence>" + strings.Repeat("<tuple><status><basic>open</basic></status></tuple>", 200) + "</presence>"))
	if err != nil {
		t.Fatal(err)
	}
	if len(doc.Tuples) != maxTuples {
		t.Errorf("%d tuples, want %d", len(doc.Tuples), maxTuples)
	}
}

func TestCleanLineBound(t *testing.T) {
	if got := xmltext.Line(strings.Repeat("ü", 400), MaxNote); len(got) > MaxNote || !strings.HasSuffix(got, "ü") {
		t.Errorf("cut to %d bytes: …%q", len(got), got[len(got)-4:])
	}
}

func FuzzDecode(f *testing.F) {
	entity := uri.URI{Scheme: "sip", User: "a", Host: "b"}
	for _, s := range []Status{Online, Away, Offline} {
		f.Add(Encode(entity, State{Status: s, Note: "note", Since: time.Unix(1e9, 0)}))
	}
	files, err := filepath.Glob("testdata/*.xml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(`<presence><tuple id="1"><status status="open"><basic>open</basic></status><contact priority="1">x</contact></tuple></presence>`))
	f.Fuzz(func(t *testing.T, data []byte) {
		doc, err := Decode(data)
		if err != nil {
			return
		}
		if len(doc.Tuples) > maxTuples || len(doc.Persons) > maxTuples {
			t.Fatalf("%d tuples, %d persons", len(doc.Tuples), len(doc.Persons))
		}
		s := Compose(doc, time.Unix(2e9, 0))
		if _, ok := ParseStatus(string(s.Status)); !ok || len(s.Note) > MaxNote {
			t.Fatalf("state %+v", s)
		}
		// What we understood we can say, and it is understood again.
		again, err := Decode(Encode(entity, s))
		if err != nil {
			t.Fatalf("own document: %v", err)
		}
		want := s.Status
		if want == Unknown {
			want = Offline
		}
		if got := Compose(again, time.Unix(2e9, 0)); got.Status != want {
			t.Fatalf("said %s, heard %s", want, got.Status)
		}
	})
}
