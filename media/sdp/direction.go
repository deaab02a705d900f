package sdp

import "net/netip"

// Direction is who sends media, from the point of view of whoever wrote the description (RFC 8866 6.7).
type Direction uint8

// The directions. The zero value is the default of RFC 8866.
const (
	SendRecv Direction = iota
	SendOnly
	RecvOnly
	Inactive
)

// NewDirection composes a direction.
func NewDirection(send, receive bool) Direction {
	switch {
	case send && receive:
		return SendRecv
	case send:
		return SendOnly
	case receive:
		return RecvOnly
	default:
		return Inactive
	}
}

// String is the name of the attribute.
func (d Direction) String() string {
	switch d {
	case SendRecv:
		return "sendrecv"
	case SendOnly:
		return "sendonly"
	case RecvOnly:
		return "recvonly"
	case Inactive:
		return "inactive"
	}
	return "sendrecv"
}

// Sends reports whether the writer sends.
func (d Direction) Sends() bool { return d == SendRecv || d == SendOnly }

// Receives reports whether the writer receives.
func (d Direction) Receives() bool { return d == SendRecv || d == RecvOnly }

// Direction returns the direction of media line m: its own attribute, else the session's, else sendrecv.
// A connection address of 0.0.0.0 or :: is the old way to say "do not send to me" (RFC 3264 8.4, RFC 2543 B.5).
func (d *Description) Direction(m *Media) Direction {
	dir, ok := direction(m.Attributes)
	if !ok {
		dir, _ = direction(d.Attributes)
	}
	if c := d.Connection(m); c.IsValid() && c.IsUnspecified() {
		dir = NewDirection(dir.Sends(), false)
	}
	return dir
}

func direction(list []Attribute) (Direction, bool) {
	for _, a := range list {
		for _, d := range [...]Direction{SendRecv, SendOnly, RecvOnly, Inactive} {
			if a.Key == d.String() {
				return d, true
			}
		}
	}
	return SendRecv, false
}

// usable reports whether media can be sent to addr.
func usable(addr netip.Addr, port int) bool {
	return addr.IsValid() && !addr.IsUnspecified() && !addr.IsMulticast() && port > 0
}
