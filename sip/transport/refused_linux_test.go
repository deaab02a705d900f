package transport

import (
	"encoding/binary"
	"syscall"
	"testing"
)

// extended makes the control message of an error: its type, level, errno and origin.
func extended(kind, level int32, errno uint32, origin byte) []byte {
	head := syscall.Cmsghdr{Level: level, Type: kind}
	head.SetLen(syscall.CmsgLen(extendedErrLen))
	b, err := binary.Append(nil, binary.NativeEndian, head)
	if err != nil {
		panic(err)
	}
	b = binary.NativeEndian.AppendUint32(b, errno)
	b = append(b, origin)
	return append(b, make([]byte, extendedErrLen-5)...)
}

// Only what says that the port is closed counts, and only for the request it quotes.
func TestSaysPortClosed(t *testing.T) {
	tests := []struct {
		name    string
		control []byte
		want    bool
	}{
		{"nothing", nil, false},
		{"port closed", extended(11, 0, 111, 2), true},
		{"port closed over IPv6", extended(25, 41, 111, 3), true},
		{"host unreachable", extended(11, 0, 113, 2), false},
		{"too large for a link", extended(11, 0, 90, 2), false},
		{"made here", extended(11, 0, 111, 1), false},
		{"another message", extended(2, 0, 111, 2), false},
		{"cut off", extended(11, 0, 111, 2)[:20], false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := saysPortClosed(tt.control); got != tt.want {
				t.Errorf("%v, want %v", got, tt.want)
			}
		})
	}
}
