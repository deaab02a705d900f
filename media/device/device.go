// Package device keeps a sound device running: again after it failed, another one when the user chose another. It is
// for whoever owns a recorder or player: the session of a call, and the mixer of a conference.
//
// Order of calls: New, Keep on a goroutine of its own, Set and Problem from any.
package device

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

const (
	// retry is the pause before a device that failed is tried again. Asking in vain costs less than a millisecond,
	// and sound is back within a second of the device's return: half of that is for opening it.
	retry = 250 * time.Millisecond
	// slowRetry is the pause after a minute in vain: still within that second, at half the cost.
	slowRetry = 2 * retry
	patience  = time.Minute
	// well is how long a device runs before it counts as working.
	well = 500 * time.Millisecond
)

// Config is what a Keeper is made of.
type Config[D comparable] struct {
	Logger *slog.Logger // nil: nothing is logged
	Role   string       // for the log: "recorder", "player"
	Device D            // the first one; the zero value: none
	// Run works with the device until ctx ends or the device fails. It runs on a goroutine of Keep.
	Run func(ctx context.Context, device D) error
	// OnChange is told that Problem has changed. It is called without a lock and must not block. nil: ignored
	OnChange func()
}

// Keeper keeps one device running.
type Keeper[D comparable] struct {
	cfg  Config[D]
	swap chan struct{} // holds one: another device

	mu      sync.Mutex
	device  D
	problem string
}

// New makes a Keeper; Keep runs it.
func New[D comparable](cfg Config[D]) *Keeper[D] {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Keeper[D]{cfg: cfg, swap: make(chan struct{}, 1), device: cfg.Device}
}

// Set replaces the device at once; the zero value: there is none. Any goroutine; it does not block.
func (k *Keeper[D]) Set(device D) {
	k.mu.Lock()
	k.device = device
	k.mu.Unlock()
	k.again()
}

// Problem says what is wrong with the device, "" when it is well. Any goroutine.
func (k *Keeper[D]) Problem() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.problem
}

func (k *Keeper[D]) again() {
	select {
	case k.swap <- struct{}{}:
	default:
	}
}

// Keep works until ctx ends. It is called once.
func (k *Keeper[D]) Keep(ctx context.Context) {
	var since time.Time // when the device began to fail
	for ctx.Err() == nil {
		begun := time.Now()
		present, err := k.once(ctx)
		if ctx.Err() != nil {
			return
		}
		if since.IsZero() || time.Since(begun) >= well {
			since = time.Now()
		}
		problem := ""
		if err != nil {
			problem = err.Error()
		}
		k.tell(problem)
		var next <-chan time.Time
		switch {
		case !present: // until there is one
		case time.Since(since) < patience:
			next = time.After(retry)
		default:
			next = time.After(slowRetry)
		}
		select {
		case <-ctx.Done():
			return
		case <-k.swap:
			since = time.Time{}
			k.tell("")
		case <-next:
		}
	}
}

// once runs the device until it ends or another is wanted.
func (k *Keeper[D]) once(ctx context.Context) (present bool, err error) {
	var none D
	k.mu.Lock()
	device := k.device
	k.mu.Unlock()
	if device == none {
		return false, nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		err = k.cfg.Run(ctx, device)
	}()
	works := time.NewTimer(well)
	defer works.Stop()
	for {
		select {
		case <-done:
			return true, err
		case <-works.C:
			k.tell("")
		case <-k.swap:
			k.again() // for Keep, which goes on at once
			cancel()
			<-done
			return true, nil
		}
	}
}

// tell notes what is wrong and says so once.
func (k *Keeper[D]) tell(problem string) {
	k.mu.Lock()
	same := k.problem == problem
	k.problem = problem
	k.mu.Unlock()
	if same {
		return
	}
	if problem != "" {
		k.cfg.Logger.Warn("sound device failed", "device", k.cfg.Role, "error", problem)
	}
	if k.cfg.OnChange != nil {
		k.cfg.OnChange()
	}
}
