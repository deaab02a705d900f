package lab

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/peregrine-softphone/peregrine/internal/lab/linkemu"
)

// wifis is the number of Wi-Fi networks, 10.77.1.0/24 and 10.77.2.0/24.
const wifis = 2

// Host is one machine of the lab.
type Host struct {
	lab  *Lab
	name string
	ns   string

	mu   sync.Mutex
	addr netip.Addr
}

func newCorrespondent(l *Lab, i int) *Host {
	name := numbered("ch", i)
	return &Host{lab: l, name: name, ns: l.ns(name), addr: netip.AddrFrom4([4]byte{10, 77, 3, byte(10 + i)})}
}

// numbered is "mh", "mh2", "mh3", ….
func numbered(name string, i int) string {
	if i == 0 {
		return name
	}
	return fmt.Sprintf("%s%d", name, i+1)
}

// Name is the host's name without the prefix.
func (h *Host) Name() string { return h.name }

// Namespace is the name of the host's network namespace.
func (h *Host) Namespace() string { return h.ns }

// Addr is the host's present address.
func (h *Host) Addr() netip.Addr {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.addr
}

// serverIPv6 is where the server of info.test is also to be found, as six.test, in a lab with IPv6.
const serverIPv6 = "fd77:3::1"

// Addr6 is the address of a correspondent in a lab with IPv6.
func (h *Host) Addr6() netip.Addr {
	four := h.Addr().As4()
	return netip.MustParseAddr(fmt.Sprintf("fd77:3::%x", four[3]))
}

// dir is the folder of the host's peer called name.
func (h *Host) dir(name string) string { return filepath.Join(h.lab.cfg.Dir, h.name, name) }

// Run executes a short command on the host and returns its standard output.
func (h *Host) Run(ctx context.Context, argv ...string) (string, error) {
	return run(ctx, "", append([]string{"ip", "netns", "exec", h.ns}, argv...)...)
}

// wireUp makes the namespaces and the networks between them.
func (l *Lab) wireUp(ctx context.Context) error {
	names := []string{"core", "air", "ap1", "ap2"}
	for _, m := range l.mobiles {
		names = append(names, m.name)
	}
	for _, h := range l.hosts {
		names = append(names, h.name)
	}
	var script strings.Builder
	for _, name := range names {
		fmt.Fprintf(&script, "netns add %s\n", l.ns(name))
	}
	if _, err := run(ctx, script.String(), "ip", "-batch", "-"); err != nil {
		return err
	}
	for _, name := range names {
		if err := l.prepareNamespace(ctx, name); err != nil {
			return err
		}
	}
	if err := l.wireCore(ctx); err != nil {
		return err
	}
	for i := 1; i <= wifis; i++ {
		if err := l.wireWiFi(ctx, i); err != nil {
			return err
		}
	}
	for _, m := range l.mobiles {
		if err := m.wire(ctx); err != nil {
			return err
		}
	}
	return nil
}

// prepareNamespace gives a namespace its resolver and the kernel settings of an ordinary desktop
// or router.
func (l *Lab) prepareNamespace(ctx context.Context, name string) error {
	ns := l.ns(name)
	etc := filepath.Join("/etc/netns", ns)
	if err := os.MkdirAll(etc, 0o755); err != nil {
		return fmt.Errorf("prepare %s: %w", ns, err)
	}
	if err := os.WriteFile(filepath.Join(etc, "resolv.conf"), []byte("nameserver 10.77.0.53\n"), 0o644); err != nil {
		return fmt.Errorf("prepare %s: %w", ns, err)
	}
	off := "1"
	if l.cfg.IPv6 && (name == "core" || strings.HasPrefix(name, "ch")) {
		off = "0"
	}
	settings := map[string]string{
		"ipv6/conf/all/disable_ipv6":     off,
		"ipv6/conf/default/disable_ipv6": off,
		"ipv6/conf/default/accept_dad":   "0", // an address counts at once
		"ipv4/conf/all/rp_filter":        "2", // loose, as Debian's desktops have it
	}
	if name == "core" || strings.HasPrefix(name, "ap") {
		settings["ipv4/ip_forward"] = "1"
	}
	err := inNamespace(ns, func() error {
		for key, value := range settings {
			path := filepath.Join("/proc/sys/net", key)
			if err := os.WriteFile(path, []byte(value), 0o644); err != nil && !os.IsNotExist(err) {
				return fmt.Errorf("prepare %s: %w", ns, err)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return l.ip(ctx, name, "link set lo up")
}

// ip executes lines of iproute2's batch language inside the namespace.
func (l *Lab) ip(ctx context.Context, name string, lines ...string) error {
	_, err := run(ctx, strings.Join(lines, "\n")+"\n", "ip", "-n", l.ns(name), "-batch", "-")
	return err
}

// veth joins two namespaces by a cable. Checksum and segmentation offloads are off: frames pass
// packet sockets (the delay box, captures), which would see unfinished checksums.
func (l *Lab) veth(ctx context.Context, nsA, ifA, nsB, ifB string) error {
	_, err := run(ctx, "", "ip", "link", "add", ifA, "netns", l.ns(nsA), "type", "veth",
		"peer", "name", ifB, "netns", l.ns(nsB))
	if err != nil {
		return err
	}
	for _, end := range [][2]string{{nsA, ifA}, {nsB, ifB}} {
		if err := l.ip(ctx, end[0], "link set "+end[1]+" up"); err != nil {
			return err
		}
		_, err := run(ctx, "", "ip", "netns", "exec", l.ns(end[0]), "ethtool", "-K", end[1],
			"tx", "off", "rx", "off", "tso", "off", "gso", "off", "gro", "off")
		if err != nil {
			return err
		}
	}
	return nil
}

// wireCore makes the servers' network and the correspondents' one.
func (l *Lab) wireCore(ctx context.Context) error {
	lines := []string{
		"link add srv type bridge", "link set srv up", "link add lan type bridge", "link set lan up",
		"addr add 10.77.3.1/24 dev lan", "route add blackhole 10.77.9.9/32", // a server that is dead and silent
	}
	if l.cfg.IPv6 {
		lines = append(lines, "addr add "+serverIPv6+"/64 dev lan nodad")
	}
	for _, last := range []int{1, 10, 20, 53} {
		lines = append(lines, fmt.Sprintf("addr add 10.77.0.%d/24 dev srv", last))
	}
	if err := l.ip(ctx, "core", lines...); err != nil {
		return err
	}
	for _, h := range l.hosts {
		if err := l.veth(ctx, "core", "p-"+h.name, h.name, "eth0"); err != nil {
			return err
		}
		if err := l.ip(ctx, "core", "link set p-"+h.name+" master lan"); err != nil {
			return err
		}
		lines := []string{fmt.Sprintf("addr add %s/24 dev eth0", h.Addr()), "route add default via 10.77.3.1"}
		if l.cfg.IPv6 {
			lines = append(lines, fmt.Sprintf("addr add %s/64 dev eth0 nodad", h.Addr6()))
		}
		if err := l.ip(ctx, h.name, lines...); err != nil {
			return err
		}
	}
	return nil
}

// wireWiFi makes one Wi-Fi network: a bridge in the air, an access point, its uplink.
func (l *Lab) wireWiFi(ctx context.Context, i int) error {
	ap := fmt.Sprintf("ap%d", i)
	if err := l.ip(ctx, "air", fmt.Sprintf("link add br%d type bridge", i),
		fmt.Sprintf("link set br%d up", i)); err != nil {
		return err
	}
	if err := l.veth(ctx, ap, "lan", "air", "apl"+ap[2:]); err != nil {
		return err
	}
	if err := l.ip(ctx, "air", fmt.Sprintf("link set apl%d master br%d", i, i)); err != nil {
		return err
	}
	if err := l.ip(ctx, ap, fmt.Sprintf("addr add 10.77.%d.1/24 dev lan", i)); err != nil {
		return err
	}
	return l.uplink(ctx, i)
}

// uplink joins access point i with the core: by a cable, or through the delay box.
func (l *Lab) uplink(ctx context.Context, i int) error {
	ap, coreEnd := fmt.Sprintf("ap%d", i), fmt.Sprintf("up%d", i)
	if l.cfg.Link == (linkemu.Impairment{}) {
		if err := l.veth(ctx, "core", coreEnd, ap, "up0"); err != nil {
			return err
		}
	} else if err := l.emulatedUplink(ctx, i, coreEnd, ap); err != nil {
		return err
	}
	// A provider's line does not ask for hardware addresses: with ARP through the delay box, the
	// first packet of a moved host would take one round trip more than the line has.
	coreMAC, apMAC := fmt.Sprintf("02:77:00:00:0%d:01", i), fmt.Sprintf("02:77:00:00:0%d:02", i)
	if err := l.ip(ctx, "core", "link set "+coreEnd+" address "+coreMAC,
		fmt.Sprintf("addr add 10.77.1%d.1/30 dev %s", i, coreEnd),
		fmt.Sprintf("neigh replace 10.77.1%d.2 lladdr %s dev %s nud permanent", i, apMAC, coreEnd),
		fmt.Sprintf("route replace 10.77.%d.0/24 via 10.77.1%d.2", i, i)); err != nil {
		return err
	}
	return l.ip(ctx, ap, "link set up0 address "+apMAC, fmt.Sprintf("addr add 10.77.1%d.2/30 dev up0", i),
		fmt.Sprintf("neigh replace 10.77.1%d.1 lladdr %s dev up0 nud permanent", i, coreMAC),
		fmt.Sprintf("route replace default via 10.77.1%d.1", i))
}

func (l *Lab) emulatedUplink(ctx context.Context, i int, coreEnd, ap string) error {
	a, b := fmt.Sprintf("e%da", i), fmt.Sprintf("e%db", i)
	if err := l.veth(ctx, "core", coreEnd, "air", a); err != nil {
		return err
	}
	if err := l.veth(ctx, ap, "up0", "air", b); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("start delay box: %w", err)
	}
	dir := filepath.Join(l.cfg.Dir, fmt.Sprintf("linkemu%d", i))
	argv := append([]string{self, linkemuVerb, a, b}, l.cfg.Link.Args()...)
	changes, control, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("start delay box: %w", err)
	}
	p, err := startProcess(l.ns("air"), "linkemu", dir, changes, nil, argv...)
	if err = errors.Join(err, changes.Close()); err != nil {
		return errors.Join(err, control.Close())
	}
	l.adopt(p)
	l.mu.Lock()
	if old := l.boxes[i-1]; old != nil {
		_ = old.Close() // its box was killed
	}
	l.boxes[i-1] = control
	l.mu.Unlock()
	_, err = p.waitFile(ctx, p.log, 0, linkemuReady)
	return err
}

// Shape changes delay, jitter and loss of both uplinks at once, in the middle of calls too; what is on the way keeps
// its time. The lab must have been started with a Link that is not zero, by this process.
func (l *Lab) Shape(link linkemu.Impairment) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, box := range l.boxes {
		if box == nil {
			return errors.New("shape the uplinks: they have no delay box")
		}
		if _, err := fmt.Fprintln(box, strings.Join(link.Args(), " ")); err != nil {
			return fmt.Errorf("shape the uplinks: %w", err)
		}
	}
	return nil
}

// SetLink changes delay, jitter and loss of both uplinks. What is on the way then is lost, and the
// uplinks are away for some tens of milliseconds: change them between calls.
func (l *Lab) SetLink(ctx context.Context, link linkemu.Impairment) error {
	signalAll(ctx, []string{l.ns("air")}, true) // only delay boxes run there
	l.cfg.Link = link
	for i := 1; i <= wifis; i++ {
		if err := l.ip(ctx, "core", fmt.Sprintf("link del up%d", i)); err != nil {
			return err
		}
		// A cable went with its other end; the two of a delay box do not.
		_ = l.ip(ctx, fmt.Sprintf("ap%d", i), "link del up0")
		if err := l.uplink(ctx, i); err != nil {
			return err
		}
	}
	return l.record.save(l)
}
