//go:build cgo

package audio

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"unicode"
	"unsafe"

	"github.com/gen2brain/malgo"
)

// miniaudio is the driver by malgo. Every opening has a context of its own, so that a sound server that was started
// again, or a device that was plugged in, is found.
type miniaudio struct{}

func systemHardware() hardware { return miniaudio{} }

// connection is a context and the backend behind it.
type connection struct {
	*malgo.AllocatedContext
	backend malgo.Backend
}

// connect opens the first of the system's backends that answers. The list is explicit because miniaudio's own ends
// with a null backend that takes all sound in silence.
func (miniaudio) connect() (*connection, error) {
	name := append([]byte("Peregrine"), 0)
	var pin runtime.Pinner // the name is read, and copied, while the context is made
	pin.Pin(&name[0])
	defer pin.Unpin()
	config := malgo.ContextConfig{ThreadPriority: malgo.ThreadPriorityRealtime}
	config.Pulse.PApplicationName = &name[0]
	failed := ErrNoSound
	for _, backend := range backends() {
		ctx, err := malgo.InitContext([]malgo.Backend{backend}, config, nil)
		if err == nil {
			return &connection{ctx, backend}, nil
		}
		failed = fmt.Errorf("%w (%w)", failed, err)
	}
	return nil, failed
}

func (c *connection) close() {
	_ = c.Uninit() // fails only for a context that was never initialised
	c.Free()
}

// list returns the devices of one kind. ALSA also names plug-ins that are no devices, "null" among them; a device
// of its has a card and so a colon in its ID.
func (c *connection) list(kind malgo.DeviceType) ([]malgo.DeviceInfo, error) {
	all, err := c.Devices(kind)
	if err != nil || c.backend != malgo.BackendAlsa {
		return all, err
	}
	var kept []malgo.DeviceInfo
	for _, d := range all {
		if id := idText(d.ID); id == "default" || strings.Contains(id, ":") {
			kept = append(kept, d)
		}
	}
	return kept, nil
}

// open implements hardware.
func (m miniaudio) open(d direction, device, stream string, l *line) (func(), error) {
	ctx, err := m.connect()
	if err != nil {
		return nil, err
	}
	dev, err := start(ctx, d, device, stream, l)
	if err != nil {
		ctx.close()
		return nil, err
	}
	return func() {
		// Stop before Uninit: only Stop wakes the driver's thread when the sound server died under it.
		_ = dev.Stop()
		dev.Uninit()
		ctx.close()
	}, nil
}

func start(ctx *connection, d direction, device, stream string, l *line) (*malgo.Device, error) {
	kind := malgo.Playback
	callbacks := malgo.DeviceCallbacks{Data: func(out, _ []byte, _ uint32) { l.onPlayback(out) }, Stop: l.onStop}
	if d == capture {
		kind = malgo.Capture
		callbacks.Data = func(_, in []byte, _ uint32) { l.onCapture(in) }
	}
	config := malgo.DefaultDeviceConfig(kind)
	config.SampleRate = Rate
	config.PeriodSizeInMilliseconds = uint32(FrameTime.Milliseconds()) //nolint:gosec // 10
	config.PerformanceProfile = malgo.LowLatency
	config.NoPreSilencedOutputBuffer = 1 // onPlayback fills all
	config.NoFixedSizedCallback = 1      // the ring takes any size; miniaudio's own buffer would add a period
	config.Pulse.StreamNamePlayback, config.Pulse.StreamNameCapture = stream, stream
	side := &config.Playback
	if d == capture {
		side = &config.Capture
	}
	side.Format, side.Channels = malgo.FormatS16, 1
	var pin runtime.Pinner
	defer pin.Unpin()
	if device != "" {
		id, err := find(ctx, kind, device)
		if err != nil {
			return nil, err
		}
		pin.Pin(id)
		side.DeviceID = unsafe.Pointer(id) //nolint:gosec // read, and copied, while the device is made
	}
	dev, err := malgo.InitDevice(ctx.Context, config, callbacks)
	if err != nil {
		return nil, explain(ctx, kind, err)
	}
	if err := dev.Start(); err != nil {
		dev.Uninit()
		return nil, explain(ctx, kind, err)
	}
	return dev, nil
}

// explain tells a machine without any device from one whose device does not open.
func explain(ctx *connection, kind malgo.DeviceType, err error) error {
	if list, listErr := ctx.list(kind); listErr != nil || len(list) == 0 {
		return fmt.Errorf("%w (%w)", ErrNoSound, err)
	}
	return fmt.Errorf("the sound device does not open: %w", err)
}

// find returns the ID of the device with that name or ID, exact before in another letter case.
func find(ctx *connection, kind malgo.DeviceType, device string) (*malgo.DeviceID, error) {
	list, err := ctx.list(kind)
	if err != nil {
		return nil, fmt.Errorf("%w (%w)", ErrNoSound, err)
	}
	for _, same := range []func(a, b string) bool{func(a, b string) bool { return a == b }, strings.EqualFold} {
		for i := range list {
			if same(list[i].Name(), device) || same(idText(list[i].ID), device) {
				return &list[i].ID, nil
			}
		}
	}
	return nil, ErrNoDevice
}

// devices implements hardware.
func (m miniaudio) devices() ([]DeviceInfo, error) {
	ctx, err := m.connect()
	if err != nil {
		return nil, err
	}
	defer ctx.close()
	var all []DeviceInfo
	var failed error
	for _, kind := range []malgo.DeviceType{malgo.Playback, malgo.Capture} {
		list, err := ctx.list(kind)
		failed = errors.Join(failed, err)
		for _, d := range list {
			all = append(all, DeviceInfo{
				Name: d.Name(), ID: idText(d.ID), Default: d.IsDefault != 0,
				Input: kind == malgo.Capture, Output: kind == malgo.Playback,
			})
		}
	}
	if len(all) == 0 {
		return nil, errors.Join(ErrNoSound, failed)
	}
	return all, nil
}

// idText returns a device ID as text: the name that PulseAudio, ALSA and Core Audio keep there, else hexadecimal.
func idText(id malgo.DeviceID) string {
	text, _, _ := bytes.Cut(id[:], []byte{0})
	for _, r := range string(text) {
		if r > unicode.MaxASCII || !unicode.IsPrint(r) {
			return id.String()
		}
	}
	if len(text) < 2 {
		return id.String()
	}
	return string(text)
}
