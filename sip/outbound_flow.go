package sip

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"github.com/peregrine-softphone/peregrine/sip/transport"
)

const (
	// clockEvery is how often the wall clock is compared with the time that went by.
	clockEvery = 10 * time.Second
	// clockSlack is the difference that is a jump: more than NTP's slewing and a busy computer make.
	clockSlack = 10 * time.Second
)

// clockWatch notices that the computer slept: its wall clock went on, its monotonic one, which timers follow, did not
// (Linux), and the registrar's neither. A clock set by hand looks the same and costs one REGISTER.
type clockWatch struct {
	wall func() time.Time // without a monotonic reading

	mono time.Time
	then time.Time
}

func newClockWatch() clockWatch {
	return clockWatch{wall: func() time.Time { return time.Now().Round(0) }}
}

func (c *clockWatch) begin() { c.mono, c.then = time.Now(), c.wall() }

// jumped compares since the last call or begin.
func (c *clockWatch) jumped() bool {
	passed, shown := time.Since(c.mono), c.wall().Sub(c.then)
	c.begin()
	return (shown - passed).Abs() > clockSlack
}

// keeper keeps the way of a registration open. One goroutine uses it; the zero value is ready.
type keeper struct {
	cancel context.CancelFunc
	wg     sync.WaitGroup
	doing  keeping
	change chan struct{} // has room for one
}

// keeping is what a keeper is at; equal ones need no change.
type keeping struct {
	to     netip.AddrPort
	every  time.Duration
	stun   bool
	mapped netip.AddrPort
}

// keep does what the way of a lease needs. A stream pings by itself, and is told how often the server wants it.
// Datagrams need nothing without a NAT on the way; with one, line breaks hold its mapping (RFC 5626 3.5 without the
// agreement that its STUN needs); with outbound STUN holds it and notices when it is lost (4.4.2).
func (k *keeper) keep(a *Account, l lease) {
	if l.way.target.Transport != "udp" {
		k.end()
		l.way.conn.KeepAlive(l.flowTimer, l.way.outbound)
		return
	}
	want := keeping{to: l.way.target.Addr, every: l.flowTimer, stun: l.way.outbound, mapped: l.mapped}
	translated := l.mapped.IsValid() && l.mapped != l.way.local
	if !want.stun && !translated {
		k.end()
		return
	}
	if k.cancel != nil && k.doing == want {
		return
	}
	k.end()
	k.doing, k.change = want, make(chan struct{}, 1)
	ctx, cancel := context.WithCancel(a.ua.life)
	k.cancel = cancel
	change := k.change
	k.wg.Go(func() {
		mapped := func(now netip.AddrPort) {
			if now != want.mapped {
				changed(change)
			}
		}
		err := a.ua.tp.KeepAlive(ctx, want.to, transport.KeepAlive{Every: want.every, STUN: want.stun, Mapped: mapped})
		if err != nil {
			a.ua.log.InfoContext(ctx, "flow failed", "account", a.cfg.ID, "err", err)
			changed(change)
		}
	})
}

func changed(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default: // told already
	}
}

// moved tells, once, that the way is not what it was: nobody answers on it, or we are seen at another address.
func (k *keeper) moved() <-chan struct{} { return k.change }

func (k *keeper) end() {
	if k.cancel == nil {
		return
	}
	k.cancel()
	k.wg.Wait()
	k.cancel, k.change, k.doing = nil, nil, keeping{}
}
