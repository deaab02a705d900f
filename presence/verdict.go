package presence

import (
	"errors"
	"strings"
	"time"
)

// verdict is what the end of a SUBSCRIBE means; the table stands in follow.go.
type verdict struct {
	absent  bool          // the buddy has no program running
	refused bool          // somebody said no; repeating it soon is no use
	after   time.Duration // least wait the answer asks for, or the wait of a refusal
	reason  string        // a sentence for the user, when the status becomes unknown
}

const (
	reasonForbidden = "This person does not share their status with you."
	reasonPending   = "This person has not yet allowed you to see their status."
	reasonNoAnswer  = "No answer from this person's program or server. Peregrine keeps trying."
	reasonAccount   = "The server did not accept your account for this. Check the account's password."
	reasonNoSupport = "This person's program cannot tell its status."
	reasonOdd       = "This person's server refused to tell their status."
)

// judge reads an error of Subscribe, Refresh or Err.
func judge(err error) verdict {
	var refused *RefusedError
	if !errors.As(err, &refused) {
		return verdict{reason: reasonNoAnswer}
	}
	after := min(refused.RetryAfter, refusedWait)
	switch code := refused.Code; {
	case code == 404 || code == 410 || code == 480 || code == 604:
		return verdict{absent: true, after: after}
	case code == 481: // RFC 6665 4.1.2.2: the dialog is gone, subscribe anew
		return verdict{reason: reasonNoAnswer}
	case code == 401 || code == 407:
		return verdict{refused: true, after: max(accountWait, after), reason: reasonAccount}
	case code == 403 || code == 603 || code == 607:
		return verdict{refused: true, after: refusedWait, reason: reasonForbidden}
	case code == 405 || code == 406 || code == 415 || code == 420 || code == 489 || code == 501:
		return verdict{refused: true, after: refusedWait, reason: reasonNoSupport}
	case code == 408 || code >= 500 && code < 600:
		return verdict{after: after, reason: reasonNoAnswer}
	default:
		return verdict{refused: true, after: max(oddWait, after), reason: reasonOdd}
	}
}

// readable reports whether a body of this type is tried as a presence document.
func readable(contentType string) bool {
	mediaType, _, _ := strings.Cut(contentType, ";")
	switch strings.ToLower(strings.TrimSpace(mediaType)) {
	case ContentType, "application/xpidf+xml", "application/cpim-pidf+xml", "text/xml", "application/xml", "":
		return true
	default:
		return false
	}
}
