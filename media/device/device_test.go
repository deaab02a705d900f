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
		var opened int
		var told []string
		var next func(ctx context.Context) (bool, error)
		k := New(func(ctx context.Context) (bool, error) { opened++; return next(ctx) }, func(problem string) {
			if len(told) == 0 || told[len(told)-1] != problem {
				told = append(told, problem)
			}
		})
		next = func(context.Context) (bool, error) { return true, errors.New("unplugged") }
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); k.Keep(ctx) }()
		time.Sleep(5*retry + retry/2)
		if opened != 6 {
			t.Errorf("a device that fails at once was opened %d times in %v, want 6", opened, 5*retry)
		}
		next = func(ctx context.Context) (bool, error) { <-ctx.Done(); return true, nil }
		time.Sleep(4 * retry)
		if !slices.Equal(told, []string{"unplugged", ""}) {
			t.Errorf("told %q", told)
		}
		next = func(context.Context) (bool, error) { return false, nil }
		before := opened
		k.Swap()
		time.Sleep(time.Hour)
		if opened != before+1 {
			t.Errorf("without a device it was opened %d times", opened-before)
		}
		cancel()
		<-done
	})
}
