package device

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestKeeper(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var opened []string
		var told []string
		fail := errors.New("unplugged")
		var k *Keeper[string]
		k = New(Config[string]{
			Device: "first",
			Run: func(ctx context.Context, device string) error {
				opened = append(opened, device)
				if fail != nil {
					return fail
				}
				<-ctx.Done()
				return nil
			},
			OnChange: func() { told = append(told, k.Problem()) },
		})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); k.Keep(ctx) }()
		time.Sleep(5*retry + retry/2)
		if len(opened) != 6 {
			t.Errorf("a device that fails at once was opened %d times in %v, want 6", len(opened), 5*retry)
		}
		time.Sleep(time.Hour)
		before := len(opened)
		time.Sleep(10 * slowRetry)
		if n := len(opened) - before; n != 10 {
			t.Errorf("after an hour in vain it was opened %d times in %v, want 10", n, 10*slowRetry)
		}
		fail = nil
		time.Sleep(slowRetry + well + retry)
		if !slices.Equal(told, []string{"unplugged", ""}) {
			t.Errorf("told %q", told)
		}
		k.Set("second")
		time.Sleep(time.Millisecond)
		if last := opened[len(opened)-1]; last != "second" {
			t.Errorf("opened %q, want the second device at once", last)
		}
		k.Set("")
		before = len(opened)
		time.Sleep(time.Hour)
		if len(opened) != before {
			t.Errorf("without a device it was opened %d times", len(opened)-before)
		}
		cancel()
		<-done
	})
}
