// Package device keeps a sound device running: again after it failed, another one when the user chose another. It is
// for whoever owns a recorder or player: the session of a call, and the mixer of a conference.
//
// Order of calls: New, Keep on a goroutine of its own, Swap from any.
package device

import (
	"context"
	"time"
)

// retry is the pause before a device that failed is tried again: a user who plugs it in waits half a second.
const retry = 500 * time.Millisecond

// Keeper keeps one device running.
type Keeper struct {
	run  func(ctx context.Context) (present bool, err error)
	tell func(problem string)
	swap chan struct{} // holds one: another device
}

// New makes a Keeper. run opens the device of the moment and works until ctx ends or the device fails; present is false
// when there is none to open, and then Keep waits for Swap. tell gets what is wrong with it, "" when it is well; it is
// called often and should look for changes. Both run on goroutines of Keep.
func New(run func(ctx context.Context) (present bool, err error), tell func(problem string)) *Keeper {
	return &Keeper{run: run, tell: tell, swap: make(chan struct{}, 1)}
}

// Swap makes run be called anew: there is another device now. Any goroutine; it does not block.
func (k *Keeper) Swap() {
	select {
	case k.swap <- struct{}{}:
	default:
	}
}

// Keep works until ctx ends.
func (k *Keeper) Keep(ctx context.Context) {
	for ctx.Err() == nil {
		present, err := k.once(ctx)
		if ctx.Err() != nil {
			return
		}
		problem := ""
		if err != nil {
			problem = err.Error()
		}
		k.tell(problem)
		var again <-chan time.Time
		if present {
			again = time.After(retry)
		}
		select {
		case <-ctx.Done():
			return
		case <-k.swap:
			k.tell("")
		case <-again:
		}
	}
}

// once runs the device until it ends or another is wanted. A device that has run for a while is well.
func (k *Keeper) once(ctx context.Context) (present bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		present, err = k.run(ctx)
	}()
	well := time.NewTimer(retry)
	defer well.Stop()
	for {
		select {
		case <-done:
			return present, err
		case <-well.C:
			k.tell("")
		case <-k.swap:
			k.Swap() // for Keep, which goes on at once
			cancel()
			<-done
			return present, nil
		}
	}
}
