package presence

import (
	"encoding/xml"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/peregrine-softphone/peregrine/presence/xmltext"
)

// Bounds of a document. A rich one has 2 kB, 6 levels and 4 tuples; the bounds leave much room and still cap the work.
const (
	MaxDocument   = xmltext.MaxDocument // bytes as received
	maxDepth      = 32                  // levels of elements
	maxTuples     = 64                  // also persons
	maxActivities = 32                  // per tuple or person
	maxElements   = 4096                // in all
)

// Errors of Decode. All others mean XML that cannot be read.
var (
	ErrTooLarge = xmltext.ErrTooLarge
	ErrDTD      = xmltext.ErrDTD
)

// Basic is the open or closed of RFC 3863 4.1.4; empty when the sender said neither.
type Basic string

// The values of <basic>.
const (
	Open   Basic = "open"
	Closed Basic = "closed"
)

// Document is what Decode finds in a PIDF document, before Compose makes one state of it.
type Document struct {
	Entity  string
	Tuples  []Tuple
	Persons []Person
	Note    string // of the whole presence element
}

// Tuple is one device or service (RFC 3863 4.1.2).
type Tuple struct {
	ID         string
	Basic      Basic
	Contact    string
	Priority   float64 // 0 to 1; 0 when absent
	Activities []string
	Note       string
	Timestamp  time.Time // zero when absent or not readable
}

// Person is the human behind the devices (RFC 4479 3.2).
type Person struct {
	Activities []string // local names of RFC 4480 3.2
	Note       string
	Timestamp  time.Time
}

// Decode reads a presence document as leniently as can be: elements are known by their local names, whatever the prefix
// or namespace; character sets are converted; a missing or strange basic leaves Basic empty; unknown elements are
// skipped; the XPIDF form of Windows Messenger and KPhone is understood. A DTD, more than MaxDocument bytes or more
// than 32 levels are refused; of more than 64 tuples or persons the first 64 count.
func Decode(body []byte) (*Document, error) {
	p := parser{doc: &Document{}}
	if err := xmltext.Tokens(body, p.token); err != nil {
		return nil, fmt.Errorf("read presence document: %w", err)
	}
	if !p.sawRoot {
		return nil, errors.New("read presence document: no presence element")
	}
	return p.doc, nil
}

// parser follows the open elements by their local names in lower case.
type parser struct {
	doc      *Document
	path     []string
	text     strings.Builder
	sawRoot  bool
	elements int
	skipTo   int // depth of an element whose content is ignored; 0: none
	tuple    *Tuple
	person   *Person
}

func (p *parser) token(tok xml.Token) error {
	switch t := tok.(type) {
	case xml.StartElement:
		return p.start(t)
	case xml.EndElement:
		p.end()
	case xml.CharData:
		if p.skipTo == 0 {
			p.text.Write(t)
		}
	}
	return nil
}

func (p *parser) start(t xml.StartElement) error {
	name := strings.ToLower(t.Name.Local)
	p.path = append(p.path, name)
	p.elements++
	if len(p.path) > maxDepth || p.elements > maxElements {
		return fmt.Errorf("%w: depth %d, %d elements", ErrTooLarge, len(p.path), p.elements)
	}
	p.text.Reset()
	if len(p.path) == 1 {
		if name != "presence" {
			return fmt.Errorf("root element %q", xmltext.Line(t.Name.Local, 40))
		}
		p.sawRoot = true
		p.doc.Entity = attr(t, "entity")
		return nil
	}
	if p.skipTo != 0 {
		return nil
	}
	p.open(name, t)
	return nil
}

// open acts on the start of an element below the root.
func (p *parser) open(name string, t xml.StartElement) {
	switch name {
	case "tuple", "atom": // atom: XPIDF
		if p.tuple != nil || p.person != nil || len(p.doc.Tuples) >= maxTuples {
			p.skipTo = len(p.path)
			return
		}
		p.tuple = &Tuple{ID: attr(t, "id")}
	case "person":
		if p.tuple != nil || p.person != nil || len(p.doc.Persons) >= maxTuples {
			p.skipTo = len(p.path)
			return
		}
		p.person = &Person{}
	case "device": // its notes and timestamps are not the person's
		p.skipTo = len(p.path)
	case "contact":
		if p.tuple != nil {
			p.tuple.Priority = priority(attr(t, "priority"))
		}
	case "status":
		if v := attr(t, "status"); v != "" && p.tuple != nil { // XPIDF: <status status="open"/>
			p.setBasic(v)
		}
	case "msnsubstatus":
		p.activity(attr(t, "substatus"))
	default:
		if parent := p.parent(); parent == "activities" {
			p.activity(name)
		}
	}
}

func (p *parser) end() {
	if len(p.path) == 0 {
		return
	}
	name, depth := p.path[len(p.path)-1], len(p.path)
	p.path = p.path[:depth-1]
	text := strings.TrimSpace(p.text.String())
	p.text.Reset()
	if p.skipTo != 0 {
		if depth == p.skipTo {
			p.skipTo = 0
		}
		return
	}
	switch name {
	case "tuple", "atom":
		if p.tuple != nil {
			p.doc.Tuples = append(p.doc.Tuples, *p.tuple)
			p.tuple = nil
		}
	case "person":
		if p.person != nil {
			p.doc.Persons = append(p.doc.Persons, *p.person)
			p.person = nil
		}
	default:
		p.leaf(name, text)
	}
}

// leaf stores the text of an element that has ended.
func (p *parser) leaf(name, text string) {
	switch name {
	case "basic":
		p.setBasic(text)
	case "contact":
		if p.tuple != nil {
			p.tuple.Contact = xmltext.Line(text, MaxNote)
		}
	case "timestamp":
		p.setTime(text)
	case "note":
		p.setNote(text)
	case "activity": // drafts before RFC 4480 wrote <activity>away</activity>
		p.activity(strings.ToLower(text))
	}
}

func (p *parser) parent() string {
	if len(p.path) < 2 {
		return ""
	}
	return p.path[len(p.path)-2]
}

func (p *parser) setBasic(text string) {
	if p.tuple == nil || p.tuple.Basic != "" {
		return
	}
	switch strings.ToLower(text) {
	case "open", "inuse", "inactive": // the last two are XPIDF's: in use, but there
		p.tuple.Basic = Open
	case "closed":
		p.tuple.Basic = Closed
	}
}

func (p *parser) activity(name string) {
	name = strings.ToLower(xmltext.Line(name, 40))
	switch {
	case name == "" || name == "activity":
	case p.person != nil:
		if len(p.person.Activities) < maxActivities {
			p.person.Activities = append(p.person.Activities, name)
		}
	case p.tuple != nil:
		if len(p.tuple.Activities) < maxActivities {
			p.tuple.Activities = append(p.tuple.Activities, name)
		}
	}
}

// setNote keeps the first note of each place; a note inside activities (RFC 4480 3.2) serves when there is no better
// one.
func (p *parser) setNote(text string) {
	place := &p.doc.Note
	switch {
	case p.person != nil:
		place = &p.person.Note
	case p.tuple != nil:
		place = &p.tuple.Note
	}
	if *place == "" {
		*place = xmltext.Line(text, MaxNote)
	}
}

func (p *parser) setTime(text string) {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return
	}
	switch {
	case p.person != nil:
		p.person.Timestamp = at
	case p.tuple != nil:
		p.tuple.Timestamp = at
	}
}

func attr(t xml.StartElement, name string) string {
	for _, a := range t.Attr {
		if strings.EqualFold(a.Name.Local, name) {
			return xmltext.Line(a.Value, MaxNote)
		}
	}
	return ""
}

// priority is 0 to 1 (RFC 3863 4.1.5); anything else counts as absent.
func priority(s string) float64 {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || !(v >= 0 && v <= 1) {
		return 0
	}
	return v
}
