package resolve

import (
	"bufio"
	"io"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
)

const (
	// recheck is how often a file is looked at: an address change writes resolv.conf within a second or so.
	recheck = 500 * time.Millisecond
	// hostsTTL keeps names of /etc/hosts no longer than a person waits after editing it.
	hostsTTL = 2 * time.Second
	// maxFile bounds the files read: block lists in /etc/hosts have some 10 MB.
	maxFile = 16 << 20
)

// watched is a configuration file that is read again when it changes.
type watched[T any] struct {
	path  string
	parse func(io.Reader) (*T, error)

	mu      sync.Mutex
	looked  time.Time
	changed time.Time
	size    int64
	value   *T
	err     error
}

// get gives the parsed file, or the error of opening or parsing it.
func (w *watched[T]) get() (*T, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if (w.value != nil || w.err != nil) && time.Since(w.looked) < recheck {
		return w.value, w.err
	}
	w.looked = time.Now()
	info, err := os.Stat(w.path)
	if err != nil {
		w.value, w.err = nil, err
		return nil, err
	}
	if w.value != nil && info.ModTime().Equal(w.changed) && info.Size() == w.size {
		return w.value, nil
	}
	w.changed, w.size = info.ModTime(), info.Size()
	w.value, w.err = w.read()
	return w.value, w.err
}

func (w *watched[T]) read() (*T, error) {
	f, err := os.Open(w.path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return w.parse(io.LimitReader(f, maxFile))
}

// hostsTable maps names in lower case to addresses, IPv4 first.
type hostsTable map[string][]netip.Addr

func parseHosts(r io.Reader) (*hostsTable, error) {
	t := make(hostsTable)
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		text, _, _ := strings.Cut(lines.Text(), "#")
		fields := strings.Fields(text)
		if len(fields) < 2 {
			continue
		}
		ip, err := netip.ParseAddr(fields[0])
		if err != nil {
			continue
		}
		for _, name := range fields[1:] {
			k := hostKey(name)
			if !slices.Contains(t[k], ip) {
				t[k] = append(t[k], ip.Unmap())
			}
		}
	}
	for _, ips := range t {
		fourFirst(ips)
	}
	return &t, lines.Err()
}

func hostKey(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }

// searchNames gives the fully qualified names to ask for. As resolv.conf(5) has it, the search list is for
// names with fewer than ndots dots; a name with enough dots is asked as it is only, because its SIP server must
// not turn out to be another host of the local domain. The labels "_sip._udp." before a name do not count.
func searchNames(name string, conf *dns.ClientConfig) []string {
	prefix, base := "", hostKey(name)
	for strings.HasPrefix(base, "_") {
		label, rest, ok := strings.Cut(base, ".")
		if !ok {
			break
		}
		prefix, base = prefix+label+".", rest
	}
	if strings.HasSuffix(name, ".") || strings.Count(base, ".") >= max(conf.Ndots, 1) {
		return []string{dns.Fqdn(prefix + base)}
	}
	var out []string
	for _, s := range conf.Search[:min(len(conf.Search), 6)] { // 6: MAXDNSRCH of the C library
		out = append(out, dns.Fqdn(prefix+base+"."+strings.Trim(s, ".")))
	}
	return append(out, dns.Fqdn(prefix+base))
}
