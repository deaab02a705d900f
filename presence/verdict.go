package presence

import (
	"cmp"
	"errors"
	"strings"
	"time"
)

// verdict is what the end of a SUBSCRIBE means; the table stands in follow.go.
type verdict struct {
	absent  bool          // the buddy has no program running
	refused bool          // somebody said no; repeating it soon is no use
	after   time.Duration // least wait the answer asks for, or the wait of a refusal
	why     Why           // when the state becomes unknown
}

// judge reads an error of Subscribe, Refresh or Err. wait is that of a refusal; 0: refusedWait.
func judge(err error, wait time.Duration) verdict {
	wait = cmp.Or(wait, refusedWait)
	var refused *RefusedError
	if !errors.As(err, &refused) {
		return verdict{why: WhyNoAnswer}
	}
	after := min(refused.RetryAfter, refusedWait)
	switch code := refused.Code; {
	case code == 404 || code == 410 || code == 480 || code == 604:
		return verdict{absent: true, after: after}
	case code == 481: // RFC 6665 4.1.2.2: the dialog is gone, subscribe anew
		return verdict{why: WhyNoAnswer}
	case code == 401 || code == 407:
		return verdict{refused: true, after: max(accountWait, after), why: WhyAccount}
	case code == 403 || code == 603 || code == 607:
		return verdict{refused: true, after: wait, why: WhyForbidden}
	case code == 405 || code == 406 || code == 415 || code == 420 || code == 489 || code == 501:
		return verdict{refused: true, after: wait, why: WhyNoSupport}
	case code == 408 || code >= 500 && code < 600:
		return verdict{after: after, why: WhyNoAnswer}
	default:
		return verdict{refused: true, after: max(oddWait, after), why: WhyOdd}
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
