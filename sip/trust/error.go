package trust

import (
	"strings"
	"time"
)

// Reason says why there is no trust.
type Reason int

// The reasons of an Error.
const (
	Handshake        Reason = iota // the server speaks no TLS, none that is safe, or broke off
	UnknownAuthority               // nobody we trust vouches for it; a self-signed certificate too
	WrongName                      // the certificate is for somebody else
	Expired                        // its time is over or has not begun, or this computer's clock is wrong
	PinChanged                     // the server has another key than the one known
	BadCAFile                      // the file of authorities is not there or has no certificate
	BadCertificate                 // a certificate for another purpose, or a broken one
	NoCertificate                  // the server showed none
	Silent                         // no end of the handshake in time
)

func (r Reason) String() string {
	switch r {
	case Handshake:
		return "no TLS connection"
	case UnknownAuthority:
		return "unknown authority"
	case WrongName:
		return "certificate for another name"
	case Expired:
		return "certificate is not valid now"
	case PinChanged:
		return "server key has changed"
	case BadCAFile:
		return "file of authorities"
	case BadCertificate:
		return "unfit certificate"
	case NoCertificate:
		return "no certificate"
	case Silent:
		return "no answer in the TLS handshake"
	}
	return "unknown"
}

// Error says why a server was not trusted. Its fields are what a sentence for the user needs.
type Error struct {
	Reason Reason
	Want   string   // the name that was wanted, with WrongName
	Names  []string // whom the certificate is for; may be nil
	Pin    string   // the key the server has shown: what the user may choose to trust; may be empty
	// NotBefore and NotAfter are the time the certificate is good for; zero when there was none.
	NotBefore, NotAfter time.Time
	Err                 error // what was found underneath; may be nil
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Reason.String())
	if e.Reason == WrongName {
		b.WriteString(": want " + e.Want + ", have " + strings.Join(e.Names, ", "))
	}
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	return b.String()
}

// Unwrap gives what was found underneath.
func (e *Error) Unwrap() error { return e.Err }
