package dialoginfo

import (
	"encoding/xml"
	"fmt"
	"strings"
)

// Plain is the full document that tells a lamp and nothing else: neither who the other party is, nor who called, nor
// how many calls there are, nor anything by which the real call could be named (RFC 4235 6: all of that is sensitive,
// and Call-ID with tags would let a watcher pick the call up or forge requests in it). id names the one dialog it
// holds; it should be random and change from call to call. An idle line is a dialog that has terminated rather than no
// dialog, because there are phones whose lamp stays on otherwise.
func Plain(entity string, version uint32, lamp Lamp, id string) *Document {
	d := Dialog{ID: id, State: Terminated}
	switch lamp {
	case Busy:
		d.State = Confirmed
	case Ringing:
		d.State, d.Direction = Early, Recipient
	case Idle, Unknown:
	}
	return &Document{Entity: entity, Version: version, Dialogs: []Dialog{d}}
}

// Encode writes a document (RFC 4235 4.1). It writes what it is given: what is to stay private must not be in it. Empty
// fields are left away.
func Encode(d *Document) []byte {
	var b strings.Builder
	state := "full"
	if d.Partial {
		state = "partial"
	}
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?>` + "\n")
	fmt.Fprintf(&b, `<dialog-info xmlns="%s" version="%d" state="%s"`, namespace, d.Version, state)
	writeAttr(&b, "entity", d.Entity)
	b.WriteString(">\n")
	for _, dialog := range d.Dialogs {
		b.WriteString("<dialog")
		writeAttr(&b, "id", dialog.ID)
		writeAttr(&b, "call-id", dialog.CallID)
		writeAttr(&b, "local-tag", dialog.LocalTag)
		writeAttr(&b, "remote-tag", dialog.RemoteTag)
		writeAttr(&b, "direction", string(dialog.Direction))
		b.WriteString("><state>" + escape(string(dialog.State)) + "</state>")
		dialog.Local.write(&b, "local")
		dialog.Remote.write(&b, "remote")
		b.WriteString("</dialog>\n")
	}
	b.WriteString("</dialog-info>\n")
	return []byte(b.String())
}

func (p Party) write(b *strings.Builder, element string) {
	if p == (Party{}) {
		return
	}
	b.WriteString("<" + element + ">")
	if p.Identity != "" {
		b.WriteString("<identity")
		writeAttr(b, "display", p.Display)
		b.WriteString(">" + escape(p.Identity) + "</identity>")
	}
	if p.Target != "" {
		b.WriteString("<target")
		writeAttr(b, "uri", p.Target)
		b.WriteString("/>")
	}
	b.WriteString("</" + element + ">")
}

func writeAttr(b *strings.Builder, name, value string) {
	if value != "" {
		b.WriteString(" " + name + `="` + escape(value) + `"`)
	}
}

func escape(s string) string {
	var b strings.Builder
	if err := xml.EscapeText(&b, []byte(s)); err != nil {
		return "" // a strings.Builder does not fail
	}
	return b.String()
}
