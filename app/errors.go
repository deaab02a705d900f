package app

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/peregrine-softphone/peregrine/media"
	"github.com/peregrine-softphone/peregrine/sip"
	"github.com/peregrine-softphone/peregrine/sip/resolve"
	"github.com/peregrine-softphone/peregrine/sip/trust"
)

// userErrorf makes a UserError with a sentence alone.
func userErrorf(format string, args ...any) *UserError {
	return &UserError{Sentence: fmt.Sprintf(format, args...)}
}

// problem makes a UserError with a sentence, and err as its cause and its detail.
func problem(err error, format string, args ...any) *UserError {
	return &UserError{Sentence: fmt.Sprintf(format, args...), Detail: err.Error(), Err: err}
}

// notYet answers a verb whose feature comes with a later version.
func notYet(what string) error { return userErrorf("%s is not available yet.", what) }

func saveFailed(err error) error {
	return problem(err, "The profile could not be saved. Is the disk full or the profile folder read-only?")
}

// subject is what a failed request was about; it completes the sentences.
type subject int

const (
	aboutRegistration subject = iota
	aboutCall
	aboutMessage
	aboutPresence
)

// explain turns an error of package sip into a sentence for a person. who is the other side's name,
// or for aboutRegistration the server's.
func explain(about subject, who string, err error) *UserError {
	if err == nil {
		return nil
	}
	if user, ok := errors.AsType[*UserError](err); ok {
		return user
	}
	if status, ok := errors.AsType[*sip.StatusError](err); ok {
		detail := fmt.Sprintf("%d %s", status.Code, status.Reason)
		return &UserError{Sentence: statusSentence(about, who, status.Code), Detail: detail, Err: err}
	}
	if distrust, ok := errors.AsType[*trust.Error](err); ok {
		return &UserError{Sentence: trustSentence(who, distrust), Detail: distrust.Error(), Err: err}
	}
	switch {
	case errors.Is(err, media.ErrNoCommonCodec):
		return problem(err, "%s", statusSentence(about, who, codeNotAcceptable))
	case errors.Is(err, media.ErrInsecure):
		return problem(err, insecurePeer, who)
	case errors.Is(err, media.ErrSecureOnly):
		return problem(err, "%s's phone insists on an encryption that this account does not have. "+
			"Let the account encrypt calls, and use TLS if the other side wants its keys that way.", who)
	}
	return &UserError{Sentence: transportSentence(about, who, err), Detail: err.Error(), Err: err}
}

// insecurePeer is the sentence for a call that was not made because it could not be encrypted.
const insecurePeer = "%s's phone does not encrypt, and this account asks for encryption. Nothing was sent. " +
	"Let the account prefer encryption if such calls are to be made."

// refusesEncryption tells whether an error may be a peer's answer to an offer that leaves it no plain call.
func refusesEncryption(err error) bool {
	status, ok := errors.AsType[*sip.StatusError](err)
	return ok && (status.Code == 488 || status.Code == 606 || status.Code == 415)
}

// trustSentence says why a TLS server was not trusted, and what to do.
func trustSentence(who string, e *trust.Error) string {
	switch e.Reason {
	case trust.UnknownAuthority:
		return fmt.Sprintf("Nobody vouches for the certificate of %s. If it is your own server, give the account "+
			"the file of its authority, or let it be recognised by its key.", who)
	case trust.WrongName:
		return fmt.Sprintf("The server that answers for %s has a certificate for %s. Check the domain and the proxy; "+
			"if they are right, somebody may be listening in.", who, strings.Join(e.Names, ", "))
	case trust.Expired:
		return fmt.Sprintf("The certificate of %s is not valid today. Check the date of this computer, or tell "+
			"whoever runs the server.", who)
	case trust.PinChanged:
		return fmt.Sprintf("%s shows another key than before. Ask whoever runs it whether that is meant; only then "+
			"let the account forget the old one.", who)
	case trust.BadCAFile:
		return "The file with the certificate of the authority cannot be read. Choose it again in the account."
	case trust.BadCertificate, trust.NoCertificate:
		return fmt.Sprintf("%s shows no certificate that is meant for a server. Tell whoever runs it.", who)
	case trust.Silent, trust.Handshake:
	}
	return fmt.Sprintf("%s does not speak TLS there. Check the port, or choose another transport.", who)
}

// statusSentence says what a SIP final response means for the user (RFC 3261 21).
func statusSentence(about subject, who string, code int) string {
	if s, ok := commonStatus(who, code); ok {
		return s
	}
	switch about {
	case aboutRegistration:
		return registrationStatus(who, code)
	case aboutCall:
		return callStatus(who, code)
	case aboutMessage, aboutPresence:
	}
	switch {
	case code == 404 || code == 480 || code == 410 || code == 604:
		return fmt.Sprintf("%s cannot be reached now. Try again later.", who)
	case code == 413 || code == 513:
		return "The message is too long for the other side. Send it in parts."
	case code == 415:
		return fmt.Sprintf("%s cannot read this kind of message.", who)
	case code >= 500 && code < 600:
		return "The server has a problem. Try again later."
	}
	return fmt.Sprintf("%s did not accept it.", who)
}

func commonStatus(who string, code int) (string, bool) {
	switch code {
	case 401, 407:
		return "The server did not accept the password. Check it and try again.", true
	case 403:
		return "The server refused this. Ask whoever runs it whether your account may do it.", true
	case 408, 504:
		return fmt.Sprintf("%s did not answer in time. Try again later.", who), true
	case 503:
		return "The server is too busy or under repair. Try again later.", true
	}
	return "", false
}

func registrationStatus(who string, code int) string {
	switch {
	case code == 404 || code == 604:
		return fmt.Sprintf("%s does not know this address. Check its spelling.", who)
	case code >= 500 && code < 600:
		return fmt.Sprintf("%s has a problem. Peregrine keeps trying.", who)
	}
	return fmt.Sprintf("%s refused the account. Check the address and the password.", who)
}

func callStatus(who string, code int) string {
	switch {
	case code == 404 || code == 410 || code == 484 || code == 485 || code == 604:
		return fmt.Sprintf("%s cannot be reached at this address. Check it, or try later.", who)
	case code == 480:
		return fmt.Sprintf("%s is not available now. Try again later, or send a message.", who)
	case code == 486 || code == 600:
		return fmt.Sprintf("%s is busy. Try again later, or send a message.", who)
	case code == 603:
		return fmt.Sprintf("%s declined the call.", who)
	case code == 488 || code == 606 || code == 415:
		return fmt.Sprintf("%s's phone and yours have no way of speaking in common.", who)
	case code >= 300 && code < 400:
		return fmt.Sprintf("%s has moved, and the new address does not lead there.", who)
	case code >= 500 && code < 600:
		return "The server or the other phone has a problem. Try again later."
	}
	return fmt.Sprintf("The call to %s did not go through.", who)
}

func transportSentence(about subject, who string, err error) string {
	switch {
	case errors.Is(err, resolve.ErrNotFound):
		return fmt.Sprintf("No server was found for %s. Check the spelling of the address and your network.", who)
	case errors.Is(err, context.Canceled):
		return "Cancelled."
	case errors.Is(err, sip.ErrPortClosed) && about == aboutRegistration:
		return fmt.Sprintf("No server runs at %s now, or it uses another port. Peregrine keeps trying.", who)
	case errors.Is(err, sip.ErrPortClosed):
		return fmt.Sprintf("%s's program is not running now. Try again later.", who)
	case errors.Is(err, sip.ErrNoAnswer), errors.Is(err, context.DeadlineExceeded):
		if about == aboutRegistration {
			return fmt.Sprintf("%s does not answer. Peregrine keeps trying.", who)
		}
		return fmt.Sprintf("%s did not answer in time. Try again later.", who)
	case errors.Is(err, sip.ErrTransport):
		return "There is no way to the server now. Check your network."
	}
	if about == aboutRegistration {
		return fmt.Sprintf("%s cannot be reached. Peregrine keeps trying.", who)
	}
	return fmt.Sprintf("%s cannot be reached now. Check your network and try again.", who)
}
