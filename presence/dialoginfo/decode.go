package dialoginfo

import (
	"encoding/xml"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/peregrine-softphone/peregrine/presence/xmltext"
)

// Event is the event package, ContentType the type of its documents (RFC 4235 3.1 and 3.5).
const (
	Event       = "dialog"
	ContentType = "application/dialog-info+xml"

	namespace = "urn:ietf:params:xml:ns:dialog-info"
)

// Bounds of a document. One with four calls has 3 kB; the bounds leave much room and still cap the work.
const (
	MaxDocument = xmltext.MaxDocument // bytes as received
	MaxDialogs  = 64
	maxDepth    = 32
	maxElements = 4096
	maxText     = 500 // bytes of one text or attribute
)

// Errors of Decode. All others mean XML that cannot be read.
var (
	ErrTooLarge = xmltext.ErrTooLarge
	ErrDTD      = xmltext.ErrDTD
)

// State is the state of a dialog (RFC 4235 3.7.1).
type State string

// The states.
const (
	Trying     State = "trying"
	Proceeding State = "proceeding"
	Early      State = "early"
	Confirmed  State = "confirmed"
	Terminated State = "terminated"
)

// Direction tells who began a dialog (RFC 4235 4.1.2).
type Direction string

// The directions; empty when the sender did not tell.
const (
	Initiator Direction = "initiator" // the watched party called
	Recipient Direction = "recipient" // it was called
)

// Document is one dialog-info document.
type Document struct {
	Entity    string
	Version   uint32
	Versioned bool // Version was there and readable; Encode writes it always
	Partial   bool // only dialogs that changed (RFC 4235 4.3)
	Dialogs   []Dialog
}

// Dialog is one dialog of the watched party. All but ID and State may be empty.
type Dialog struct {
	ID                          string
	CallID, LocalTag, RemoteTag string
	Direction                   Direction
	State                       State
	Local, Remote               Party
}

// Party is one end of a dialog.
type Party struct {
	Identity string // URI
	Display  string
	Target   string // URI
}

// Decode reads a document as leniently as can be: an element counts when it is in the namespace of RFC 4235 or in that
// of the root, whatever that is, because some phones write none; a document that does not call itself partial is full;
// unknown elements are skipped; character sets are converted. A DTD, more than MaxDocument bytes or more than 32 levels
// are refused; of more than MaxDialogs dialogs the first count.
func Decode(body []byte) (*Document, error) {
	p := parser{doc: &Document{}}
	if err := xmltext.Tokens(body, p.token); err != nil {
		return nil, fmt.Errorf("read dialog document: %w", err)
	}
	if !p.sawRoot {
		return nil, errors.New("read dialog document: no dialog-info element")
	}
	return p.doc, nil
}

// parser follows the open elements by their local names; those of another namespace have the name "".
type parser struct {
	doc      *Document
	space    string // namespace of the root
	path     []string
	text     strings.Builder
	sawRoot  bool
	elements int
	dialog   *Dialog
}

func (p *parser) token(tok xml.Token) error {
	switch t := tok.(type) {
	case xml.StartElement:
		return p.start(t)
	case xml.EndElement:
		p.end()
	case xml.CharData:
		if p.text.Len() <= maxText {
			p.text.Write(t)
		}
	}
	return nil
}

func (p *parser) start(t xml.StartElement) error {
	name := t.Name.Local
	if len(p.path) == 0 {
		if p.sawRoot || name != "dialog-info" {
			return fmt.Errorf("root element %q", xmltext.Line(name, 40))
		}
		p.space = t.Name.Space
	} else if t.Name.Space != namespace && t.Name.Space != p.space {
		name = ""
	}
	p.path = append(p.path, name)
	if p.elements++; len(p.path) > maxDepth || p.elements > maxElements {
		return fmt.Errorf("%w: depth %d, %d elements", ErrTooLarge, len(p.path), p.elements)
	}
	p.text.Reset()
	switch strings.Join(p.path, "/") {
	case "dialog-info":
		p.root(t)
	case "dialog-info/dialog":
		p.dialog = &Dialog{
			ID: attr(t, "id"), CallID: attr(t, "call-id"), LocalTag: attr(t, "local-tag"),
			RemoteTag: attr(t, "remote-tag"), Direction: Direction(strings.ToLower(attr(t, "direction"))),
		}
	case "dialog-info/dialog/local/identity":
		p.dialog.Local.Display = attr(t, "display")
	case "dialog-info/dialog/remote/identity":
		p.dialog.Remote.Display = attr(t, "display")
	case "dialog-info/dialog/local/target":
		p.dialog.Local.Target = attr(t, "uri")
	case "dialog-info/dialog/remote/target":
		p.dialog.Remote.Target = attr(t, "uri")
	}
	return nil
}

func (p *parser) root(t xml.StartElement) {
	p.sawRoot = true
	p.doc.Entity = attr(t, "entity")
	p.doc.Partial = strings.EqualFold(attr(t, "state"), "partial")
	if v, err := strconv.ParseUint(attr(t, "version"), 10, 32); err == nil {
		p.doc.Version, p.doc.Versioned = uint32(v), true
	}
}

func (p *parser) end() {
	if len(p.path) == 0 {
		return
	}
	text := xmltext.Line(p.text.String(), maxText)
	p.text.Reset()
	switch strings.Join(p.path, "/") {
	case "dialog-info/dialog":
		if len(p.doc.Dialogs) < MaxDialogs {
			p.doc.Dialogs = append(p.doc.Dialogs, *p.dialog)
		}
		p.dialog = nil
	case "dialog-info/dialog/state":
		p.dialog.State = State(strings.ToLower(text))
	case "dialog-info/dialog/local/identity":
		p.dialog.Local.Identity = text
	case "dialog-info/dialog/remote/identity":
		p.dialog.Remote.Identity = text
	}
	p.path = p.path[:len(p.path)-1]
}

func attr(t xml.StartElement, name string) string {
	for _, a := range t.Attr {
		if a.Name.Space == "" && a.Name.Local == name {
			return xmltext.Line(a.Value, maxText)
		}
	}
	return ""
}
