package jitter

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestSteady(t *testing.T) {
	s := newSim()
	s.record = true
	s.stream(0, 1000, constant(50*time.Millisecond)) // the sequence and the timestamp wrap on the way
	s.run(20 * time.Second)
	st := s.b.Stats()
	if st.Lost != 0 || st.Concealed != 0 || st.Received < 997 {
		t.Errorf("lost %d, concealed %v, received %d", st.Lost, st.Concealed, st.Received)
	}
	// The target is one device frame; the slack above it is left alone.
	if st.Delay > 26*time.Millisecond || st.Delay < 5*time.Millisecond {
		t.Errorf("delay %v, target %v", st.Delay, st.Target)
	}
	if !slices.IsSorted(s.d.played) || len(s.d.played) < 995 {
		t.Errorf("%d packets played, sorted %v", len(s.d.played), slices.IsSorted(s.d.played))
	}
	if n := clicks(s.heard[deviceStart(s.heard):]); n != 0 {
		t.Errorf("%d clicks", n)
	}
}

// deviceStart is the index of the first sound.
func deviceStart(pcm []int16) int {
	return max(slices.IndexFunc(pcm, func(v int16) bool { return v != 0 }), 0)
}

func TestJitterThenCalm(t *testing.T) {
	for _, spread := range []time.Duration{20 * time.Millisecond, 60 * time.Millisecond, 150 * time.Millisecond} {
		rng := rand.New(rand.NewPCG(1, uint64(spread.Milliseconds())))
		s := newSim()
		s.record = true
		s.stream(0, 1500, func(int) time.Duration {
			return time.Duration(rng.Int64N(int64(spread)))
		})
		s.stream(1500, 2100, constant(0))
		s.run(5 * time.Second)
		before := s.b.Stats()
		s.run(30 * time.Second)
		st := s.b.Stats()
		late := (st.Concealed - before.Concealed).Milliseconds() / 20
		t.Logf("jitter %v: delay %v, %d of 1250 frames concealed, reordered %d", spread, st.Delay, late, st.Reordered)
		if late > 25 {
			t.Errorf("jitter %v: %d of 1250 frames concealed", spread, late)
		}
		if limit := spread + 35*time.Millisecond; st.Delay > limit {
			t.Errorf("jitter %v: delay %v", spread, st.Delay)
		}
		s.run(40 * time.Second)
		if st = s.b.Stats(); st.Delay > 25*time.Millisecond {
			t.Errorf("10 s after the jitter: delay %v, target %v", st.Delay, st.Target)
		}
		if n := clicks(s.heard[deviceStart(s.heard):]); n > int(st.Concealed.Milliseconds()/20)+int(st.Lost) {
			t.Errorf("%d clicks", n)
		}
	}
}

func TestLossIsConcealedExactly(t *testing.T) {
	for _, fec := range []bool{false, true} {
		rng := rand.New(rand.NewPCG(3, 4))
		s := newSim()
		s.d.fec = fec
		lost := 0
		s.stream(0, 1000, func(n int) time.Duration {
			if n > 5 && n < 990 && rng.IntN(10) == 0 {
				lost++
				return -1
			}
			return 30 * time.Millisecond
		})
		s.run(20 * time.Second)
		st := s.b.Stats()
		if int(st.Lost) != lost {
			t.Errorf("lost %d, want %d", st.Lost, lost)
		}
		made := st.Concealed + time.Duration(st.Recovered)*20*time.Millisecond
		if want := time.Duration(lost) * 20 * time.Millisecond; made < want-100*time.Millisecond || made > want+100*time.Millisecond {
			t.Errorf("made up %v, want %v", made, want)
		}
		if fec && int(st.Recovered) < lost*6/10 {
			t.Errorf("%d of %d recovered", st.Recovered, lost)
		}
		if st.Delay > 55*time.Millisecond {
			t.Errorf("delay %v", st.Delay)
		}
	}
}

func TestDrift(t *testing.T) {
	for _, ppm := range []float64{-300, -100, 100, 300} {
		s := newSim()
		s.period = time.Duration(1e7 * (1 + ppm/1e6))
		const minutes = 10
		var worst time.Duration
		var settled Stats
		for n := range minutes * 60 * 50 {
			s.deliver(s.packet(n, 0, 0), time.Duration(n)*20*time.Millisecond)
			s.run(time.Duration(n) * 20 * time.Millisecond)
			s.d.played = s.d.played[:0]
			if n == 250 {
				settled = s.b.Stats()
			}
			if n > 250 && n%50 == 0 {
				worst = max(worst, s.b.Stats().Delay)
			}
		}
		st := s.b.Stats()
		if st.Concealed != settled.Concealed || st.Lost != 0 {
			t.Errorf("%g ppm: concealed %v, lost %d", ppm, st.Concealed-settled.Concealed, st.Lost)
		}
		if worst > 45*time.Millisecond {
			t.Errorf("%g ppm: delay up to %v", ppm, worst)
		}
	}
}

func TestOutageAndMove(t *testing.T) {
	tests := []struct {
		name   string
		delay  func(n int) time.Duration
		lost   uint64
		played int // packets in all
	}{
		{"outage of 400 ms", func(n int) time.Duration {
			if n >= 200 && n < 220 {
				return -1
			}
			return 20 * time.Millisecond
		}, 20, 480},
		{"400 ms arrive together", func(n int) time.Duration {
			if n >= 200 && n < 220 {
				return 20*time.Millisecond + time.Duration(220-n)*20*time.Millisecond
			}
			return 20 * time.Millisecond
		}, 0, 500},
		{"path becomes 80 ms longer", func(n int) time.Duration {
			if n >= 200 {
				return 100 * time.Millisecond
			}
			return 20 * time.Millisecond
		}, 0, 500},
		{"path becomes 80 ms shorter", func(n int) time.Duration {
			if n >= 200 {
				return 20 * time.Millisecond
			}
			return 100 * time.Millisecond
		}, 0, 500},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSim()
			s.stream(0, 500, tt.delay)
			s.run(10500 * time.Millisecond)
			st := s.b.Stats()
			if st.Lost != tt.lost || len(s.d.played) != tt.played || st.Overflowed != 0 {
				t.Errorf("lost %d, played %d, overflowed %d; want %d, %d, 0",
					st.Lost, len(s.d.played), st.Overflowed, tt.lost, tt.played)
			}
			if !slices.IsSorted(s.d.played) {
				t.Error("order not kept")
			}
		})
	}
}

func TestRestarts(t *testing.T) {
	tests := []struct {
		name   string
		change func(p *Packet)
	}{
		{"another source", func(p *Packet) { p.SSRC, p.Seq, p.Timestamp = 8, p.Seq+5000, p.Timestamp+77777 }},
		{"sequence jumps ahead", func(p *Packet) { p.Seq += 20000 }},
		{"sequence jumps back", func(p *Packet) { p.Seq -= 20000 }},
		{"timestamp jumps ahead", func(p *Packet) { p.Timestamp += 1 << 30 }},
		{"timestamp jumps back", func(p *Packet) { p.Timestamp -= 1 << 29 }},
		{"another clock rate", func(p *Packet) { p.ClockRate, p.Timestamp = 48000, p.Timestamp*6 }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSim()
			for n := range 400 {
				p := s.packet(n, 1000, 500)
				if n >= 200 {
					tt.change(&p)
				}
				s.deliver(p, time.Duration(n)*20*time.Millisecond)
			}
			s.run(8100 * time.Millisecond)
			st := s.b.Stats()
			if len(s.d.played) != 400 || !slices.IsSorted(s.d.played) || st.Lost != 0 {
				t.Errorf("played %d, lost %d, restarts %d", len(s.d.played), st.Lost, st.Restarts)
			}
			if st.Restarts != 1 || st.Concealed > 40*time.Millisecond || st.Delay > 40*time.Millisecond {
				t.Errorf("restarts %d, concealed %v, delay %v", st.Restarts, st.Concealed, st.Delay)
			}
		})
	}
}

func TestForgedPacketsChangeNothing(t *testing.T) {
	s := newSim()
	s.stream(0, 500, constant(20*time.Millisecond))
	for n := 100; n < 400; n += 10 {
		p := s.packet(n, 40000, 99) // far from the stream's numbers
		p.SSRC = uint32(n)
		p.Payload = binary.BigEndian.AppendUint32(nil, 0xffffffff)
		s.deliver(p, time.Duration(n)*20*time.Millisecond+7*time.Millisecond)
	}
	s.run(10200 * time.Millisecond)
	if st := s.b.Stats(); len(s.d.played) != 500 || st.Restarts != 0 || slices.Contains(s.d.played, 0xffffffff) {
		t.Errorf("played %d, restarts %d", len(s.d.played), st.Restarts)
	}
}

func TestPausesOfTheTalker(t *testing.T) {
	s := newSim()
	seq, lastTalk := 0, 0
	for n := range 1000 {
		if n%100 >= 60 {
			continue // 0.8 s of discontinuous transmission: the timestamp goes on, the sequence does not
		}
		p := s.packet(n, 0, 0)
		p.Seq, p.Marker = uint16(seq), n%100 == 0
		seq++
		lastTalk = n
		s.deliver(p, time.Duration(n)*20*time.Millisecond)
	}
	s.run(time.Duration(lastTalk+5) * 20 * time.Millisecond)
	st := s.b.Stats()
	if len(s.d.played) != seq || st.Lost != 0 || st.Concealed > 0 {
		t.Errorf("played %d of %d, lost %d, concealed %v", len(s.d.played), seq, st.Lost, st.Concealed)
	}
	if st.Delay > 30*time.Millisecond {
		t.Errorf("delay %v, target %v", st.Delay, st.Target)
	}
}

func TestEventsAreNoLoss(t *testing.T) {
	s := newSim()
	for n := range 300 {
		p := s.packet(n, 0, 0)
		if n >= 100 && n < 110 {
			p.Decoder, p.Timestamp = nil, 100*160 // RFC 4733: the timestamp of the event's beginning
		}
		s.deliver(p, time.Duration(n)*20*time.Millisecond)
	}
	s.run(6 * time.Second)
	if st := s.b.Stats(); st.Lost != 0 || st.Concealed > 0 || len(s.d.played) != 290 || st.Delay > 30*time.Millisecond {
		t.Errorf("lost %d, concealed %v, played %d, delay %v", st.Lost, st.Concealed, len(s.d.played), st.Delay)
	}
}

func TestStalledDevice(t *testing.T) {
	s := newSim()
	s.stream(0, 800, constant(20*time.Millisecond))
	s.run(4 * time.Second)
	s.nextPull += 3 * time.Second
	s.run(16200 * time.Millisecond)
	st := s.b.Stats()
	if st.Delay > 40*time.Millisecond || st.Lost > 0 || st.Overflowed < 140 {
		t.Errorf("delay %v, lost %d, overflowed %d", st.Delay, st.Lost, st.Overflowed)
	}
	// The last packets are played: nothing is stuck.
	if last := s.d.played[len(s.d.played)-1]; last != 799*frame {
		t.Errorf("last packet played is %d", last/frame)
	}
}

func TestDeviceInBursts(t *testing.T) {
	s := newSim()
	s.stream(0, 1000, constant(20*time.Millisecond))
	s.run(2 * time.Second)
	before := s.b.Stats()
	// Two frames at a time every 20 ms.
	for s.now < 20*time.Second {
		s.nextPull += 10 * time.Millisecond
		s.run(s.nextPull)
		s.b.Pull(s.out, s.now)
	}
	st := s.b.Stats()
	if st.Concealed-before.Concealed > 40*time.Millisecond || st.Delay > 40*time.Millisecond {
		t.Errorf("concealed %v, delay %v", st.Concealed-before.Concealed, st.Delay)
	}
}

func TestDuplicates(t *testing.T) {
	s := newSim()
	for range 3 {
		s.stream(0, 300, constant(20*time.Millisecond))
	}
	s.run(6200 * time.Millisecond)
	if st := s.b.Stats(); st.Duplicates != 600 || st.Received != 300 || st.Late != 0 || len(s.d.played) != 300 {
		t.Errorf("%+v", st)
	}
}

// TestAnyOrder delivers packets in random orders within 100 ms: each is played once, in order, or counted.
func TestAnyOrder(t *testing.T) {
	for seed := range uint64(50) {
		rng := rand.New(rand.NewPCG(seed, 9))
		s := newSim()
		sent := 0
		for n := range 500 {
			for range 1 + rng.IntN(2) { // some twice
				s.deliver(s.packet(n, uint16(seed*1311), uint32(seed)<<27),
					time.Duration(n)*20*time.Millisecond+time.Duration(rng.IntN(100))*time.Millisecond)
			}
			sent++
		}
		s.run(11 * time.Second)
		st := s.b.Stats()
		if !slices.IsSorted(s.d.played) {
			t.Fatalf("seed %d: order not kept", seed)
		}
		if got := len(slices.Compact(slices.Clone(s.d.played))); got != len(s.d.played) {
			t.Fatalf("seed %d: a packet was played twice", seed)
		}
		if len(s.d.played)+int(st.Lost) < sent-8 || len(s.d.played)+int(st.Lost) > sent {
			t.Fatalf("seed %d: played %d, lost %d of %d", seed, len(s.d.played), st.Lost, sent)
		}
		if st.Late > st.Lost+8 {
			t.Fatalf("seed %d: late %d, lost %d", seed, st.Late, st.Lost)
		}
	}
}

func TestDamagedPayloadIsConcealed(t *testing.T) {
	s := newSim()
	for n := range 200 {
		p := s.packet(n, 0, 0)
		if n%20 == 19 {
			p.Payload = []byte{1, 2, 3}
		}
		s.deliver(p, time.Duration(n)*20*time.Millisecond)
	}
	s.run(4200 * time.Millisecond)
	if st := s.b.Stats(); st.Invalid != 10 || st.Lost != 0 {
		t.Errorf("invalid %d, lost %d", st.Invalid, st.Lost)
	}
}

// FuzzBuffer plays arbitrary scripts of packets and pulls: nothing may panic, hang or grow.
func FuzzBuffer(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 255, 254, 253, 0, 0, 0, 128, 64})
	f.Fuzz(func(t *testing.T, script []byte) {
		b, out := New(Config{}), make([]int16, quantum)
		d := &toneDecoder{length: frame, fec: len(script)%2 == 0}
		now := time.Duration(0)
		seq, ts := uint16(0), uint32(0)
		for len(script) >= 4 {
			op, x, y := script[0], script[1], binary.BigEndian.Uint16(script[2:])
			script = script[4:]
			now += time.Duration(x) * time.Millisecond / 8
			switch op % 8 {
			case 0, 1, 2, 3:
				seq, ts = seq+1, ts+160
			case 4:
				seq, ts = seq+y, ts+uint32(y)*160
			case 5:
				ts += uint32(y) << 16
			case 6:
				now += time.Duration(y) * time.Millisecond
			case 7:
				b.Pull(out, now)
				continue
			}
			p := Packet{SSRC: uint32(op >> 7), Seq: seq, Timestamp: ts, ClockRate: 8000, Decoder: d, Payload: script[:min(4, len(script))]}
			if op&0x40 != 0 {
				p.ClockRate = 48000
			}
			if op&0x20 != 0 {
				p.Decoder = nil
			}
			b.Put(&p, now)
			if op&0x10 != 0 {
				b.Pull(out, now)
			}
			if st := b.Stats(); st.Waiting < 0 || st.Waiting > capacity {
				t.Fatalf("%d packets waiting", st.Waiting)
			}
		}
	})
}

func TestSteadyStateAllocatesNothing(t *testing.T) {
	s := newSim()
	s.d.played = make([]uint32, 0, 1<<16)
	n := 0
	step := func() {
		p := Packet{SSRC: 7, Seq: uint16(n), Timestamp: uint32(n) * 160, ClockRate: 8000, Decoder: s.d, Payload: payload[:]}
		at := time.Duration(n) * 20 * time.Millisecond
		s.b.Put(&p, at)
		s.b.Pull(s.out, at+3*time.Millisecond)
		s.b.Pull(s.out, at+13*time.Millisecond)
		n++
	}
	for range 2000 {
		step()
	}
	if a := testing.AllocsPerRun(2000, step); a > 0 {
		t.Errorf("%g allocations per packet", a)
	}
}

var payload [4]byte

func BenchmarkPacket(b *testing.B) {
	s := newSim()
	rng := rand.New(rand.NewPCG(1, 2))
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		s.d.played = s.d.played[:0]
		p := Packet{SSRC: 7, Seq: uint16(n), Timestamp: uint32(n) * 160, ClockRate: 8000, Decoder: s.d, Payload: payload[:]}
		at := time.Duration(n) * 20 * time.Millisecond
		s.b.Put(&p, at+time.Duration(rng.IntN(15))*time.Millisecond)
		s.b.Pull(s.out, at+15*time.Millisecond)
		s.b.Pull(s.out, at+25*time.Millisecond)
	}
}
