package buddies

import (
	"encoding/xml"
	"fmt"
	"slices"
	"strings"

	"github.com/peregrine-softphone/peregrine/sip/uri"
)

// Buddy is a person in the list.
type Buddy struct {
	Address   uri.URI // address of record; unique in the list
	Name      string  // shown name; may be empty
	Group     string  // may be empty
	Note      string  // the user's own note about the person; may be empty
	Favourite bool
	WatchLamp bool // show whether this person's line is in use
	ShareLamp bool // this person may see whether ours is
}

// Bounds of the texts of a buddy, in bytes.
const (
	MaxName = 200 // also of a group
	MaxNote = 4000
)

// normal is a buddy as the file can hold it: texts without surrounding space, names on one line, nothing XML cannot
// carry.
func (b Buddy) normal() Buddy {
	b.Address = b.Address.AOR()
	b.Name = oneLine(b.Name)
	b.Group = oneLine(b.Group)
	b.Note = strings.TrimSpace(legal(strings.ReplaceAll(b.Note, "\r\n", "\n")))
	return b
}

// Equal reports whether two buddies are the same in every field.
func (b Buddy) Equal(o Buddy) bool {
	return b.Address.String() == o.Address.String() && b.Name == o.Name && b.Group == o.Group && b.Note == o.Note &&
		b.Favourite == o.Favourite && b.WatchLamp == o.WatchLamp && b.ShareLamp == o.ShareLamp
}

func oneLine(s string) string { return strings.Join(strings.Fields(legal(s)), " ") }

func legal(s string) string {
	return strings.Map(func(r rune) rune {
		if !isXMLChar(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

const namespace = "urn:peregrine:buddies:1"

// emptyTree is the file of an empty list.
func emptyTree() *node {
	root := &node{kind: element, name: "buddies"}
	root.setAttr("xmlns", namespace)
	root.setAttr("version", "1")
	root.children = []*node{{kind: text, text: "\n"}}
	return &node{kind: document, children: []*node{root}}
}

func (n *node) setAttr(name, value string) {
	for i := range n.attrs {
		if n.attrs[i].Name.Local == name {
			n.attrs[i].Value = value
			return
		}
	}
	n.attrs = append(n.attrs, xml.Attr{Name: xml.Name{Local: name}, Value: value})
}

// list is a file that was read: its tree and the buddies found in it.
type list struct {
	tree    *node
	buddies []Buddy
	nodes   map[string][]*node // buddy elements by address, more than one when the file has a buddy twice
	skipped int                // buddy elements whose address cannot be used; they stay in the file
}

// parseList reads a file. An error is a clause for "buddies.xml is damaged: …".
func parseList(data []byte) (*list, error) {
	tree, err := parseTree(data)
	if err != nil {
		return nil, err
	}
	root := tree.root()
	if root.local() != "buddies" {
		return nil, fmt.Errorf("it is a list of <%s>, not of <buddies>", shorten(root.name))
	}
	l := &list{tree: tree, nodes: make(map[string][]*node)}
	for _, n := range root.children {
		if n.kind != element || n.local() != "buddy" {
			continue
		}
		b, ok := readBuddy(n)
		if !ok {
			l.skipped++
			continue
		}
		key := b.Address.String()
		if l.nodes[key] == nil { // of a buddy that stands there twice the first counts
			if len(l.buddies) >= MaxBuddies {
				return nil, fmt.Errorf("it has more than %d buddies", MaxBuddies)
			}
			l.buddies = append(l.buddies, b)
		}
		l.nodes[key] = append(l.nodes[key], n)
	}
	return l, nil
}

func readBuddy(n *node) (Buddy, bool) {
	field := func(name string) string {
		if c := n.child(name); c != nil {
			return c.content()
		}
		return ""
	}
	address := field("address")
	u, err := uri.Parse(address)
	if err != nil {
		u, err = uri.FromUser(address, "") // "bob@info.test", as a person writes it
	}
	if err != nil || u.IsZero() {
		return Buddy{}, false
	}
	flag := func(name string) bool {
		switch strings.ToLower(field(name)) {
		case "true", "1", "yes":
			return true
		}
		return false
	}
	b := Buddy{
		Address: u, Name: field("name"), Group: field("group"), Note: field("note"),
		Favourite: flag("favourite"), WatchLamp: flag("watch-lamp"), ShareLamp: flag("share-lamp"),
	}
	return b.normal(), true
}

func (l *list) find(key string) (Buddy, bool) {
	i := slices.IndexFunc(l.buddies, func(b Buddy) bool { return b.Address.String() == key })
	if i < 0 {
		return Buddy{}, false
	}
	return l.buddies[i], true
}

// add appends a buddy element, indented like the ones before it.
func (l *list) add(b Buddy) {
	root := l.tree.root()
	n := &node{kind: element, name: root.prefixed("buddy")}
	n.children = []*node{{kind: text, text: "\n  "}}
	n.setFields(Buddy{}, b)
	// The text before </buddies> ends a line; the new element goes before it.
	tail := len(root.children)
	if tail > 0 && root.children[tail-1].kind == text && strings.TrimSpace(root.children[tail-1].text) == "" {
		tail--
	}
	root.children = slices.Insert(root.children, tail, &node{kind: text, text: "\n  "}, n)
	if tail+2 == len(root.children) {
		root.children = append(root.children, &node{kind: text, text: "\n"})
	}
}

// update writes the fields in which want differs from base into every element of the buddy; all else stays as it is
// there.
func (l *list) update(key string, base, want Buddy) {
	for _, n := range l.nodes[key] {
		n.setFields(base, want)
	}
}

// remove takes every element of the buddy out, each with the white space before it.
func (l *list) remove(key string) {
	root := l.tree.root()
	for _, n := range l.nodes[key] {
		i := slices.Index(root.children, n)
		if i < 0 {
			continue
		}
		from := i
		if i > 0 && root.children[i-1].kind == text && strings.TrimSpace(root.children[i-1].text) == "" {
			from--
		}
		root.children = slices.Delete(root.children, from, i+1)
	}
}

func (n *node) prefixed(local string) string {
	if prefix, _, ok := strings.Cut(n.name, ":"); ok {
		return prefix + ":" + local
	}
	return local
}

// setFields writes the fields in which want differs from base.
func (n *node) setFields(base, want Buddy) {
	set := func(field, from, to string) {
		c := n.child(field)
		switch {
		case from == to:
		case c != nil && to == "" && len(c.attrs) == 0:
			n.removeChild(c)
		case c != nil:
			c.setContent(to)
		case to != "":
			n.insertChild(&node{kind: element, name: n.prefixed(field), children: []*node{{kind: text, text: to}}})
		}
	}
	flag := func(b bool) string {
		if b {
			return "true"
		}
		return ""
	}
	set("name", base.Name, want.Name)
	set("address", base.Address.String(), want.Address.String())
	set("group", base.Group, want.Group)
	set("favourite", flag(base.Favourite), flag(want.Favourite))
	set("watch-lamp", flag(base.WatchLamp), flag(want.WatchLamp))
	set("share-lamp", flag(base.ShareLamp), flag(want.ShareLamp))
	set("note", base.Note, want.Note)
}

// insertChild adds a child element on a line of its own.
func (n *node) insertChild(c *node) {
	tail := len(n.children)
	if tail > 0 && n.children[tail-1].kind == text && strings.TrimSpace(n.children[tail-1].text) == "" {
		tail--
	}
	n.children = slices.Insert(n.children, tail, &node{kind: text, text: "\n    "}, c)
	if tail+2 == len(n.children) {
		n.children = append(n.children, &node{kind: text, text: "\n  "})
	}
}

func (n *node) removeChild(c *node) {
	i := slices.Index(n.children, c)
	from := i
	if i > 0 && n.children[i-1].kind == text && strings.TrimSpace(n.children[i-1].text) == "" {
		from--
	}
	n.children = slices.Delete(n.children, from, i+1)
}

func shorten(s string) string {
	if len(s) > 40 {
		return s[:40]
	}
	return s
}
