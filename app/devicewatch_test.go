package app

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/peregrine-softphone/peregrine/media/audio"
)

// shelf is a list of devices that changes.
type shelf struct {
	systemDevices
	mu    sync.Mutex
	list  []audio.DeviceInfo
	asked int
}

func (s *shelf) List(context.Context) ([]audio.DeviceInfo, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	return s.list, nil
}

// TestDevicesComeAndGo: who looks at the devices is told of changes within a second; when nobody looks nobody asks.
func TestDevicesComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := testEngine(t, "default", "default")
		s := &shelf{list: []audio.DeviceInfo{{Name: "Built-in", Output: true}}}
		e.cfg.Devices = s
		go func() { _ = e.watchDevices(t.Context()) }()
		changes := func() uint64 {
			e.mu.Lock()
			defer e.mu.Unlock()
			return e.devices.changes
		}
		time.Sleep(time.Hour)
		if s.asked != 0 {
			t.Errorf("asked %d times for nobody", s.asked)
		}
		if list, err := e.Devices(t.Context()); err != nil || len(list) != 1 {
			t.Errorf("devices %v, %v", list, err)
		}
		time.Sleep(10 * time.Second)
		if n := changes(); n != 0 {
			t.Errorf("%d changes of nothing", n)
		}
		s.mu.Lock()
		s.list = append(s.list[:1:1], audio.DeviceInfo{Name: "Headset", Input: true, Output: true})
		s.mu.Unlock()
		time.Sleep(deviceLook + 10*time.Millisecond)
		if n := changes(); n != 1 {
			t.Errorf("%d changes when a headset came", n)
		}
		if list, err := e.Devices(t.Context()); err != nil || len(list) != 3 {
			t.Errorf("devices %v, %v", list, err)
		}
		time.Sleep(time.Hour)
		if most := int(2*deviceInterest/deviceLook) + 5; s.asked > most {
			t.Errorf("asked %d times, at most %d for somebody who looked twice", s.asked, most)
		}
	})
}

// A chosen device that is away is one notice, which goes when it comes back or another is chosen.
func TestMissingDevice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := testEngine(t, "default", "default")
		notices := func() int {
			e.mu.Lock()
			defer e.mu.Unlock()
			return len(e.notices)
		}
		for range 3 {
			e.deviceMissing("Headset", true)
		}
		if n := notices(); n != 1 {
			t.Errorf("%d notices of a missing headset", n)
		}
		e.deviceMissing("Headset", false)
		if n := notices(); n != 0 {
			t.Errorf("%d notices when it is back", n)
		}
		e.deviceMissing("Headset", true)
		e.settingChanged(SettingOutput)
		if n := notices(); n != 0 {
			t.Errorf("%d notices after another choice", n)
		}
	})
}
