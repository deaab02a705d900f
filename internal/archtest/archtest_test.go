package archtest

import (
	"os"
	"strings"
	"testing"
	"testing/fstest"
)

const module = "github.com/peregrine-softphone/peregrine"

func TestThisModuleKeepsItsRules(t *testing.T) {
	found, err := Check(os.DirFS("../.."), module)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range found {
		t.Error(v)
	}
}

func TestBrokenRulesAreFound(t *testing.T) {
	const own = module + "/"
	imports := func(paths ...string) string {
		return "// Package p is described.\npackage p\nimport _ \"" + strings.Join(paths, "\"\nimport _ \"") + "\"\n"
	}
	for _, tt := range []struct {
		name, file, src string
		want            string // part of the only violation; empty: none
	}{
		{"std", "sip/uri/a.go", imports("fmt", "net/netip", "C"), ""},
		{"third party where only std may be", "sip/uri/a.go", imports("golang.org/x/text"), "does not list"},
		{"siblings", "im/a.go", imports(own + "presence"), "siblings"},
		{"siblings in a test", "im/a_test.go", imports(own + "presence"), "siblings"},
		{"down", "presence/a.go", imports(own + "sip/uri"), ""},
		{"up", "sip/a.go", imports(own + "app"), "siblings"},
		{"a child's sibling", "media/jitter/a.go", imports(own+"media/sdp", "github.com/pion/rtp"), ""},
		{"netsim in a test", "sip/a_test.go", imports(own + "internal/netsim"), ""},
		{"netsim in the product", "sip/a.go", imports(own + "internal/netsim"), "siblings"},
		{"sipgo in sip", "sip/a.go", imports("github.com/emiago/sipgo/sip"), ""},
		{"sipgo elsewhere", "app/a.go", imports("github.com/emiago/sipgo"), "only sip, server may"},
		{"sipgo in a test elsewhere", "app/a_test.go", imports("github.com/emiago/sipgo"), "only sip, server may"},
		{"Fyne in the GUI", "app/ui/page/a.go", imports("fyne.io/fyne/v2/widget", own+"app"), ""},
		{"Fyne in main", "main.go", imports("fyne.io/fyne/v2/app"), ""},
		{"Fyne in the engine", "app/a.go", imports("fyne.io/fyne/v2"), "only app/ui, . may"},
		{"any other in the engine", "app/a.go", imports("golang.org/x/sync/errgroup"), ""},
		{"keyring in cmd", "cmd/x/a.go", imports("github.com/zalando/go-keyring"), "only app may"},
		{"malgo in media", "media/a.go", imports("github.com/gen2brain/malgo"), "only media/audio may"},
		{"a folder nobody knows", "utils/a.go", imports(own + "sip"), "no rule"},
		{"a name that begins alike", "sipserver/a.go", imports("golang.org/x/sync"), "no rule"},
		{"another module's name", "im/a.go", imports(module + "x/y"), "does not list"},
		{"testdata", "im/testdata/a.go", imports(own + "presence"), ""},
		{"no comment", "im/a.go", "package im\n", "no package comment"},
		{"no comment in a test", "im/a_test.go", "package im\n", ""},
		{"long", "im/a.go", imports("fmt") + strings.Repeat("\n", maxLines), "split it"},
		{"long test", "im/a_test.go", imports("fmt") + strings.Repeat("\n", maxLines), ""},
		{"background", "im/a.go", "// Package im is.\npackage im\nimport \"context\"\nvar _ = context.Background()\n", "begin in package main"},
		{"todo, renamed", "im/a.go", "// Package im is.\npackage im\nimport c \"context\"\nvar _ = c.TODO\n", "begin in package main"},
		{"background in cmd", "cmd/x/a.go", "// Command x is.\npackage main\nimport \"context\"\nvar _ = context.Background()\n", ""},
		{"background in a test", "im/a_test.go", "package im\nimport \"context\"\nvar _ = context.Background()\n", ""},
		{"a namesake", "im/a.go", "// Package im is.\npackage im\nvar context struct{ Background int }\nvar _ = context.Background\n", ""},
		{"thread", "app/ui/page/a.go", "// Package page is.\npackage page\nimport \"fyne.io/fyne/v2\"\nvar _ = fyne.Do\n", "only app/ui/bind.go"},
		{"thread in its file", uiThread, "// Package ui is.\npackage ui\nimport \"fyne.io/fyne/v2\"\nvar _ = fyne.DoAndWait\n", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			found, err := Check(fstest.MapFS{tt.file: {Data: []byte(tt.src)}}, module)
			if err != nil {
				t.Fatal(err)
			}
			if tt.want == "" && len(found) > 0 || tt.want != "" && (len(found) != 1 || !strings.Contains(found[0].String(), tt.want)) {
				t.Errorf("found %v, want %q", found, tt.want)
			}
		})
	}
}

func TestUnreadableSourceIsAnError(t *testing.T) {
	if _, err := Check(fstest.MapFS{"im/a.go": {Data: []byte("package")}}, module); err == nil {
		t.Error("no error")
	}
}

func TestEveryRuleHasAFolder(t *testing.T) {
	for _, r := range rules {
		if _, err := os.Stat("../../" + r.dir); err != nil {
			t.Errorf("rule for %s: %v", r.dir, err)
		}
	}
}
