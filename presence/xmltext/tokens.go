package xmltext

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
)

// MaxDocument is the size of a document, in bytes as received, above which Tokens refuses it: presence and dialog
// documents have some 3 kB, and the bound caps the work.
const MaxDocument = 64 << 10

// Errors of Tokens. All others mean XML that cannot be read, or come from the caller's function.
var (
	ErrTooLarge = errors.New("document too large")
	ErrDTD      = errors.New("document with a DTD refused")
)

// Tokens gives the parts of a document to take, one after the other, until the end or an error. It is lenient about
// syntax and character sets, and refuses a DTD and more than MaxDocument bytes. A token is valid during the call only.
func Tokens(body []byte, take func(xml.Token) error) error {
	if len(body) > MaxDocument {
		return ErrTooLarge
	}
	dec := xml.NewDecoder(bytes.NewReader(UTF8(bytes.TrimSpace(body))))
	dec.Strict = false
	dec.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil } // UTF8 has converted it
	for {
		tok, err := dec.Token()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		if _, dtd := tok.(xml.Directive); dtd {
			return ErrDTD // the only directives of a document are those of a DTD
		}
		if err := take(tok); err != nil {
			return err
		}
	}
}
