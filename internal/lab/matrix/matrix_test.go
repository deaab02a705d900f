package matrix

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestTheTableNamesTests finds the tests of the table in the suite: a renamed one must not become an empty promise.
func TestTheTableNamesTests(t *testing.T) {
	files, err := filepath.Glob("../*_lab_test.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files of the suite: %v", err)
	}
	var have []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllStringSubmatch(string(text), -1) {
			have = append(have, m[1])
		}
	}
	for _, name := range Tests() {
		if !slices.Contains(have, name) {
			t.Errorf("the table names %s, which is not in the suite", name)
		}
	}
}

func TestWrite(t *testing.T) {
	log := `{"Action":"run","Test":"TestHold/baresip"}
some output of the build
{"Action":"pass","Test":"TestHold/baresip"}
{"Action":"fail","Test":"TestHold/linphonec"}
{"Action":"pass","Package":"x"}
`
	results, err := Read(strings.NewReader(log))
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	missing, err := Write(&out, results)
	if err != nil {
		t.Fatal(err)
	}
	if missing == 0 {
		t.Error("nothing is missing though nearly nothing ran")
	}
	if want := "| hold and resume, both ways | 3264 |  | yes | **fail** | not run |  |"; !strings.Contains(out.String(), want) {
		t.Errorf("no line %q in\n%s", want, out.String())
	}
	if !strings.Contains(out.String(), "\n1. ") {
		t.Error("no reason is written out")
	}
}

func TestEveryReasonIsASentence(t *testing.T) {
	for _, row := range Rows() {
		proven := false
		for _, c := range row.Cells {
			proven = proven || c.Test != ""
			if c.No != "" && !strings.HasSuffix(c.No, ".") || c.No != "" && c.Test != "" {
				t.Errorf("%s: %+v", row.Feature, c)
			}
		}
		if !proven {
			t.Errorf("%s is proven by no test", row.Feature)
		}
	}
}
