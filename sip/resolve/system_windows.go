package resolve

// System gives the DNS of this computer. Windows has no resolv.conf; its own resolver knows adapters, VPNs and
// the hosts file.
func System() DNS { return Library{} }
