// Package matrix says which feature is tried against which foreign program, and turns a run of the interop suite into
// docs/interop.md. A cell names the test that proves it, or the reason why there is none.
//
// Order of calls: Tests for the pattern to run, Read for the output of `go test -json`, Write.
package matrix

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Peer is a foreign program of the suite.
type Peer int

// The peers, in the order of the columns.
const (
	Kamailio Peer = iota // proxy and registrar
	Baresip
	Linphone
	Twinkle
	Sipp
	peers
)

// String is the head of the peer's column: the program and Debian's version of it.
func (p Peer) String() string {
	switch p {
	case Kamailio:
		return "Kamailio 5.6"
	case Baresip:
		return "baresip 1.0"
	case Linphone:
		return "linphonec 5.1"
	case Twinkle:
		return "Twinkle 1.10"
	case Sipp:
		return "sipp 3.6"
	case peers:
	}
	return "?"
}

// Cell is what is known of a feature and a peer: the name of the test, with its subtests, that proves it; or why not.
// The zero Cell: the peer has no part in it.
type Cell struct {
	Test string // "TestHold/baresip"
	No   string // a number of Reasons
}

// Row is a feature.
type Row struct {
	Feature string
	RFC     string // its documents; may be empty
	Cells   [peers]Cell
}

// by makes a cell of a test, no one of a reason.
func by(test string) Cell   { return Cell{Test: test} }
func no(reason string) Cell { return Cell{No: reason} }

// Result is the outcome of one test.
type Result string

// The outcomes. A test that did not run has none.
const (
	Pass Result = "pass"
	Fail Result = "fail"
	Skip Result = "skip"
)

// Read takes the output of `go test -json` and gives the results by the names of the tests.
func Read(r io.Reader) (map[string]Result, error) {
	results := map[string]Result{}
	scan := bufio.NewScanner(r)
	scan.Buffer(nil, 16<<20) // a failed test prints the logs of its peers
	for scan.Scan() {
		var line struct{ Action, Test string }
		if json.Unmarshal(scan.Bytes(), &line) != nil || line.Test == "" {
			continue // output of the build
		}
		if r := Result(line.Action); r == Pass || r == Fail || r == Skip {
			results[line.Test] = r
		}
	}
	return results, scan.Err()
}

// Tests lists the tests of the table without their subtests, each once, in alphabetical order.
func Tests() []string {
	var names []string
	for _, row := range Rows() {
		for _, c := range row.Cells {
			if name, _, _ := strings.Cut(c.Test, "/"); name != "" {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Write writes the table with the results of a run. missing counts the cells whose test failed or did not run.
func Write(w io.Writer, results map[string]Result) (missing int, err error) {
	var b strings.Builder
	b.WriteString(head)
	b.WriteString("\n| feature | RFC |")
	for p := range peers {
		fmt.Fprintf(&b, " %s |", p)
	}
	b.WriteString("\n|---|---|" + strings.Repeat("---|", int(peers)) + "\n")
	var reasons []string
	for _, row := range Rows() {
		fmt.Fprintf(&b, "| %s | %s |", row.Feature, row.RFC)
		for _, c := range row.Cells {
			text, ok := c.text(results, &reasons)
			if !ok {
				missing++
			}
			b.WriteString(" " + text + " |")
		}
		b.WriteString("\n")
	}
	b.WriteString("\n")
	for i, reason := range reasons {
		fmt.Fprintf(&b, "%d. %s\n", i+1, reason)
	}
	_, err = io.WriteString(w, b.String())
	return missing, err
}

// text is a cell as the table shows it; false when its test did not pass.
func (c Cell) text(results map[string]Result, reasons *[]string) (string, bool) {
	switch {
	case c.No != "":
		i := slices.Index(*reasons, c.No)
		if i < 0 {
			*reasons = append(*reasons, c.No)
			i = len(*reasons) - 1
		}
		return fmt.Sprintf("no (%d)", i+1), true
	case c.Test == "":
		return "", true
	case results[c.Test] == Pass:
		return "yes", true
	case results[c.Test] == "":
		return "not run", false
	}
	return "**" + string(results[c.Test]) + "**", false
}

const head = `# Which feature works with whom

Made by ` + "`make interop-table`" + `, which runs the interop suite (real programs in network namespaces) and
writes this page from its results. "yes" is a test that passed in that run; a number is the reason for a "no";
an empty cell is a program that has no part in it. sipp plays what no honest peer can be made to do.
internal/lab/matrix names the test behind each cell.
`
