// Package archtest holds the rules of ARCHITECTURE.md as a test: who may import whom, which modules
// must not spread, where contexts begin, where the GUI's thread is entered, how long a file may be, and
// that each package says what it is. The table is in rules.go; change it together with ARCHITECTURE.md.
//
// The test reads the sources of every system and build tag, and needs neither network nor compiler.
package archtest

import (
	"bytes"
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Violation is one place where a rule is broken.
type Violation struct {
	File string // relative to the module's root
	Line int    // 0: the file as a whole
	Text string
}

// String returns file:line: text.
func (v Violation) String() string { return fmt.Sprintf("%s:%d: %s", v.File, v.Line, v.Text) }

// Check reads the module of the given path in root and returns what breaks the rules, in the order
// of files and lines. The error is about reading or parsing.
func Check(root fs.FS, module string) ([]Violation, error) {
	c := &checker{module: module, described: make(map[string]bool), names: make(map[string]string)}
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			if base := d.Name(); name != "." && (base[0] == '.' || base[0] == '_' || base == "testdata") {
				return fs.SkipDir
			}
			return nil
		case path.Ext(name) != ".go":
			return nil
		}
		src, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		return c.file(name, src)
	})
	if err != nil {
		return nil, fmt.Errorf("read module: %w", err)
	}
	c.undescribed()
	slices.SortFunc(c.found, func(a, b Violation) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Text, b.Text))
	})
	return c.found, nil
}

type checker struct {
	module    string
	found     []Violation
	described map[string]bool   // folder: some file has the package comment
	names     map[string]string // folder: one of its files
}

// file checks one source file.
func (c *checker) file(name string, src []byte) error {
	set := token.NewFileSet()
	f, err := parser.ParseFile(set, name, src, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	dir, test := path.Dir(name), strings.HasSuffix(name, "_test.go")
	add := func(pos token.Pos, format string, args ...any) {
		c.found = append(c.found, Violation{name, set.Position(pos).Line, fmt.Sprintf(format, args...)})
	}
	if !test {
		c.names[dir] = name
		c.described[dir] = c.described[dir] || f.Doc.Text() != ""
		if lines := bytes.Count(src, []byte("\n")); lines > maxLines {
			add(f.Package, "%d lines, at most %d: split it by role", lines, maxLines)
		}
	}
	local := make(map[string]string) // by the name used in this file: import path
	for _, spec := range f.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return err
		}
		local[localName(spec, imported)] = imported
		if why := c.forbidden(dir, imported, test); why != "" {
			add(spec.Pos(), "%s must not import %s: %s", dir, imported, why)
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		if why := crossing(n, local, name, f.Name.Name == "main"); why != "" && !test {
			add(n.Pos(), "%s", why)
		}
		return true
	})
	return nil
}

// localName is the name an import has in its file.
func localName(spec *ast.ImportSpec, imported string) string {
	if spec.Name != nil {
		return spec.Name.Name
	}
	base := path.Base(imported)
	if len(base) > 1 && base[0] == 'v' && strings.Trim(base[1:], "0123456789") == "" {
		base = path.Base(path.Dir(imported)) // a major version
	}
	return base
}

// forbidden says why a package in dir must not import another; empty: it may.
func (c *checker) forbidden(dir, imported string, test bool) string {
	own, isOwn := strings.CutPrefix(imported, c.module)
	if isOwn && (own == "" || own[0] == '/') {
		return forbiddenOwn(dir, cmp.Or(strings.TrimPrefix(own, "/"), "."), test)
	}
	if first, _, _ := strings.Cut(imported, "/"); !strings.Contains(first, ".") {
		return "" // standard library, "C"
	}
	for _, o := range owners {
		if strings.HasPrefix(imported, o.third) && !within(dir, o.dirs) {
			return fmt.Sprintf("only %s may", strings.Join(o.dirs, ", "))
		}
	}
	if test {
		return ""
	}
	r, known := ruleFor(dir)
	if !known {
		return "the folder has no rule in internal/archtest/rules.go"
	}
	for _, t := range r.third {
		if t == "*" || imported == t || strings.HasPrefix(imported, strings.TrimSuffix(t, "/")+"/") {
			return ""
		}
	}
	return "the table of ARCHITECTURE.md does not list it"
}

// forbiddenOwn is forbidden for a folder of this module.
func forbiddenOwn(dir, imported string, test bool) string {
	r, known := ruleFor(dir)
	switch {
	case !known:
		return "the folder has no rule in internal/archtest/rules.go"
	case imported == dir, within(imported, r.own):
		return ""
	case test && within(imported, testPackages):
		return ""
	case test && strings.HasPrefix(dir, "app"), test && strings.HasPrefix(dir, "internal/lab"):
		return "" // tests of the whole
	}
	return "siblings meet in app"
}

// ruleFor returns the rule of the longest folder that holds dir.
func ruleFor(dir string) (best rule, known bool) {
	for _, r := range rules {
		if within(dir, []string{r.dir}) && (!known || len(r.dir) > len(best.dir)) {
			best, known = r, true
		}
	}
	return best, known
}

// within tells whether dir is one of dirs or below one. "." holds nothing but itself.
func within(dir string, dirs []string) bool {
	return slices.ContainsFunc(dirs, func(d string) bool {
		return dir == d || d != "." && strings.HasPrefix(dir, d+"/")
	})
}

// crossing says what is wrong with using a function here; empty: nothing.
func crossing(n ast.Node, local map[string]string, file string, isMain bool) string {
	sel, is := n.(*ast.SelectorExpr)
	if !is {
		return ""
	}
	x, is := sel.X.(*ast.Ident)
	if !is {
		return ""
	}
	switch local[x.Name] + "." + sel.Sel.Name {
	case "context.Background", "context.TODO":
		if !isMain && !within(path.Dir(file), contextStarters) {
			return "contexts begin in package main and in tests: take one as a parameter"
		}
	case "fyne.io/fyne/v2.Do", "fyne.io/fyne/v2.DoAndWait":
		if file != uiThread {
			return "only " + uiThread + " enters the GUI's thread"
		}
	}
	return ""
}

// undescribed finds packages without a package comment.
func (c *checker) undescribed() {
	for dir, name := range c.names {
		if !c.described[dir] {
			c.found = append(c.found, Violation{name, 0, "package " + dir + " has no package comment"})
		}
	}
}
