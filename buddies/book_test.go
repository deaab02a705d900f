package buddies

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/peregrine-softphone/peregrine/sip/uri"
)

func buddy(t testing.TB, name, address string) Buddy {
	t.Helper()
	u, err := uri.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return Buddy{Name: name, Address: u}
}

func open(t testing.TB, content string) (*Book, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "buddies.xml")
	if content != "" {
		put(t, path, content)
	}
	b, err := Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	return b, path
}

func put(t testing.TB, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func get(t testing.TB, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func names(b *Book) string {
	var out []string
	for _, x := range b.List() {
		out = append(out, x.Name)
	}
	return strings.Join(out, " ")
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestAddUpdateRemove(t *testing.T) {
	ctx := t.Context()
	b, path := open(t, "")
	bob := buddy(t, `Bob "B" <&>`, "sip:bob@info.test")
	bob.Group, bob.Note, bob.Favourite = "Work", "two\nlines", true
	must(t, b.Add(ctx, bob))
	must(t, b.Add(ctx, buddy(t, "Carol", "sip:carol@enst.test:5070")))
	again, err := Open(path, nil)
	must(t, err)
	got := again.List()
	if len(got) != 2 || !got[0].Equal(bob) || got[1].Name != "Carol" {
		t.Fatalf("read back %+v\n%s", got, get(t, path))
	}
	bob.Group, bob.Favourite, bob.Note = "", false, "x"
	must(t, again.Update(ctx, bob))
	must(t, again.Remove(ctx, got[1].Address))
	third, err := Open(path, nil)
	must(t, err)
	if got := third.List(); len(got) != 1 || !got[0].Equal(bob) {
		t.Errorf("after the edits %+v\n%s", got, get(t, path))
	}
	if text := get(t, path); strings.Contains(text, "group") || strings.Contains(text, "favourite") {
		t.Errorf("emptied fields left behind:\n%s", text)
	}
}

// TestLamps: the two lamp flags are read as people write them, written as elements, and cost nothing else in the file.
func TestLamps(t *testing.T) {
	const file = `<?xml version="1.0" encoding="UTF-8"?>
<buddies xmlns="urn:peregrine:buddies:1" version="1">
  <buddy x="1">
    <name>Bob</name><!-- desk -->
    <address>sip:bob@info.test</address>
    <watch-lamp>YES</watch-lamp>
    <other>kept</other>
  </buddy>
</buddies>
`
	b, path := open(t, file)
	bob := b.List()[0]
	if !bob.WatchLamp || bob.ShareLamp {
		t.Fatalf("read %+v", bob)
	}
	bob.ShareLamp = true
	must(t, b.Update(t.Context(), bob))
	want := strings.Replace(file, "<other>kept</other>\n", "<other>kept</other>\n    <share-lamp>true</share-lamp>\n", 1)
	if got := get(t, path); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	bob.WatchLamp, bob.ShareLamp = false, false
	must(t, b.Update(t.Context(), bob))
	if got, want := get(t, path), strings.Replace(file, "    <watch-lamp>YES</watch-lamp>\n", "", 1); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestRefusals(t *testing.T) {
	ctx := t.Context()
	b, _ := open(t, "")
	bob := buddy(t, "Bob", "sip:bob@info.test")
	must(t, b.Add(ctx, bob))
	must(t, b.Add(ctx, buddy(t, "Carol", "sip:carol@info.test")))
	long := bob
	long.Name = strings.Repeat("x", MaxName+1)
	tests := []struct {
		name string
		err  error
		want string
	}{
		{"twice", b.Add(ctx, bob), "already"},
		{"same address in other case", b.Add(ctx, buddy(t, "B", "sip:bob@INFO.test:5060")), "already"},
		{"no address", b.Add(ctx, Buddy{Name: "x"}), "needs an address"},
		{"long name", b.Update(ctx, long), "shorter"},
		{"not there", b.Remove(ctx, uri.URI{Scheme: "sip", User: "no", Host: "x"}), "not in your list"},
		{"update of none", b.Update(ctx, buddy(t, "x", "sip:no@x")), "not in your list"},
		{"address taken", b.Replace(ctx, bob.Address, buddy(t, "B", "sip:carol@info.test")), "already"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.err == nil || !strings.Contains(tt.err.Error(), tt.want) {
				t.Errorf("got %v, want something with %q", tt.err, tt.want)
			}
		})
	}
	if got := names(b); got != "Bob Carol" {
		t.Errorf("the list is now %q", got)
	}
}

const foreign = `<?xml version="1.0" encoding="ISO-8859-1"?>
<!-- my friends -->
<b:buddies xmlns:b="urn:peregrine:buddies:1" xmlns:x="urn:x" x:colour="red">
	<b:buddy x:id="7">
		<b:name x:lang="de">` + "J\xfcrgen" + `</b:name>
		<b:address>juergen@info.test</b:address>
		<x:photo href="a&amp;b.png"><x:alt>face</x:alt></x:photo>
		<!-- keep me -->
	</b:buddy>
	<x:folder name="old"/>
	<b:buddy><b:address>not an address at all</b:address></b:buddy>
	<b:buddy><b:name>Twice</b:name><b:address>sip:juergen@info.test</b:address></b:buddy>
</b:buddies>
`

// TestForeignFile: what we do not know stays, whatever the prefix or encoding.
func TestForeignFile(t *testing.T) {
	ctx := t.Context()
	b, path := open(t, foreign)
	if got := names(b); got != "Jürgen" {
		t.Fatalf("list %q", got)
	}
	if p := b.Problem(); p == nil || p.Damaged || !strings.Contains(p.Sentence, "1 entries") {
		t.Errorf("problem %+v", p)
	}
	change := b.List()[0]
	change.Group = "Kölner"
	must(t, b.Update(ctx, change))
	must(t, b.Add(ctx, buddy(t, "New", "sip:new@x")))
	text := get(t, path)
	for _, want := range []string{
		`<?xml version="1.0" encoding="UTF-8"?>`, "<!-- my friends -->", "<!-- keep me -->", `x:colour="red"`, `x:id="7"`,
		`<b:name x:lang="de">Jürgen</b:name>`, "<b:address>juergen@info.test</b:address>", `<x:photo href="a&amp;b.png"><x:alt>face</x:alt></x:photo>`,
		`<x:folder name="old"/>`, "not an address at all", "<b:group>Kölner</b:group>", "<b:name>New</b:name>", "<b:name>Twice</b:name>",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is lost in\n%s", want, text)
		}
	}
	must(t, b.Remove(ctx, change.Address))
	if text := get(t, path); strings.Contains(text, "juergen") || !strings.Contains(text, "not an address at all") {
		t.Errorf("after removal:\n%s", text)
	}
	if got := get(t, path+".bak"); !strings.Contains(got, "juergen") {
		t.Errorf("the backup is not the list before the edit:\n%s", got)
	}
}

// TestMerge: an edit keeps what another program has written since we read the file.
func TestMerge(t *testing.T) {
	ctx := t.Context()
	const before = `<buddies><buddy><name>Bob</name><address>sip:bob@x</address><note>old</note></buddy></buddies>`
	b, path := open(t, before)
	seen := b.List()[0]
	put(t, path, `<buddies><buddy><name>Robert</name><address>sip:bob@x</address><note>old</note><y/></buddy><buddy><name>Eve</name><address>sip:eve@x</address></buddy></buddies>`)
	seen.Note = "new"
	must(t, b.Update(ctx, seen))
	must(t, b.Add(ctx, buddy(t, "Fred", "sip:fred@x")))
	if got := names(b); got != "Robert Eve Fred" {
		t.Errorf("list %q", got)
	}
	if got := b.List()[0].Note; got != "new" {
		t.Errorf("note %q", got)
	}
	if !strings.Contains(get(t, path), "<y/>") {
		t.Errorf("the other program's element is lost:\n%s", get(t, path))
	}
	put(t, path, `<buddies/>`)
	if err := b.Update(ctx, seen); err == nil || !strings.Contains(err.Error(), "not in your list any more") {
		t.Errorf("edit of a buddy removed elsewhere: %v", err)
	}
	if len(b.List()) != 0 {
		t.Errorf("the removal elsewhere was not taken over: %q", names(b))
	}
}

// TestDamaged: a damaged file is never touched, edits say so, and all is well when it is mended.
func TestDamaged(t *testing.T) {
	damages := map[string]string{
		"cut":       `<buddies><buddy><name>Bob</name><addre`,
		"empty":     " ",
		"binary":    "\x00\x01\x02",
		"mismatch":  `<buddies><buddy></buddies></buddy>`,
		"DTD":       `<!DOCTYPE b [<!ENTITY a "b">]><buddies/>`,
		"other":     `<html/>`,
		"two roots": `<buddies/><buddies/>`,
		"deep":      strings.Repeat("<buddies>", 100) + strings.Repeat("</buddies>", 100),
		"charset":   "<buddies>\xff</buddies>",
		"unknown":   `<?xml version="1.0" encoding="klingon"?><buddies/>`,
		"entity":    `<buddies>&bomb;</buddies>`,
	}
	for name, damage := range damages {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			b, path := open(t, "")
			must(t, b.Add(ctx, buddy(t, "Bob", "sip:bob@x")))
			must(t, b.Add(ctx, buddy(t, "Eve", "sip:eve@x")))
			put(t, path, damage)
			err := b.Add(ctx, buddy(t, "Fred", "sip:fred@x"))
			if err == nil || !strings.Contains(err.Error(), "damaged") {
				t.Errorf("edit of a damaged file: %v", err)
			}
			if p := b.Problem(); p == nil || !p.Damaged || p.Detail == "" {
				t.Errorf("problem %+v", p)
			}
			if got := get(t, path); got != damage {
				t.Errorf("the damaged file was touched: %q", got)
			}
			if got := names(b); got != "Bob Eve" {
				t.Errorf("list %q", got)
			}
			other, err := Open(path, nil)
			must(t, err)
			if got := names(other); got != "Bob" { // the backup is the list before the last edit
				t.Errorf("opened damaged: list %q", got)
			}
			put(t, path, `<buddies><buddy><name>Mended</name><address>sip:m@x</address></buddy></buddies>`)
			must(t, b.Add(ctx, buddy(t, "Fred", "sip:fred@x")))
			if got := names(b); got != "Mended Fred" || b.Problem() != nil {
				t.Errorf("after mending: list %q, problem %v", got, b.Problem())
			}
		})
	}
}

func TestRestoreBackup(t *testing.T) {
	ctx := t.Context()
	b, path := open(t, "")
	must(t, b.Add(ctx, buddy(t, "Bob", "sip:bob@x")))
	put(t, path, "garbage")
	must(t, b.RestoreBackup(ctx))
	if got := names(b); got != "Bob" || b.Problem() != nil {
		t.Errorf("list %q, problem %v", got, b.Problem())
	}
	aside, err := filepath.Glob(path + ".damaged-*")
	if err != nil || len(aside) != 1 || get(t, aside[0]) != "garbage" {
		t.Errorf("damaged file put aside as %q, %v", aside, err)
	}
}

// TestRunSeesOutsideEdits: in place, by rename, damage and its end.
func TestRunSeesOutsideEdits(t *testing.T) {
	b, path := open(t, "")
	must(t, b.Add(t.Context(), buddy(t, "Bob", "sip:bob@x")))
	changes := make(chan struct{}, 100)
	b.OnChange(func([]Buddy) { changes <- struct{}{} })
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := b.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	defer wg.Wait()
	defer cancel()
	await := func(what string, ok func() bool) {
		t.Helper()
		limit := time.NewTimer(10 * time.Second)
		defer limit.Stop()
		for !ok() {
			select {
			case <-changes:
			case <-limit.C:
				t.Fatalf("%s: list %q, problem %v", what, names(b), b.Problem())
			}
		}
	}
	entry := func(name string) string {
		return "<buddies><buddy><name>" + name + "</name><address>sip:a@x</address></buddy></buddies>"
	}
	put(t, path, entry("InPlace"))
	await("edit in place", func() bool { return names(b) == "InPlace" })
	put(t, path+".new", entry("Renamed"))
	must(t, os.Rename(path+".new", path))
	await("edit by rename", func() bool { return names(b) == "Renamed" })
	put(t, path, "<budd")
	await("damage", func() bool { p := b.Problem(); return p != nil && p.Damaged })
	if got := names(b); got != "Renamed" {
		t.Errorf("damage changed the list to %q", got)
	}
	put(t, path, entry("Mended"))
	await("mending", func() bool { return names(b) == "Mended" && b.Problem() == nil })
	must(t, os.Remove(path))
	must(t, b.Add(t.Context(), buddy(t, "New", "sip:new@x")))
	if got := names(b); got != "Mended New" {
		t.Errorf("after the file was removed and an edit: %q", got)
	}
}

// TestConcurrentBooks: several programs add at once; nothing is lost.
func TestConcurrentBooks(t *testing.T) {
	const books, each = 4, 10
	_, path := open(t, "")
	var wg sync.WaitGroup
	for i := range books {
		wg.Go(func() {
			b, err := Open(path, nil)
			if err != nil {
				t.Error(err)
				return
			}
			for k := range each {
				if err := b.Add(t.Context(), buddy(t, "x", fmt.Sprintf("sip:b%d-%d@x", i, k))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	b, err := Open(path, nil)
	must(t, err)
	if got := len(b.List()); got != books*each {
		t.Errorf("%d buddies, want %d", got, books*each)
	}
}

func TestLinkIsKept(t *testing.T) {
	dir := t.TempDir()
	real, link := filepath.Join(dir, "dotfiles.xml"), filepath.Join(dir, "buddies.xml")
	put(t, real, "<buddies/>")
	must(t, os.Symlink(real, link))
	b, err := Open(link, nil)
	must(t, err)
	must(t, b.Add(t.Context(), buddy(t, "Bob", "sip:bob@x")))
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link was replaced: %v %v", info, err)
	}
	if !strings.Contains(get(t, real), "bob") {
		t.Error("the file behind the link was not written")
	}
}

func TestFullSize(t *testing.T) {
	var in bytes.Buffer
	in.WriteString("<buddies>")
	for i := range MaxBuddies {
		fmt.Fprintf(&in, "<buddy><name>B%d</name><address>sip:b%d@x</address></buddy>\n", i, i)
	}
	in.WriteString("</buddies>")
	b, _ := open(t, in.String())
	if got := len(b.List()); got != MaxBuddies {
		t.Fatalf("%d buddies", got)
	}
	if err := b.Add(t.Context(), buddy(t, "one more", "sip:more@x")); err == nil || !strings.Contains(err.Error(), "full") {
		t.Errorf("got %v", err)
	}
	change := b.List()[MaxBuddies-1]
	change.Name = "Last"
	must(t, b.Update(t.Context(), change))
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(foreign))
	f.Add(emptyTree().bytes())
	f.Add([]byte(`<buddies><?pi x?><buddy a='1"&#10;'><address>sip:a@b</address><!--c--><note>` + "a\r\nb]]&gt;" + `</note></buddy></buddies>`))
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := parseList(data)
		if err != nil {
			return
		}
		out := l.tree.bytes()
		again, err := parseList(out)
		if err != nil {
			t.Fatalf("own file not read: %v\n%q", err, out)
		}
		if len(again.buddies) != len(l.buddies) || again.skipped != l.skipped {
			t.Fatalf("%d buddies, %d skipped became %d, %d\n%q", len(l.buddies), l.skipped, len(again.buddies), again.skipped, out)
		}
		for i := range l.buddies {
			if !l.buddies[i].Equal(again.buddies[i]) {
				t.Fatalf("%+v became %+v", l.buddies[i], again.buddies[i])
			}
		}
		if twice := again.tree.bytes(); !bytes.Equal(twice, out) {
			t.Fatalf("a second writing differs:\n%q\n%q", out, twice)
		}
	})
}
