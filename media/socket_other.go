//go:build !linux

package media

import "net"

// markExpedited does nothing: Windows ignores the socket option and wants a policy, and macOS maps its own classes.
func markExpedited(*net.UDPConn) {}
