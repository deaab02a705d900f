//go:build !windows

package resolve

// System gives the DNS of this computer: the name servers of /etc/resolv.conf and the names of /etc/hosts, both
// read again when they change.
func System() DNS { return NewClient(ClientConfig{}) }
