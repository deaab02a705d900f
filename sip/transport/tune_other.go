//go:build !linux

package transport

import "net"

// tune does nothing: elsewhere keep-alives and transactions find a dead peer.
func tune(net.Conn) {}
