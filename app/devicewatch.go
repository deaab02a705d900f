package app

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/peregrine-softphone/peregrine/media/audio"
)

// Watching for microphones and speakers that come and go.
const (
	// deviceLook is how often the system is asked, which costs it a few milliseconds.
	deviceLook = time.Second
	// deviceInterest is how long it is asked after somebody last looked at the devices.
	deviceInterest = 2 * time.Minute
)

// deviceWatch is what is known of the devices of the system. Engine.mu guards it.
type deviceWatch struct {
	asked   time.Time // when somebody last wanted to know
	last    []audio.DeviceInfo
	changes uint64
	missing map[string]bool // chosen devices that the default stands in for
}

// devicesShown notes that somebody looks at the devices, and which he sees.
func (e *Engine) devicesShown(list []audio.DeviceInfo) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.devices.asked, e.devices.last = time.Now(), list
}

// watchDevices looks whether devices came or went, while somebody wants to know, until ctx ends.
func (e *Engine) watchDevices(ctx context.Context) error {
	tick := time.NewTicker(deviceLook)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		e.mu.Lock()
		wanted := time.Since(e.devices.asked) < deviceInterest
		e.mu.Unlock()
		if !wanted {
			continue
		}
		list, err := e.cfg.Devices.List(ctx)
		if err != nil {
			list = nil // no sound server: there are none
		}
		e.mu.Lock()
		if !slices.Equal(list, e.devices.last) {
			e.devices.last = list
			e.devices.changes++
			e.changedLocked()
		}
		e.mu.Unlock()
	}
}

// missingSentence tells that a chosen device is not there.
func missingSentence(device string) string {
	return fmt.Sprintf("%q is not there. The default of the system stands in until it is back.", device)
}

// deviceMissing is told that the default stands in for a chosen device, or does not any more.
func (e *Engine) deviceMissing(device string, missing bool) {
	e.mu.Lock()
	before := e.devices.missing[device]
	if e.devices.missing == nil {
		e.devices.missing = map[string]bool{}
	}
	if missing {
		e.devices.missing[device] = true
	} else {
		delete(e.devices.missing, device)
	}
	e.mu.Unlock()
	switch {
	case missing && !before:
		e.addNotice(missingSentence(device), "")
	case !missing && before:
		e.dropNotice(missingSentence(device))
	}
}

// forgetMissing takes the sentences about missing devices away: the user has chosen anew.
func (e *Engine) forgetMissing() {
	e.mu.Lock()
	gone := e.devices.missing
	e.devices.missing = nil
	e.mu.Unlock()
	for device := range gone {
		e.dropNotice(missingSentence(device))
	}
}
