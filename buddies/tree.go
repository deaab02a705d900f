package buddies

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/htmlindex"
)

// Bounds of the file.
const (
	MaxFile    = 16 << 20 // bytes: 10,000 buddies with long notes, ten times over
	MaxBuddies = 10000
	maxDepth   = 64      // levels of elements
	maxNodes   = 2000000 // elements, texts, comments; above any real list
)

// node is a part of the file, kept as it was: names with their prefixes, attributes in order, comments, white space.
type node struct {
	kind     nodeKind
	name     string     // of an element or processing instruction
	attrs    []xml.Attr // Name.Local holds the whole written name
	text     string     // of text, comment or instruction
	children []*node
}

type nodeKind int

const (
	element nodeKind = iota
	text
	comment
	instruction
	document // holds the root element and what stands around it
)

// parseTree reads a whole file. It refuses what is not well-formed, a DTD, and what exceeds the bounds.
func parseTree(data []byte) (*node, error) {
	if len(data) > MaxFile {
		return nil, fmt.Errorf("it is larger than %d MB", MaxFile>>20)
	}
	data, err := toUTF8(data)
	if err != nil {
		return nil, err
	}
	//nolint:gosec // only tokens are read, and their size, depth and number are bounded
	dec := xml.NewDecoder(bytes.NewReader(data))
	dec.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil } // toUTF8 has converted it
	doc := &node{kind: document}
	b := treeBuilder{open: []*node{doc}}
	for {
		tok, err := dec.RawToken()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = b.token(tok)
		}
		if err != nil {
			line, _ := dec.InputPos()
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
	}
	if len(b.open) > 1 {
		return nil, fmt.Errorf("the element <%s> is not closed", b.open[len(b.open)-1].name)
	}
	if doc.root() == nil {
		return nil, errors.New("there is no list in it")
	}
	return doc, nil
}

type treeBuilder struct {
	open  []*node
	nodes int
}

func (b *treeBuilder) token(tok xml.Token) error {
	top := b.open[len(b.open)-1]
	if b.nodes++; b.nodes > maxNodes {
		return errors.New("there is too much in it")
	}
	switch t := tok.(type) {
	case xml.StartElement:
		if top.kind == document && top.root() != nil {
			return errors.New("a second list begins")
		}
		if len(b.open) > maxDepth {
			return errors.New("elements are nested too deeply")
		}
		n := &node{kind: element, name: written(t.Name)}
		for _, a := range t.Attr {
			n.attrs = append(n.attrs, xml.Attr{Name: xml.Name{Local: written(a.Name)}, Value: a.Value})
		}
		top.children = append(top.children, n)
		b.open = append(b.open, n)
	case xml.EndElement:
		if top.kind == document || top.name != written(t.Name) {
			return fmt.Errorf("</%s> closes nothing", written(t.Name))
		}
		b.open = b.open[:len(b.open)-1]
	case xml.CharData:
		if top.kind == document && len(bytes.TrimSpace(t)) > 0 {
			return errors.New("there is text outside of the list")
		}
		top.children = append(top.children, &node{kind: text, text: string(t)})
	case xml.Comment:
		top.children = append(top.children, &node{kind: comment, text: string(t)})
	case xml.ProcInst:
		if t.Target != "xml" { // the declaration is written anew
			top.children = append(top.children, &node{kind: instruction, name: t.Target, text: string(t.Inst)})
		}
	case xml.Directive:
		return errors.New("a DTD is not allowed")
	}
	return nil
}

// written is a name as it stands in the file: RawToken gives its prefix as Space.
func written(n xml.Name) string {
	if n.Space != "" {
		return n.Space + ":" + n.Local
	}
	return n.Local
}

func (n *node) root() *node {
	for _, c := range n.children {
		if c.kind == element {
			return c
		}
	}
	return nil
}

// child is the first child element with this local name, whatever its prefix; nil when there is none.
func (n *node) child(local string) *node {
	for _, c := range n.children {
		if c.kind == element && c.local() == local {
			return c
		}
	}
	return nil
}

func (n *node) local() string {
	if _, local, ok := strings.Cut(n.name, ":"); ok {
		return local
	}
	return n.name
}

// content is the text of an element without that of its children.
func (n *node) content() string {
	var b strings.Builder
	for _, c := range n.children {
		if c.kind == text {
			b.WriteString(c.text)
		}
	}
	return strings.TrimSpace(b.String())
}

// setContent replaces the texts of an element and keeps its other children.
func (n *node) setContent(s string) {
	kept := n.children[:0]
	for _, c := range n.children {
		if c.kind != text {
			kept = append(kept, c)
		}
	}
	n.children = append(kept, &node{kind: text, text: s})
}

// bytes writes the tree as a file.
func (n *node) bytes() []byte {
	var b bytes.Buffer
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?>`)
	if len(n.children) == 0 || n.children[0].kind != text {
		b.WriteByte('\n')
	}
	for _, c := range n.children {
		c.write(&b)
	}
	if out := b.Bytes(); out[len(out)-1] != '\n' {
		b.WriteByte('\n')
	}
	return b.Bytes()
}

func (n *node) write(b *bytes.Buffer) {
	switch n.kind {
	case text:
		writeText(b, n.text)
	case comment:
		b.WriteString("<!--" + n.text + "-->")
	case instruction:
		b.WriteString("<?" + n.name)
		if n.text != "" {
			b.WriteString(" " + n.text)
		}
		b.WriteString("?>")
	case element:
		b.WriteString("<" + n.name)
		for _, a := range n.attrs {
			b.WriteString(" " + a.Name.Local + `="`)
			writeAttr(b, a.Value)
			b.WriteByte('"')
		}
		if len(n.children) == 0 {
			b.WriteString("/>")
			return
		}
		b.WriteByte('>')
		for _, c := range n.children {
			c.write(b)
		}
		b.WriteString("</" + n.name + ">")
	case document:
	}
}

// writeText escapes what must be escaped in text, and a carriage return, which a reader would take for a line end.
// Unlike xml.EscapeText it leaves line ends and tabs as they are, so that the file stays legible.
func writeText(b *bytes.Buffer, s string) {
	for _, r := range s {
		switch {
		case r == '&':
			b.WriteString("&amp;")
		case r == '<':
			b.WriteString("&lt;")
		case r == '>':
			b.WriteString("&gt;")
		case r == '\r':
			b.WriteString("&#xD;")
		case !isXMLChar(r):
			b.WriteRune(utf8.RuneError)
		default:
			b.WriteRune(r)
		}
	}
}

// writeAttr escapes also what ends an attribute and the white space a reader would make spaces of.
func writeAttr(b *bytes.Buffer, s string) {
	for _, r := range s {
		switch r {
		case '"':
			b.WriteString("&#34;")
		case '\t':
			b.WriteString("&#x9;")
		case '\n':
			b.WriteString("&#xA;")
		default:
			writeText(b, string(r))
		}
	}
}

// isXMLChar: XML 1.0 section 2.2.
func isXMLChar(r rune) bool {
	return r == '\t' || r == '\n' || r == '\r' || r >= 0x20 && r <= 0xD7FF || r >= 0xE000 && r <= 0xFFFD || r >= 0x10000
}

// toUTF8 converts a file whose XML declaration names another encoding.
func toUTF8(data []byte) ([]byte, error) {
	data = bytes.TrimPrefix(data, []byte("\xEF\xBB\xBF"))
	name := declaredEncoding(data)
	if name == "" || strings.EqualFold(name, "utf-8") {
		if !utf8.Valid(data) {
			return nil, errors.New("it is not in UTF-8 and does not say in what")
		}
		return data, nil
	}
	enc, err := htmlindex.Get(name)
	if err != nil {
		return nil, fmt.Errorf("the encoding %q is not known", name)
	}
	out, err := enc.NewDecoder().Bytes(data)
	if err != nil {
		return nil, fmt.Errorf("it is not in %s: %w", name, err)
	}
	return out, nil
}

// declaredEncoding is the encoding of the XML declaration, "" when it has none.
func declaredEncoding(data []byte) string {
	decl, _, ok := bytes.Cut(data[:min(len(data), 200)], []byte("?>"))
	if !ok || !bytes.HasPrefix(decl, []byte("<?xml")) {
		return ""
	}
	_, rest, ok := strings.Cut(string(decl), "encoding")
	rest = strings.TrimLeft(rest, " \t\r\n=")
	if !ok || rest == "" || rest[0] != '"' && rest[0] != '\'' {
		return ""
	}
	name, _, _ := strings.Cut(rest[1:], rest[:1])
	return name
}
