package dialoginfo

import (
	"fmt"
)

// Lamp is whether a line is in use.
type Lamp string

// The lamp words.
const (
	Unknown Lamp = "unknown"
	Idle    Lamp = "idle"
	Ringing Lamp = "ringing"
	Busy    Lamp = "busy"
)

// Table is the dialogs of one watched party, as the documents of one subscription tell them. The zero value knows
// nothing.
type Table struct {
	started bool
	version uint32
	dialogs map[string]Dialog // those that are not terminated, by ID
}

// Apply takes the next document. again reports that something was missed: the subscription should be refreshed, and its
// notifier will send a full document.
//
// A full document replaces everything, whatever its version: NOTIFYs come in the order of their CSeq, and some servers
// count versions in their own ways. For a partial one RFC 4235 4.3 holds: the next version is applied; one further on
// is applied and something was missed; an older one is discarded, and since the notifier has begun to count anew its
// state is asked for as well. A document without a version counts as the next one.
func (t *Table) Apply(d *Document) (again bool) {
	if !d.Partial {
		t.dialogs = make(map[string]Dialog, len(d.Dialogs))
		t.started, t.version = true, d.Version
		t.take(d.Dialogs)
		return false
	}
	version := d.Version
	if !d.Versioned {
		version = t.version + 1
	}
	switch {
	case !t.started:
		again = true
		t.dialogs = make(map[string]Dialog, len(d.Dialogs))
	case version <= t.version:
		return true
	case version > t.version+1:
		again = true
	}
	t.started, t.version = true, version
	t.take(d.Dialogs)
	return again
}

// take applies the dialogs of a document; the table stays bounded by MaxDialogs.
func (t *Table) take(dialogs []Dialog) {
	for i, d := range dialogs {
		key := d.ID
		if key == "" { // forbidden (RFC 4235 4.1.2), and yet seen
			key = fmt.Sprint("#", i)
		}
		_, known := t.dialogs[key]
		switch {
		case d.State == Terminated || d.State == "":
			delete(t.dialogs, key)
		case known || len(t.dialogs) < MaxDialogs:
			t.dialogs[key] = d
		}
	}
}

// Lamp reduces the table:
//
//	a dialog that is                                       counts as
//	confirmed                                              busy
//	begun by the watched party, whatever its state         busy: it is calling somebody
//	early or proceeding, else                              ringing: most servers do not tell who began
//	trying, and the watched party is called                ringing
//	trying, else; any other word                           busy: off the hook
//	terminated                                             nothing
//
// Busy beats ringing, as a person who talks cannot be reached though another call rings.
func (t *Table) Lamp() Lamp {
	if !t.started {
		return Unknown
	}
	lamp := Idle
	for _, d := range t.dialogs {
		if !d.ringing() {
			return Busy
		}
		lamp = Ringing
	}
	return lamp
}

func (d Dialog) ringing() bool {
	switch d.State {
	case Early, Proceeding:
		return d.Direction != Initiator
	case Trying:
		return d.Direction == Recipient
	case Confirmed, Terminated:
		return false
	default:
		return false
	}
}
