package dialoginfo

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// Documents in the forms that servers and phones write; the addresses are examples.
const (
	asteriskRinging = `<?xml version="1.0" encoding="UTF-8"?>
<dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" version="3" state="full" entity="sip:6001@192.0.2.1">
 <dialog id="6001" direction="recipient">
  <remote><identity display="6001">sip:6001@192.0.2.1</identity><target uri="sip:6001@192.0.2.1"/></remote>
  <state>early</state>
 </dialog>
</dialog-info>`
	asteriskHeld = `<?xml version="1.0"?>
<dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" version="5" state="full" entity="sip:6001@192.0.2.1">
<dialog id="6001">
<state>confirmed</state>
<local>
<target uri="sip:6001@192.0.2.1">
<param pname="+sip.rendering" pvalue="no"/>
</target>
</local>
</dialog>
</dialog-info>`
	asteriskIdle = `<?xml version="1.0"?>
<dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" version="0" state="full" entity="sip:6001@192.0.2.1">
<dialog id="6001">
<state>terminated</state>
</dialog>
</dialog-info>`
	kamailio = `<?xml version="1.0"?>
<dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" version="00000000007" state="full" entity="sip:bob@info.test">
  <dialog id="a84b4c76e66710@192.0.2.7" call-id="a84b4c76e66710@192.0.2.7" direction="initiator">
    <state>confirmed</state>
    <remote><identity>sip:alice@info.test</identity><target uri="sip:alice@info.test"/></remote>
    <local><identity>sip:bob@info.test</identity><target uri="sip:bob@info.test"/></local>
  </dialog>
  <dialog id="77@192.0.2.7" call-id="77@192.0.2.7" direction="recipient">
    <state>terminated</state>
  </dialog>
</dialog-info>`
	kamailioDummy = `<?xml version="1.0"?>
<dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" version="00000000000" state="full" entity="sip:bob@info.test">
  <dialog id="615293b33c62dec073e05d9421e9f48b"><state>terminated</state></dialog>
</dialog-info>`
	freeswitchIdle = `<?xml version="1.0"?>
<dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" version="0" state="full" entity="sip:1000@pbx.example.com">
</dialog-info>`
	freeswitchCall = `<?xml version="1.0"?>
<dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" version="2" state="full" entity="sip:1000@pbx.example.com">
<dialog id="e3-67f2" direction="initiator">
<state>confirmed</state>
<local>
<identity display="1000">sip:1000@pbx.example.com</identity>
<target uri="sip:1000@pbx.example.com">
<param pname="+sip.rendering" pvalue="yes"/>
</target>
</local>
<remote>
<identity display="Desk &amp; Door">sip:1001@pbx.example.com</identity>
<target uri="sip:**1000@pbx.example.com"/>
</remote>
</dialog>
</dialog-info>`
	snomOffHook = `<?xml version="1.0"?>
<dialog-info
	xmlns="urn:ietf:params:xml:ns:dialog-info"
	version="8"
	state="full"
	entity="sip:101@192.0.2.9">
	<dialog id="20" >
		<state>trying</state>
	</dialog>
</dialog-info>`
	snomOver = `<?xml version="1.0"?>
<dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" version="9" state="full" entity="sip:101@192.0.2.9">
	<dialog id="20" direction='initiator' call-id='31' local-tag="" remote-tag="">
		<state>terminated</state>
		<local>
			<identity display="B">sip:101@192.0.2.9</identity>
			<target uri="sip:101@192.0.2.9;line=x"><param pname="x-line-id" pval="0" /></target>
		</local>
	</dialog>
</dialog-info>`
	polycomCalled = `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" xmlns:sa="urn:ietf:params:xml:ns:sa-dialog-info"` +
		` version="12" state="partial" entity="sip:205@192.0.2.3">
<dialog id="id9a1" call-id="9a1-b@192.0.2.3" local-tag="4F0E" remote-tag="8B2C" direction="recipient">
<state event="none" code="180">Proceeding</state>
<sa:exclusive>no</sa:exclusive>
<local><target uri="sip:205@192.0.2.3"><param pname="x-line-id" pval="1"/></target></local>
</dialog></dialog-info>`
	yealink = `<?xml version="1.0"?>
<dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" version="1" state="full" entity="sip:1000@192.0.2.48:5060">
<dialog id="65626" call-id="0_31@192.0.2.31" local-tag="23" remote-tag="17" direction="initiator">
<state>confirmed</state>
<remote><identity>sip:1@192.0.2.48:5060</identity><target uri="sip:1@192.0.2.48:5060"/></remote>
</dialog>
<dialog id="65622">
<state>terminated</state>
</dialog>
</dialog-info>`
)

func decode(t testing.TB, body string) *Document {
	t.Helper()
	d, err := Decode([]byte(body))
	if err != nil {
		t.Fatalf("%v in\n%s", err, body)
	}
	return d
}

// TestForeignDocuments: the lamp of a first document as others write it.
func TestForeignDocuments(t *testing.T) {
	tests := []struct {
		name, body string
		want       Lamp
		version    uint32
		dialogs    int
	}{
		{"Asterisk, ringing", asteriskRinging, Ringing, 3, 1},
		{"Asterisk, on hold", asteriskHeld, Busy, 5, 1},
		{"Asterisk, idle", asteriskIdle, Idle, 0, 1},
		{"Kamailio", kamailio, Busy, 7, 2},
		{"Kamailio, dummy dialog", kamailioDummy, Idle, 0, 1},
		{"FreeSWITCH, idle", freeswitchIdle, Idle, 0, 0},
		{"FreeSWITCH, call", freeswitchCall, Busy, 2, 1},
		{"Snom, off the hook", snomOffHook, Busy, 8, 1},
		{"Snom, over", snomOver, Idle, 9, 1},
		{"Polycom, partial", polycomCalled, Ringing, 12, 1},
		{"Yealink", yealink, Busy, 1, 2},
		{"no namespace", `<dialog-info version="1" state="full"><dialog id="1"><state>early</state></dialog></dialog-info>`, Ringing, 1, 1},
		{"prefixes", `<d:dialog-info xmlns:d="urn:ietf:params:xml:ns:dialog-info" version="1" state="full"><d:dialog id="1">` +
			`<d:state>confirmed</d:state></d:dialog></d:dialog-info>`, Busy, 1, 1},
		{"undeclared prefix", `<d:dialog-info version="1"><d:dialog id="1"><d:state>confirmed</d:state></d:dialog></d:dialog-info>`, Busy, 1, 1},
		{"another namespace inside", `<dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" xmlns:x="urn:x" version="1">` +
			`<dialog id="1"><x:state>confirmed</x:state><state>terminated</state><x:state>confirmed</x:state></dialog>` +
			`<x:dialog id="2"><state>confirmed</state></x:dialog></dialog-info>`, Idle, 1, 1},
		{"no version", `<dialog-info><dialog id="1"><state> CONFIRMED </state></dialog></dialog-info>`, Busy, 0, 1},
		{"calling out", `<dialog-info><dialog id="1" direction="initiator"><state>early</state></dialog></dialog-info>`, Busy, 0, 1},
		{"being called", `<dialog-info><dialog id="1" direction="recipient"><state>trying</state></dialog></dialog-info>`, Ringing, 0, 1},
		{"call waiting", `<dialog-info><dialog id="1"><state>early</state></dialog><dialog id="2"><state>confirmed</state></dialog>` +
			`<dialog id="3"><state>early</state></dialog></dialog-info>`, Busy, 0, 3},
		{"no state", `<dialog-info><dialog id="1"/></dialog-info>`, Idle, 0, 1},
		{"unknown state", `<dialog-info><dialog id="1"><state>parked</state></dialog></dialog-info>`, Busy, 0, 1},
		{"no ids", `<dialog-info><dialog><state>early</state></dialog><dialog><state>terminated</state></dialog></dialog-info>`, Ringing, 0, 2},
		{"Latin-1", "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><dialog-info><dialog id=\"1\"><state>confirmed</state>" +
			"<remote><identity display=\"J\xfcrgen\">sip:j@x</identity></remote></dialog></dialog-info>", Busy, 0, 1},
		{"leading line ends", "\r\n\r\n" + asteriskHeld, Busy, 5, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := decode(t, tt.body)
			var table Table
			table.Apply(d)
			if got := table.Lamp(); got != tt.want || d.Version != tt.version || len(d.Dialogs) != tt.dialogs {
				t.Errorf("got %s, version %d, %d dialogs; want %s, %d, %d", got, d.Version, len(d.Dialogs), tt.want, tt.version, tt.dialogs)
			}
		})
	}
}

// TestDetails: everything a document tells about a dialog is read.
func TestDetails(t *testing.T) {
	got := decode(t, freeswitchCall).Dialogs[0]
	want := Dialog{
		ID: "e3-67f2", Direction: Initiator, State: Confirmed,
		Local:  Party{Identity: "sip:1000@pbx.example.com", Display: "1000", Target: "sip:1000@pbx.example.com"},
		Remote: Party{Identity: "sip:1001@pbx.example.com", Display: "Desk & Door", Target: "sip:**1000@pbx.example.com"},
	}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	got = decode(t, polycomCalled).Dialogs[0]
	if got.CallID != "9a1-b@192.0.2.3" || got.LocalTag != "4F0E" || got.RemoteTag != "8B2C" || got.State != Proceeding {
		t.Errorf("got %+v", got)
	}
}

func TestRefused(t *testing.T) {
	deep := strings.Repeat("<a>", maxDepth+1) + strings.Repeat("</a>", maxDepth+1)
	tests := []struct {
		name, body string
		is         error
	}{
		{"DTD", `<!DOCTYPE x [<!ENTITY a "b">]><dialog-info/>`, ErrDTD},
		{"too large", "<dialog-info>" + strings.Repeat(" ", MaxDocument) + "</dialog-info>", ErrTooLarge},
		{"too deep", "<dialog-info>" + deep + "</dialog-info>", ErrTooLarge},
		{"too many", "<dialog-info>" + strings.Repeat("<a/>", maxElements+1) + "</dialog-info>", ErrTooLarge},
		{"presence", `<presence xmlns="urn:ietf:params:xml:ns:pidf"/>`, nil},
		{"empty", "", nil},
		{"no XML", "Messages-Waiting: yes", nil},
		{"cut off", asteriskHeld[:200], nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d, err := Decode([]byte(tt.body))
			if err == nil || tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("got %+v, %v; want %v", d, err, tt.is)
			}
		})
	}
}

// TestTable: documents in a row, each written as version, F(ull) or P(artial), and dialogs with their states.
func TestTable(t *testing.T) {
	steps := func(s string) []string { return strings.Split(s, "; ") }
	tests := []struct {
		name, docs string
		want       string // lamps; ! behind one: something was missed
	}{
		{"full ones", "0F; 1F a=early; 2F a=confirmed; 3F", "idle; ringing; busy; idle"},
		{"partial ones", "0F; 1P a=early; 2P a=confirmed; 3P a=terminated", "idle; ringing; busy; idle"},
		{"two calls", "0F a=confirmed; 1P b=early; 2P a=terminated; 3P b=terminated", "busy; busy; ringing; idle"},
		{"gap", "0F; 2P a=confirmed; 3P b=early; 4F a=confirmed", "idle; busy!; busy; busy"},
		{"missed end", "0F a=confirmed; 2P b=early; 3F b=early", "busy; busy!; ringing"},
		{"partial first", "5P a=early; 6F a=early", "ringing!; ringing"},
		{"old one", "5F a=confirmed; 4P a=terminated", "busy; busy!"},
		{"same one again", "5F a=confirmed; 5P a=terminated", "busy; busy!"},
		{"server counts anew", "900F a=confirmed; 0F", "busy; idle"},
		{"full with gap", "0F; 50F a=early", "idle; ringing"},
		{"no versions", "-F; -P a=early; -P a=terminated", "idle; ringing; idle"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var table Table
			var got []string
			for _, step := range steps(tt.docs) {
				lamp := ""
				if table.Apply(document(t, step)) {
					lamp = "!"
				}
				got = append(got, string(table.Lamp())+lamp)
			}
			if s := strings.Join(got, "; "); s != tt.want {
				t.Errorf("got %s, want %s", s, tt.want)
			}
		})
	}
}

// document makes one of TestTable's words.
func document(t testing.TB, s string) *Document {
	t.Helper()
	head, rest, _ := strings.Cut(s, " ")
	d := &Document{Partial: strings.HasSuffix(head, "P")}
	if head[0] != '-' {
		if _, err := fmt.Sscanf(head, "%d", &d.Version); err != nil {
			t.Fatal(err)
		}
		d.Versioned = true
	}
	for word := range strings.FieldsSeq(rest) {
		id, state, _ := strings.Cut(word, "=")
		d.Dialogs = append(d.Dialogs, Dialog{ID: id, State: State(state)})
	}
	return d
}

func TestNothingTold(t *testing.T) {
	var table Table
	if got := table.Lamp(); got != Unknown {
		t.Errorf("got %s", got)
	}
}

// TestTableBounded: a notifier that never ends a dialog cannot make the table grow.
func TestTableBounded(t *testing.T) {
	var table Table
	table.Apply(&Document{Versioned: true})
	for i := range uint32(10 * MaxDialogs) {
		table.Apply(&Document{Partial: true, Versioned: true, Version: i + 1, Dialogs: []Dialog{{ID: fmt.Sprint(i), State: Early}}})
	}
	if len(table.dialogs) > MaxDialogs || table.Lamp() != Ringing {
		t.Errorf("%d dialogs, %s", len(table.dialogs), table.Lamp())
	}
}

// TestPlain: what is told is the lamp, to the letter.
func TestPlain(t *testing.T) {
	tests := []struct {
		lamp Lamp
		want string
	}{
		{Idle, `<dialog id="x1"><state>terminated</state></dialog>`},
		{Unknown, `<dialog id="x1"><state>terminated</state></dialog>`},
		{Ringing, `<dialog id="x1" direction="recipient"><state>early</state></dialog>`},
		{Busy, `<dialog id="x1"><state>confirmed</state></dialog>`},
	}
	for _, tt := range tests {
		t.Run(string(tt.lamp), func(t *testing.T) {
			body := string(Encode(Plain("sip:alice@info.test", 4, tt.lamp, "x1")))
			want := `<?xml version="1.0" encoding="UTF-8"?>` + "\n" + `<dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" ` +
				`version="4" state="full" entity="sip:alice@info.test">` + "\n" + tt.want + "\n</dialog-info>\n"
			if body != want {
				t.Errorf("got %s\nwant %s", body, want)
			}
			var table Table
			table.Apply(decode(t, body))
			lamp := tt.lamp
			if lamp == Unknown {
				lamp = Idle
			}
			if got := table.Lamp(); got != lamp {
				t.Errorf("read back: %s", got)
			}
		})
	}
}

// TestEncodeAll: what is given is written, and read back the same.
func TestEncodeAll(t *testing.T) {
	want := &Document{Entity: "sip:alice@info.test", Version: 7, Versioned: true, Partial: true, Dialogs: []Dialog{
		{
			ID: "1", CallID: "c<&>\"'", LocalTag: "l", RemoteTag: "r", Direction: Initiator, State: Early,
			Local:  Party{Identity: "sip:alice@info.test", Display: "Älice", Target: "sip:alice@192.0.2.1"},
			Remote: Party{Target: "sip:bob@192.0.2.2"},
		},
		{ID: "2", State: Terminated},
	}}
	if got := decode(t, string(Encode(want))); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// FuzzDecode: nothing panics, the bounds hold, and what was understood survives being written and read again.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{asteriskRinging, kamailio, freeswitchCall, snomOver, polycomCalled, yealink} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := Decode(data)
		if err != nil {
			return
		}
		if len(d.Dialogs) > MaxDialogs {
			t.Fatalf("%d dialogs", len(d.Dialogs))
		}
		again, err := Decode(Encode(d))
		if err != nil {
			if errors.Is(err, ErrTooLarge) {
				return // escapes have made it longer
			}
			t.Fatalf("%v in %s", err, Encode(d))
		}
		var a, b Table
		d.Versioned = true
		if a.Apply(d) != b.Apply(again) || a.Lamp() != b.Lamp() {
			t.Fatalf("lamp %s, then %s", a.Lamp(), b.Lamp())
		}
	})
}
