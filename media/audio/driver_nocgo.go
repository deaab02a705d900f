//go:build !cgo

package audio

// noHardware stands where this build has no driver.
type noHardware struct{}

func systemHardware() hardware { return noHardware{} }

func (noHardware) open(direction, string, string, *line) (func(), error) { return nil, ErrNoDriver }
func (noHardware) devices() ([]DeviceInfo, error)                        { return nil, ErrNoDriver }
