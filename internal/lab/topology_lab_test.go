//go:build lab

package lab

import (
	"fmt"
	"net/netip"
	"os"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/peregrine-softphone/peregrine/internal/lab/linkemu"
)

var pingTimes = regexp.MustCompile(`= [\d.]+/([\d.]+)/`)

// ping returns the mean round trip from one host to another.
func ping(t *testing.T, from *Host, to netip.Addr) time.Duration {
	t.Helper()
	out, err := from.Run(t.Context(), "ping", "-q", "-c", "10", "-i", "0.05", "-W", "2", to.String())
	if err != nil {
		t.Fatalf("ping %s from %s: %v", to, from.Name(), err)
	}
	match := pingTimes.FindStringSubmatch(out)
	if match == nil {
		t.Fatalf("ping said %q", out)
	}
	ms, err := strconv.ParseFloat(match[1], 64)
	if err != nil {
		t.Fatal(err)
	}
	return time.Duration(ms * float64(time.Millisecond))
}

func TestTopologyRoutesAndMoves(t *testing.T) {
	l := newLab(t, Config{Mobiles: 2, Correspondents: 2})
	mh, ch := l.Mobile(0), l.Correspondent(0)
	t.Logf("RTT without delay box: %v", ping(t, &mh.Host, ch.Addr()))
	ping(t, &l.Mobile(1).Host, l.Correspondent(1).Addr())
	move, err := mh.Roam(t.Context(), 100*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	if got := move.Up.Sub(move.Down); got < 100*time.Millisecond || got > time.Second {
		t.Errorf("a gap of 100 ms took %v", got)
	}
	if got, want := mh.Addr().String(), "10.77.2.100"; got != want {
		t.Errorf("after roaming the address is %s, want %s", got, want)
	}
	ping(t, ch, mh.Addr())
	if move, err = mh.Readdress(t.Context(), netip.MustParseAddr("10.77.2.150"), 0); err != nil {
		t.Fatal(err)
	}
	t.Logf("new address took %v", move.Up.Sub(move.Down))
	ping(t, ch, mh.Addr())
	if _, err := mh.RoamOverlapped(t.Context(), 50*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	ping(t, ch, mh.Addr())
	if _, err := mh.Flap(t.Context(), 50*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	ping(t, &mh.Host, ch.Addr())
}

func TestDelayBoxDelays(t *testing.T) {
	l := newLab(t, Config{Link: linkemu.Impairment{Delay: 20 * time.Millisecond}})
	for _, delay := range []time.Duration{20 * time.Millisecond, 50 * time.Millisecond, 0} {
		if delay != 20*time.Millisecond {
			if err := l.SetLink(t.Context(), linkemu.Impairment{Delay: delay}); err != nil {
				t.Fatal(err)
			}
		}
		rtt := ping(t, &l.Mobile(0).Host, l.Correspondent(0).Addr())
		t.Logf("delay %v each way: RTT %v", delay, rtt)
		// The first of ten pings may wait for ARP through the box: one RTT more at most.
		if low, high := 2*delay, 2*delay+delay/5+8*time.Millisecond; rtt < low || rtt > high {
			t.Errorf("RTT %v, want %v to %v", rtt, low, high)
		}
	}
}

func TestCloseLeavesNothing(t *testing.T) {
	l := newLab(t, Config{})
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	left, err := namespaces(l.Prefix())
	if err != nil || len(left) > 0 {
		t.Errorf("namespaces %v are left (%v)", left, err)
	}
	for _, name := range []string{"core", "mh"} {
		if _, err := os.Stat(fmt.Sprintf("/etc/netns/%s%s", l.Prefix(), name)); !os.IsNotExist(err) {
			t.Errorf("/etc/netns of %s is left: %v", name, err)
		}
	}
}
