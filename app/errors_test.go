package app

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/peregrine-softphone/peregrine/sip"
	"github.com/peregrine-softphone/peregrine/sip/resolve"
)

// TestSentences: whatever fails is told in words with a next step, the code only in the detail.
func TestSentences(t *testing.T) {
	failures := []error{
		sip.ErrNoAnswer, sip.ErrTransport, sip.ErrClosed, sip.ErrMedia, sip.ErrRedirectLoop,
		errors.Join(sip.ErrNoAnswer, sip.ErrPortClosed),
		fmt.Errorf("%w: %w", sip.ErrTransport, resolve.ErrNotFound), errors.New("something new"),
	}
	for code := 300; code < 700; code++ {
		failures = append(failures, &sip.StatusError{Code: code, Reason: "Phrase"})
	}
	for _, err := range failures {
		for _, about := range []subject{aboutRegistration, aboutCall, aboutMessage, aboutPresence} {
			got := explain(about, "Bob", err)
			if len(got.Sentence) < 10 || !strings.HasSuffix(got.Sentence, ".") || strings.ContainsAny(got.Sentence, "%{}") ||
				strings.Contains(got.Sentence, "Phrase") {
				t.Errorf("%v about %d: %q", err, about, got.Sentence)
			}
			if got.Detail == "" {
				t.Errorf("%v about %d has no detail", err, about)
			}
		}
	}
	if explain(aboutCall, "Bob", nil) != nil {
		t.Error("no error, yet a sentence")
	}
	unknown := explain(aboutRegistration, "nowhere.test", fmt.Errorf("%w: %w", sip.ErrTransport, resolve.ErrNotFound))
	if !strings.Contains(unknown.Sentence, "spelling") {
		t.Errorf("unknown domain: %q", unknown.Sentence)
	}
}
