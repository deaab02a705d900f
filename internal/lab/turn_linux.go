package lab

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
)

// TURN is a running coturn in the servers' network: STUN and TURN by UDP and TCP on port 3478, by TLS on 5349, relays
// on its own address. Its only user is turn with the password [Password]("turn").
type TURN struct {
	Addr netip.Addr
	Name string // in its certificate, and in the DNS
	proc *process
}

// turnAddress is where coturn listens and relays; turnName is the name of core's certificate for it.
const (
	turnAddress = "10.77.0.30"
	turnName    = "turn.test"
	turnUser    = "turn"
)

// StartTURN starts coturn.
func (l *Lab) StartTURN(ctx context.Context) (*TURN, error) {
	// What a server sends to a private address is lost on the way, as in the Internet, and not refused at once.
	if err := l.ip(ctx, "core", "addr add "+turnAddress+"/24 dev srv",
		"link add void type bridge", "link set void arp off up", "route add 192.168.0.0/16 dev void"); err != nil {
		return nil, err
	}
	dir := l.Core().dir("coturn")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("start coturn: %w", err)
	}
	ca, err := newAuthority(filepath.Join(dir, "tls"))
	if err != nil {
		return nil, err
	}
	certificate, key, err := ca.server(turnName)
	if err != nil {
		return nil, err
	}
	t := &TURN{Addr: netip.MustParseAddr(turnAddress), Name: turnName}
	t.proc, err = startProcess(l.ns("core"), "coturn", dir, nil, nil, "stdbuf", "-oL", "turnserver", "-n",
		"--listening-ip="+turnAddress, "--relay-ip="+turnAddress, "--listening-port=3478", "--tls-listening-port=5349",
		"--relay-threads=1", "--min-port=49152", "--max-port=49999", "--lt-cred-mech", "--realm="+turnName,
		"--user="+turnUser+":"+Password(turnUser), "--fingerprint", "--no-cli", "--no-dtls", "--no-multicast-peers",
		"--cert="+certificate, "--pkey="+key, "--user-quota=8", "--total-quota=32", "--verbose",
		"--log-file=stdout", "--simple-log",
		"--pidfile="+filepath.Join(dir, "pid"), "--userdb="+filepath.Join(dir, "db"))
	if err != nil {
		return nil, err
	}
	l.adopt(t.proc)
	if _, err = t.proc.waitFile(ctx, t.proc.log, 0, `SQLite DB connection success`); err != nil {
		return nil, err
	}
	return t, nil
}

// AuthorityFile is the certificate authority of the server by TLS, for the environment variable SSL_CERT_FILE.
func (t *TURN) AuthorityFile() string {
	return filepath.Join(filepath.Dir(t.proc.log), "tls", "ca.pem")
}

// Log is what coturn printed since the mark.
func (t *TURN) Log(mark int64) string { return t.proc.output(mark) }

// BehindNAT adds a host 192.168.N.10 behind a router of its own in the wired network, which translates addresses. Each
// i, from 0, is another one. A symmetric translator has a random port for each pair of addresses (RFC 4787 4.1:
// address and port-dependent mapping); the other keeps the port where it can, so that a mapping learnt from one server
// counts for all, but lets in only answers (address and port-dependent filtering).
func (l *Lab) BehindNAT(ctx context.Context, i int, symmetric bool) (*Host, error) {
	router, inside := fmt.Sprintf("nat%d", i), fmt.Sprintf("in%d", i)
	for _, name := range []string{router, inside} {
		if _, err := run(ctx, "", "ip", "netns", "add", l.ns(name)); err != nil {
			return nil, err
		}
		if err := l.prepareNamespace(ctx, name); err != nil {
			return nil, err
		}
	}
	if err := l.veth(ctx, "core", "p-"+router, router, "wan"); err != nil {
		return nil, err
	}
	if err := l.veth(ctx, router, "lan", inside, "eth0"); err != nil {
		return nil, err
	}
	// A bridge takes the lowest hardware address of its ports unless it was given one, and hosts would not notice.
	mac, err := l.Core().Run(ctx, "cat", "/sys/class/net/lan/address")
	if err != nil {
		return nil, err
	}
	err = l.ip(ctx, "core", "link set lan address "+strings.TrimSpace(mac), "link set p-"+router+" master lan")
	if err != nil {
		return nil, err
	}
	err = l.ip(ctx, router, fmt.Sprintf("addr add 10.77.3.%d/24 dev wan", 100+i),
		fmt.Sprintf("addr add 192.168.%d.1/24 dev lan", 20+i), "route add default via 10.77.3.1")
	if err != nil {
		return nil, err
	}
	h := &Host{lab: l, name: inside, ns: l.ns(inside), addr: netip.AddrFrom4([4]byte{192, 168, byte(20 + i), 10})}
	err = l.ip(ctx, inside, fmt.Sprintf("addr add %s/24 dev eth0", h.addr),
		fmt.Sprintf("route add default via 192.168.%d.1", 20+i))
	if err != nil {
		return nil, err
	}
	mode := ""
	if symmetric {
		mode = " fully-random"
	}
	rules := []string{
		"table ip nat {", "chain out {", "type nat hook postrouting priority 100;",
		`oifname "wan" masquerade` + mode + ";", "}", "}",
		"table ip filter {", "chain in {", "type filter hook forward priority 0; policy drop;",
		`iifname "lan" accept;`, "ct state established,related accept;", "}",
		// A packet that the router took for its own would keep its port from being given to a host inside.
		"chain own {", "type filter hook input priority 0; policy drop;",
		`iifname "lan" accept;`, "ct state established,related accept;", "}", "}",
	}
	_, err = run(ctx, strings.Join(rules, "\n")+"\n", "ip", "netns", "exec", l.ns(router), "nft", "-f", "-")
	if err != nil {
		return nil, err
	}
	return h, inNamespace(l.ns(router), func() error {
		return os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o644)
	})
}
