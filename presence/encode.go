package presence

import (
	"encoding/xml"
	"fmt"
	"strings"
	"time"

	"github.com/peregrine-softphone/peregrine/presence/xmltext"
	"github.com/peregrine-softphone/peregrine/sip/uri"
)

// ContentType is the type of the documents Encode writes (RFC 3863 section 7). It is sent without parameters: baresip
// compares the whole header value.
const ContentType = "application/pidf+xml"

// activityOf is the RPID activity written for a status (RFC 4480 3.2); online and offline have none.
func activityOf(s Status) string {
	switch s {
	case Away:
		return "away"
	case Busy:
		return "busy"
	case OnThePhone:
		return "on-the-phone"
	case Lunch:
		return "meal"
	case Online, Offline, Unknown:
		return ""
	default:
		return ""
	}
}

// Encode writes the presence document of one person with one device: RFC 3863 with a data-model person (RFC 4479) that
// carries the RPID activity (RFC 4480). Offline is "closed" and carries neither activity nor note, because who appears
// offline tells nothing. The element names are written in the form that clients match by text: <basic> without a
// prefix, <rpid:away/>.
func Encode(entity uri.URI, s State) []byte {
	who := escape(entity.AOR().String())
	basic, note := "open", xmltext.Line(s.Note, MaxNote)
	if s.Status == Offline || s.Status == Unknown {
		basic, note = "closed", ""
	}
	var stamp string
	if !s.Since.IsZero() && s.Status != Offline { // the time of going offline would tell when the user began to hide
		stamp = s.Since.UTC().Truncate(time.Second).Format(time.RFC3339) // RFC 3863 4.1.7
	}
	var b strings.Builder
	b.Grow(900)
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?>` + "\n" +
		`<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model"` +
		` xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid" entity="` + who + `">` + "\n")
	// RFC 3863 4.1.2: status, then contact, note, timestamp, in this order.
	fmt.Fprintf(&b, `<tuple id="t1"><status><basic>%s</basic></status><contact priority="0.8">%s</contact>`, basic, who)
	writeText(&b, "note", note)
	writeText(&b, "timestamp", stamp)
	b.WriteString("</tuple>\n")
	if activity := activityOf(s.Status); activity != "" {
		// RFC 4479 3.2: the person follows the tuples; its extensions come first, then note and timestamp.
		fmt.Fprintf(&b, `<dm:person id="p1"><rpid:activities><rpid:%s/></rpid:activities>`, activity)
		writeText(&b, "dm:note", note)
		writeText(&b, "dm:timestamp", stamp)
		b.WriteString("</dm:person>\n")
	}
	b.WriteString("</presence>\n")
	return []byte(b.String())
}

func writeText(b *strings.Builder, element, text string) {
	if text != "" {
		fmt.Fprintf(b, "<%s>%s</%s>", element, escape(text), element)
	}
}

func escape(s string) string {
	var b strings.Builder
	if err := xml.EscapeText(&b, []byte(s)); err != nil {
		return "" // a strings.Builder does not fail
	}
	return b.String()
}
