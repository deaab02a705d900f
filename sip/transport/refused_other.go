//go:build !linux

package transport

import "net"

// wantRefusals does nothing: elsewhere requests to a closed port time out (RFC 3261 17.1).
func wantRefusals(net.PacketConn) {}

// readRefusals finds nothing.
func readRefusals(net.PacketConn) (datagrams [][]byte, found bool) { return nil, false }
