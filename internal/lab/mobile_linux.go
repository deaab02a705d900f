package lab

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// Mobile is a mobile host: two radios of which one or, for make-before-break, both are in use.
type Mobile struct {
	Host
	index int
	wifi  int // network it is in, 1 or 2
	radio int // wlan0 or wlan1
}

// Move is what happened in one move, in wall-clock time.
type Move struct {
	Kind     string     // "bbm", "mbb", "same", "flap"
	Old, New netip.Addr // equal for a flap
	Down     time.Time  // the old address was about to go (of mbb: it went after Up)
	Up       time.Time  // the new address and route were there
}

func newMobile(l *Lab, i int) *Mobile {
	name := numbered("mh", i)
	return &Mobile{Host: Host{lab: l, name: name, ns: l.ns(name), addr: mobileAddr(1, i, 0)}, index: i, wifi: 1}
}

// mobileAddr is what the network leases to a radio: .100 and up for wlan0, .120 and up for wlan1,
// since another hardware address gets another lease. Tests take new leases from .150 to .199.
func mobileAddr(wifi, index, radio int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, 77, byte(wifi), byte(100 + 20*radio + index)})
}

// WiFi is the network the host is in, 1 or 2.
func (m *Mobile) WiFi() int { wifi, _ := m.position(); return wifi }

func (m *Mobile) position() (wifi, radio int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.wifi, m.radio
}

func (m *Mobile) settle(wifi, radio int, addr netip.Addr) error {
	m.mu.Lock()
	m.wifi, m.radio, m.addr = wifi, radio, addr
	m.mu.Unlock()
	return m.lab.record.save(m.lab)
}

func (m *Mobile) bridgePort(radio int) string { return fmt.Sprintf("m%dw%d", m.index, radio) }

func (m *Mobile) wire(ctx context.Context) error {
	for radio := range 2 {
		if err := m.lab.veth(ctx, m.name, fmt.Sprintf("wlan%d", radio), "air", m.bridgePort(radio)); err != nil {
			return err
		}
	}
	if err := m.join(ctx, 0, 1); err != nil {
		return err
	}
	return m.lab.ip(ctx, m.name, "link set wlan1 down",
		fmt.Sprintf("addr add %s/24 dev wlan0", m.Addr()), "route add default via 10.77.1.1")
}

// join plugs a radio into a network's bridge: the association with its access point.
func (m *Mobile) join(ctx context.Context, radio, wifi int) error {
	return m.lab.ip(ctx, "air", fmt.Sprintf("link set %s master br%d", m.bridgePort(radio), wifi))
}

// associate joins a network and brings the radio up, and returns when frames pass. A real network
// leases an address by DHCP, so that frames have passed before there is one; here a first ARP
// request would be lost in a bridge port that the kernel enables a moment later, and be repeated
// only after a second.
func (m *Mobile) associate(ctx context.Context, radio, wifi int) error {
	if err := m.join(ctx, radio, wifi); err != nil {
		return err
	}
	if err := m.lab.ip(ctx, m.name, fmt.Sprintf("link set wlan%d up", radio)); err != nil {
		return err
	}
	ends := []struct{ host, dev, want string }{
		{"air", m.bridgePort(radio), `"state":"forwarding"`},
		{m.name, fmt.Sprintf("wlan%d", radio), `"operstate":"UP"`},
	}
	for _, end := range ends {
		err := poll(ctx, time.Millisecond, func() (bool, error) {
			out, err := run(ctx, "", "ip", "-n", m.lab.ns(end.host), "-d", "-j", "link", "show", "dev", end.dev)
			return strings.Contains(out, end.want), err
		})
		if err != nil {
			return fmt.Errorf("%s joins network %d: %w", m.name, wifi, err)
		}
	}
	return nil
}

// Roam moves the host to the other network with one radio, break before make: for gap it has no
// address at all.
func (m *Mobile) Roam(ctx context.Context, gap time.Duration) (Move, error) {
	wifi, radio := m.position()
	to := 3 - wifi
	move := Move{Kind: "bbm", Old: m.Addr(), New: mobileAddr(to, m.index, radio), Down: time.Now()}
	dev := fmt.Sprintf("wlan%d", radio)
	if err := m.lab.ip(ctx, m.name, "link set "+dev+" down", "addr flush dev "+dev); err != nil {
		return Move{}, err
	}
	if err := m.associate(ctx, radio, to); err != nil {
		return Move{}, err
	}
	if err := wait(ctx, gap-time.Since(move.Down)); err != nil {
		return Move{}, err
	}
	err := m.lab.ip(ctx, m.name, fmt.Sprintf("addr add %s/24 dev %s", move.New, dev),
		fmt.Sprintf("route replace default via 10.77.%d.1", to))
	if err != nil {
		return Move{}, err
	}
	move.Up = time.Now()
	return move, m.settle(to, radio, move.New)
}

// RoamOverlapped moves the host to the other network with its second radio, make before break:
// for overlap both addresses work, then the old radio goes down.
func (m *Mobile) RoamOverlapped(ctx context.Context, overlap time.Duration) (Move, error) {
	wifi, radio := m.position()
	to, next := 3-wifi, 1-radio
	move := Move{Kind: "mbb", Old: m.Addr(), New: mobileAddr(to, m.index, next), Down: time.Now()}
	oldDev, dev := fmt.Sprintf("wlan%d", radio), fmt.Sprintf("wlan%d", next)
	if err := m.associate(ctx, next, to); err != nil {
		return Move{}, err
	}
	err := m.lab.ip(ctx, m.name, fmt.Sprintf("addr add %s/24 dev %s", move.New, dev),
		fmt.Sprintf("route replace default via 10.77.%d.1 dev %s", to, dev))
	if err != nil {
		return Move{}, err
	}
	move.Up = time.Now()
	if err := wait(ctx, overlap); err != nil {
		return Move{}, err
	}
	if err := m.lab.ip(ctx, m.name, "link set "+oldDev+" down", "addr flush dev "+oldDev); err != nil {
		return Move{}, err
	}
	return move, m.settle(to, next, move.New)
}

// Readdress gives the host another address in the same network, as a new DHCP lease would; for gap
// it has none. The address must lie in its present network and be no other host's.
func (m *Mobile) Readdress(ctx context.Context, addr netip.Addr, gap time.Duration) (Move, error) {
	wifi, radio := m.position()
	move := Move{Kind: "same", Old: m.Addr(), New: addr, Down: time.Now()}
	dev := fmt.Sprintf("wlan%d", radio)
	if err := m.lab.ip(ctx, m.name, "addr flush dev "+dev); err != nil {
		return Move{}, err
	}
	if err := wait(ctx, gap); err != nil {
		return Move{}, err
	}
	if err := m.lab.ip(ctx, m.name, fmt.Sprintf("addr add %s/24 dev %s", addr, dev),
		fmt.Sprintf("route replace default via 10.77.%d.1", wifi)); err != nil {
		return Move{}, err
	}
	move.Up = time.Now()
	return move, m.settle(wifi, radio, addr)
}

// Flap takes the link away for the time d and brings it back with the same address.
func (m *Mobile) Flap(ctx context.Context, d time.Duration) (Move, error) {
	wifi, radio := m.position()
	move := Move{Kind: "flap", Old: m.Addr(), New: m.Addr(), Down: time.Now()}
	dev := fmt.Sprintf("wlan%d", radio)
	if err := m.lab.ip(ctx, m.name, "link set "+dev+" down"); err != nil {
		return Move{}, err
	}
	if err := wait(ctx, d); err != nil {
		return Move{}, err
	}
	// With an address, a first ARP request might leave before frames pass (associate), and be repeated
	// only after a second.
	if err := m.lab.ip(ctx, m.name, "addr flush dev "+dev); err != nil {
		return Move{}, err
	}
	if err := m.associate(ctx, radio, wifi); err != nil {
		return Move{}, err
	}
	err := m.lab.ip(ctx, m.name, fmt.Sprintf("addr add %s/24 dev %s", m.Addr(), dev),
		fmt.Sprintf("route replace default via 10.77.%d.1", wifi))
	if err != nil {
		return Move{}, err
	}
	move.Up = time.Now()
	return move, nil
}

// wait blocks for d or until ctx ends.
func wait(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
