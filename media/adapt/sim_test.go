package adapt

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// pipe is one direction of a network in virtual time: a bottleneck with a queue, then a radio.
type pipe struct {
	rate    int           // bit/s; 0: no bottleneck
	depth   time.Duration // of its queue at rate
	loss    float64       // probability, of each packet
	burst   int           // mean packets of a loss burst; 0, 1: single ones
	random  *rand.Rand
	free    time.Duration // when the bottleneck has sent what it holds
	bad     int           // packets still to be lost of a burst
	packets []packet      // of the last seconds
}

type packet struct {
	sent, came time.Duration
	bits       int
	lost       bool
}

const oneWay = 20 * time.Millisecond

// send takes a packet of a payload of some bits, and tells when it arrives.
func (p *pipe) send(now time.Duration, bits int) {
	k := packet{sent: now, came: now + oneWay, bits: bits}
	if p.rate > 0 {
		if p.free < now {
			p.free = now
		}
		if p.free-now > p.depth {
			k.lost, k.came = true, p.free+oneWay
		} else {
			p.free += time.Duration(bits) * time.Second / time.Duration(p.rate)
			k.came = p.free + oneWay
		}
	}
	if p.bad > 0 {
		p.bad--
		k.lost = true
	} else if p.loss > 0 {
		n := max(p.burst, 1)
		if p.random.Float64() < p.loss/float64(n)/(1-p.loss*(1-1/float64(n))) {
			k.lost = true
			for p.bad = 0; n > 1 && p.random.Float64() > 1/float64(n); p.bad++ {
			}
		}
	}
	p.packets = append(p.packets, k)
	if len(p.packets) > 4000 {
		p.packets = p.packets[2000:]
	}
}

// seen is what the receiver knows at now of what was sent between from and to.
func (p *pipe) seen(from, to, now time.Duration) (loss float64, load int, least time.Duration) {
	total, lost, bits := 0, 0, 0
	least = time.Hour
	for i := len(p.packets) - 1; i >= 0 && p.packets[i].sent >= from; i-- {
		k := p.packets[i]
		if k.sent >= to || k.came > now {
			continue
		}
		total++
		if k.lost {
			lost++
			continue
		}
		least = min(least, k.came-k.sent)
	}
	for i := len(p.packets) - 1; i >= 0 && p.packets[i].sent >= from-2*time.Second; i-- {
		if k := p.packets[i]; !k.lost && k.came >= from && k.came < to {
			bits += k.bits
		}
	}
	if total == 0 {
		return 0, 0, 0
	}
	return float64(lost) / float64(total), int(float64(bits) / (to - from).Seconds()), least
}

// end is one side of a call.
type end struct {
	c        Controller
	codec    string
	bitrate  int
	packetMS int
	fec      int
	limit    int // bit/s that the other side asks us for
	due      time.Duration
	reportAt time.Duration // next report to the other side
	up       Up            // as last reported by the other side
	sentAt   time.Duration // of that, to measure from
	wish     *Wish
	wishAt   time.Duration
	asked    string // the codec then
	away     []time.Duration
	back     []time.Duration
	lowest   int
}

func (e *end) load() int {
	rate := rateOf(e.codec)
	if kindOf(e.codec).adaptive {
		rate = e.bitrate
		if e.limit > 0 {
			rate = min(rate, e.limit)
		}
	}
	return rate + overhead(e.packetMS)
}

// network is a call of two ends over two pipes. Without a controller the second end is a phone that reports every five
// seconds.
type network struct {
	t     *testing.T
	now   time.Duration
	ends  [2]*end
	pipes [2]*pipe // from end i
	smart bool
	most  int
	no    bool // the peer refuses changes
	pin   bool
	mute  bool // the peer takes another codec and then sends nothing
}

func newNetwork(t *testing.T, smart bool, codec string) *network {
	n := &network{t: t, smart: smart, most: 510000}
	for i := range n.ends {
		n.ends[i] = &end{codec: codec, bitrate: 32000, packetMS: 20, reportAt: time.Second, lowest: MaxBitrate}
		n.pipes[i] = &pipe{random: rand.New(rand.NewPCG(uint64(i), 7)), depth: 300 * time.Millisecond}
	}
	return n
}

// both changes both directions.
func (n *network) both(change func(*pipe)) {
	for _, p := range n.pipes {
		change(p)
	}
}

func (n *network) run(d time.Duration) {
	for until := n.now + d; n.now < until; n.now += 10 * time.Millisecond {
		for i, e := range n.ends {
			silent := n.mute && i == 1 && e.codec != "PCMU"
			if n.now >= e.due && !silent {
				e.due = n.now + time.Duration(e.packetMS)*time.Millisecond
				n.pipes[i].send(n.now, e.load()*e.packetMS/1000)
			}
			if n.now >= e.reportAt {
				n.report(i)
			}
			if e.wish != nil && n.now >= e.wishAt {
				n.negotiate(e)
			}
			if n.now%(500*time.Millisecond) == 0 && (i == 0 || n.smart) {
				n.step(i)
			}
		}
	}
}

// report tells the other end of end i what arrived.
func (n *network) report(i int) {
	e, other := n.ends[i], n.ends[1-i]
	interval := 5 * time.Second
	if loss, _, least := n.pipes[1-i].seen(n.now-time.Second, n.now, n.now); n.smart &&
		(loss > lossClear || least > oneWay+queueClear) {
		interval = time.Second
	}
	e.reportAt = n.now + interval
	loss, _, _ := n.pipes[1-i].seen(other.sentAt, n.now, n.now)
	trip := func(p *pipe) time.Duration { return oneWay + max(p.free-n.now, 0) }
	other.sentAt = n.now
	other.up = Up{Reports: other.up.Reports + 1, Loss: loss, RTT: trip(n.pipes[0]) + trip(n.pipes[1])}
}

// step runs the controller of end i.
func (n *network) step(i int) {
	e := n.ends[i]
	in := n.pipes[1-i]
	loss, load, _ := in.seen(n.now-time.Second, n.now, n.now)
	_, _, least := in.seen(n.now-500*time.Millisecond, n.now, n.now)
	r := Report{
		Codec: e.codec, Codecs: []string{"PCMU", "opus"}, Active: true, PacketMS: 20, Usual: 32000, Most: n.most,
		FEC: true, Up: e.up, Down: Down{Loss: loss, Queue: max(least-oneWay, 0), Load: load}, Pinned: n.pin,
	}
	r.Up.Load = e.load()
	for _, a := range e.c.Step(n.now, r) {
		switch a := a.(type) {
		case SetBitrate:
			if a.BPS < MinBitrate || a.BPS > MaxBitrate {
				n.t.Errorf("%v: bitrate %d", n.now, a.BPS)
			}
			e.bitrate = a.BPS
			e.lowest = min(e.lowest, a.BPS)
		case SetFEC:
			e.fec = a.Percent
		case SetPacketTime:
			e.packetMS = a.MS
		case SetBandwidth, SetDTX, SetConstant:
		case Wish:
			n.t.Logf("%v: end %d: %+v", n.now, i, a)
			e.asked = e.codec
			e.wish, e.wishAt = &a, n.now+400*time.Millisecond+time.Duration(i)*1200*time.Millisecond
			if a.Return {
				e.back = append(e.back, n.now)
			} else {
				e.away = append(e.away, n.now)
			}
		}
	}
}

// negotiate carries out a wish; one that the other end has anticipated is dropped.
func (n *network) negotiate(e *end) {
	w := *e.wish
	e.wish = nil
	if n.no || strings.EqualFold(e.codec, w.Codec) && !strings.EqualFold(e.codec, e.asked) {
		e.c.Outcome(false)
		return
	}
	for i, o := range n.ends {
		o.codec, o.packetMS, o.bitrate = w.Codec, 20, 32000
		if o == e && w.Bitrate > 0 {
			o.bitrate = w.Bitrate
		}
		if n.ends[i] != e {
			o.limit = w.Limit
		}
	}
	e.c.Outcome(true)
}

// changes is how often and when the end changed the codec.
func (n *network) changes() (away, back int) {
	for _, e := range n.ends {
		for _, list := range [][]time.Duration{e.away, e.back} {
			for i := 1; i < len(list); i++ {
				if list[i]-list[i-1] < time.Minute {
					n.t.Errorf("two changes in one direction within %v", list[i]-list[i-1])
				}
			}
		}
		away, back = away+len(e.away), back+len(e.back)
	}
	return away, back
}

func TestDropAndBack(t *testing.T) {
	for _, tt := range []struct {
		name     string
		smart    bool
		rate     int
		up, down bool
		within   time.Duration
		most     int
	}{
		{"40 both, two of ours", true, 40000, true, true, 5 * time.Second, 510000},
		{"40 both, reports every 5 s", false, 40000, true, true, 5 * time.Second, 510000},
		{"64 both, two of ours", true, 64000, true, true, 5 * time.Second, 510000},
		{"24 both, two of ours", true, 24000, true, true, 5 * time.Second, 510000},
		{"40 up, two of ours", true, 40000, true, false, 5 * time.Second, 510000},
		{"40 up, reports every 5 s", false, 40000, true, false, 12 * time.Second, 510000},
		{"40 down, two of ours", true, 40000, false, true, 5 * time.Second, 510000},
		{"40 down, reports every 5 s", false, 40000, false, true, 5 * time.Second, 510000},
		{"40 both, at most 28 kbit/s", false, 40000, true, true, 5 * time.Second, 28000},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := newNetwork(t, tt.smart, "PCMU")
			n.most = tt.most
			n.run(20 * time.Second)
			for i, limited := range []bool{tt.up, tt.down} {
				if limited {
					n.pipes[i].rate = tt.rate
				}
			}
			drop := n.now
			n.run(tt.within)
			if n.ends[0].codec != "opus" {
				t.Fatalf("%s %v after the drop", n.ends[0].codec, tt.within)
			}
			n.run(40 * time.Second)
			for i, p := range n.pipes {
				loss, _, least := p.seen(n.now-5*time.Second, n.now, n.now)
				t.Logf("pipe %d: %.0f %% lost, delay %v, bitrate %d, packets of %d ms", i, 100*loss, least, n.ends[i].bitrate, n.ends[i].packetMS)
				if (tt.smart || tt.down && i == 1 || i == 0) && (loss > 0.02 || least > oneWay+queueLong) {
					t.Errorf("pipe %d: %.0f %% lost, delay %v while away", i, 100*loss, least)
				}
			}
			n.both(func(p *pipe) { p.rate = 0 })
			healed := n.now
			for n.ends[0].codec != "PCMU" && n.now < healed+3*time.Minute {
				n.run(time.Second)
			}
			t.Logf("drop at %v, healed at %v, back at %v", drop, healed, n.now)
			if n.now-healed > 100*time.Second {
				t.Errorf("back %v after the network healed", n.now-healed)
			}
			n.run(5 * time.Minute)
			if away, back := n.changes(); away != 1 && !tt.smart || back != 1 {
				t.Errorf("%d changes away, %d back, want one each", away, back)
			}
			for i, e := range n.ends {
				if s := e.c.Situation().State; s != Home && (i == 0 || tt.smart) || e.codec != "PCMU" {
					t.Errorf("end %d ends %v with %s", i, s, e.codec)
				}
			}
		})
	}
}

func TestRandomLoss(t *testing.T) {
	for _, tt := range []struct {
		name  string
		loss  float64
		burst int
	}{{"10 % random", 0.1, 1}, {"20 % in bursts", 0.2, 3}} {
		t.Run("opus, "+tt.name, func(t *testing.T) {
			n := newNetwork(t, true, "opus")
			n.run(10 * time.Second)
			n.both(func(p *pipe) { p.loss, p.burst = tt.loss, tt.burst })
			n.run(time.Minute)
			for i, e := range n.ends {
				if e.bitrate < 24000 || e.fec < 10 || e.fec < int(80*tt.loss) {
					t.Errorf("end %d: %d bit/s and copies for %d %%: want protection, not less sound", i, e.bitrate, e.fec)
				}
			}
			n.both(func(p *pipe) { p.loss = 0 })
			n.run(2 * time.Minute)
			if e := n.ends[0]; e.bitrate != 32000 || e.fec != usualFEC {
				t.Errorf("afterwards %d bit/s and copies for %d %%", e.bitrate, e.fec)
			}
			if away, back := n.changes(); away+back != 0 {
				t.Errorf("%d and %d changes of the session", away, back)
			}
		})
		t.Run("PCMU, "+tt.name, func(t *testing.T) {
			n := newNetwork(t, true, "PCMU")
			n.run(10 * time.Second)
			n.both(func(p *pipe) { p.loss, p.burst = tt.loss, tt.burst })
			n.run(20 * time.Second)
			if e := n.ends[0]; e.codec != "opus" {
				t.Errorf("%s although it has no copies", e.codec)
			}
			n.run(time.Minute)
			n.both(func(p *pipe) { p.loss = 0 })
			n.run(5 * time.Minute)
			if e := n.ends[0]; e.codec != "PCMU" {
				t.Errorf("%s afterwards", e.codec)
			}
			n.changes()
		})
	}
}

// TestOscillation: a network that is bad and good by turns does not make the codec flap, and ever less so.
func TestOscillation(t *testing.T) {
	for _, period := range []time.Duration{2 * time.Second, 7 * time.Second, 20 * time.Second, 45 * time.Second, 2 * time.Minute} {
		for _, smart := range []bool{true, false} {
			n := newNetwork(t, smart, "PCMU")
			n.run(10 * time.Second)
			for n.now < time.Hour {
				n.both(func(p *pipe) { p.rate = 40000 })
				n.run(period)
				n.both(func(p *pipe) { p.rate = 0 })
				n.run(period)
			}
			away, back := n.changes()
			t.Logf("period %v, smart %v: %d changes away, %d back in an hour", period, smart, away, back)
			if away+back > 26 {
				t.Errorf("period %v: %d changes away, %d back in an hour", period, away, back)
			}
		}
	}
}

// TestOpusDrop: an adaptive codec needs no re-INVITE.
func TestOpusDrop(t *testing.T) {
	for _, rate := range []int{40000, 24000} {
		n := newNetwork(t, true, "opus")
		n.run(20 * time.Second)
		n.both(func(p *pipe) { p.rate = rate })
		n.run(20 * time.Second)
		for i, p := range n.pipes {
			loss, _, least := p.seen(n.now-5*time.Second, n.now, n.now)
			e := n.ends[i]
			t.Logf("%d: %.1f %% lost, delay %v, %d bit/s, packets of %d ms", rate, 100*loss, least, e.bitrate, e.packetMS)
			if loss > 0.02 || least > oneWay+queueLong {
				t.Errorf("%d bit/s: %.1f %% lost, delay %v", rate, 100*loss, least)
			}
		}
		n.both(func(p *pipe) { p.rate = 0 })
		n.run(5 * time.Minute)
		if e := n.ends[0]; e.bitrate != 32000 || e.packetMS != 20 {
			t.Errorf("afterwards %d bit/s, packets of %d ms", e.bitrate, e.packetMS)
		}
		if away, back := n.changes(); away+back != 0 {
			t.Errorf("%d and %d changes of the session", away, back)
		}
	}
}

// TestPeerAskedForLess: a phone that does not adapt is asked for fewer bits by maxaveragebitrate.
func TestPeerAskedForLess(t *testing.T) {
	n := newNetwork(t, false, "opus")
	n.run(20 * time.Second)
	n.pipes[1].rate = 30000
	n.run(15 * time.Second)
	if e := n.ends[1]; e.limit == 0 || e.load() > 30000 {
		t.Fatalf("limit %d, load %d", e.limit, e.load())
	}
	n.pipes[1].rate = 0
	n.run(3 * time.Minute)
	if e := n.ends[1]; e.limit != 0 {
		t.Errorf("the limit %d was not lifted", e.limit)
	}
}

func TestUsersChoiceStays(t *testing.T) {
	n := newNetwork(t, true, "PCMU")
	n.pin = true
	n.run(10 * time.Second)
	n.both(func(p *pipe) { p.rate = 40000 })
	n.run(3 * time.Minute)
	if away, back := n.changes(); away+back != 0 || n.ends[0].codec != "PCMU" {
		t.Errorf("%d and %d changes of what the user chose", away, back)
	}
}

func TestRefusal(t *testing.T) {
	n := newNetwork(t, true, "PCMU")
	n.no = true
	n.run(10 * time.Second)
	n.both(func(p *pipe) { p.rate = 40000 })
	n.run(10 * time.Minute)
	if away, _ := n.changes(); away > 8 || n.ends[0].codec != "PCMU" { // two ends
		t.Errorf("asked %d times in ten minutes", away)
	}
}

// TestLongerPackets: what longer packets can do alone needs no re-INVITE.
func TestLongerPackets(t *testing.T) {
	n := newNetwork(t, true, "PCMU")
	n.run(10 * time.Second)
	n.pipes[0].rate = 77000
	n.run(15 * time.Second)
	if e := n.ends[0]; e.packetMS <= 20 || e.codec != "PCMU" {
		t.Errorf("%s with packets of %d ms", e.codec, e.packetMS)
	}
	n.pipes[0].rate = 0
	n.run(2 * time.Minute)
	if e := n.ends[0]; e.packetMS != 20 {
		t.Errorf("packets of %d ms afterwards", e.packetMS)
	}
}

// TestPeerThatFallsSilent: a phone that sends nothing after the change is asked back at once, and never again.
func TestPeerThatFallsSilent(t *testing.T) {
	n := newNetwork(t, false, "PCMU")
	n.mute = true
	n.run(10 * time.Second)
	n.both(func(p *pipe) { p.rate = 40000 })
	n.run(12 * time.Second)
	if n.ends[0].codec != "PCMU" {
		t.Errorf("still %s with a phone that is silent", n.ends[0].codec)
	}
	n.run(20 * time.Minute)
	if away, back := n.changes(); away != 1 || back != 1 {
		t.Errorf("%d changes away, %d back", away, back)
	}
}
