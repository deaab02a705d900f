package mix

import (
	"context"
	"errors"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// party is the session of a call: it says a tone and keeps what it hears.
type party struct {
	port *Port
	say  func(frame []int16)

	mu    sync.Mutex
	heard []int16

	stop context.CancelFunc
	over sync.WaitGroup
}

func join(t testing.TB, m *Mixer, say func(frame []int16)) *party {
	t.Helper()
	port, err := m.Port()
	if err != nil {
		t.Fatal(err)
	}
	p := &party{port: port, say: say}
	ctx, stop := context.WithCancel(context.Background())
	p.stop = stop
	p.over.Go(func() {
		if err := port.Record(ctx, p.take); err != nil {
			t.Errorf("record: %v", err)
		}
	})
	p.over.Go(func() {
		if err := port.Play(ctx, p.say); err != nil {
			t.Errorf("play: %v", err)
		}
	})
	return p
}

func (p *party) take(frame []int16) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.heard = append(p.heard, frame...)
}

// flush gives what was heard since the last time.
func (p *party) flush() []int16 {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := p.heard
	p.heard = nil
	return out
}

func (p *party) leave() {
	p.stop()
	p.over.Wait()
	p.port.Close()
}

// tone is a sine of a frequency and an amplitude.
func tone(hz, amplitude float64) func(frame []int16) {
	n := 0
	return func(frame []int16) {
		for i := range frame {
			frame[i] = int16(math.Round(amplitude * math.Sin(2*math.Pi*hz*float64(n)/48000)))
			n++
		}
	}
}

func quiet(frame []int16) { clear(frame) }

// goertzel gives the amplitude of a frequency.
func goertzel(pcm []int16, hz float64) float64 {
	w := 2 * math.Cos(2*math.Pi*hz/48000)
	var s1, s2 float64
	for _, x := range pcm {
		s1, s2 = float64(x)+w*s1-s2, s1
	}
	return 2 * math.Sqrt(max(s1*s1+s2*s2-w*s1*s2, 0)) / float64(len(pcm))
}

// wantTones checks that exactly the wanted frequencies are there, with an amplitude within 2 %.
func wantTones(t *testing.T, who string, pcm []int16, all []float64, amplitude float64, want ...float64) {
	t.Helper()
	for _, hz := range all {
		expected := 0.0
		for _, w := range want {
			if w == hz {
				expected = amplitude
			}
		}
		if got := goertzel(pcm, hz); math.Abs(got-expected) > amplitude*0.05 { // some frames of silence at the beginning cost half a percent each
			t.Errorf("%s: %v Hz at %.0f, want %.0f", who, hz, got, expected)
		}
	}
}

// ear is a speaker that tests pull by hand.
type ear struct{ heard []int16 }

func (e *ear) pull(m *Mixer) {
	var frame [frameSamples]int16
	m.out.take(frame[:])
	e.heard = append(e.heard, frame[:]...)
}

// rounds makes n rounds with a microphone and takes each from the speaker's queue.
func rounds(m *Mixer, n int, mic func([]int16), out *ear) {
	var frame [frameSamples]int16
	for range n {
		mic(frame[:])
		m.round(frame[:])
		if out != nil {
			out.pull(m)
		}
	}
}

func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

func TestEachHearsTheOthers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const amplitude = 6000
		all := []float64{500, 1100, 1700, 2300}
		m := New(Config{})
		var parties []*party
		for _, hz := range all[:3] {
			parties = append(parties, join(t, m, tone(hz, amplitude)))
		}
		synctest.Wait()
		mic, out := tone(all[3], amplitude), &ear{}
		rounds(m, 2, mic, out) // the first fades in
		for _, p := range parties {
			p.flush()
		}
		out.heard = nil
		rounds(m, 50, mic, out)
		wantTones(t, "user", out.heard, all, amplitude, 500, 1100, 1700)
		wantTones(t, "first", parties[0].flush(), all, amplitude, 1100, 1700, 2300)
		wantTones(t, "second", parties[1].flush(), all, amplitude, 500, 1700, 2300)
		wantTones(t, "third", parties[2].flush(), all, amplitude, 500, 1100, 2300)

		m.SetMuted(true)
		parties[1].port.SetMuted(true)
		rounds(m, 2, mic, out)
		for _, p := range parties {
			p.flush()
		}
		out.heard = nil
		rounds(m, 50, mic, out)
		wantTones(t, "user, the second muted", out.heard, all, amplitude, 500, 1700)
		wantTones(t, "first, user and second muted", parties[0].flush(), all, amplitude, 1700)
		wantTones(t, "second, muted", parties[1].flush(), all, amplitude, 500, 1700)
		if !m.Muted() {
			t.Error("the mixer does not know that it is muted")
		}

		m.SetMuted(false)
		parties[1].port.SetMuted(false)
		go parties[0].leave()
		synctest.Wait()
		rounds(m, 2, mic, out)
		synctest.Wait()
		for _, p := range parties[1:] {
			p.flush()
		}
		out.heard = nil
		rounds(m, 50, mic, out)
		wantTones(t, "user, the first gone", out.heard, all, amplitude, 1100, 1700)
		wantTones(t, "second, the first gone", parties[1].flush(), all, amplitude, 1700, 2300)
		if got := m.Stats().Ports; got != 2 {
			t.Errorf("%d ports, want 2", got)
		}
		parties[1].leave()
		parties[2].leave()
	})
}

// Two to eight loud voices are bent, never wrapped, and not made silent either.
func TestLoudVoices(t *testing.T) {
	for n := 2; n <= MaxPorts; n++ {
		bubble(t, func(t *testing.T) {
			m := New(Config{})
			var parties []*party
			for i := range n {
				parties = append(parties, join(t, m, tone(300+float64(i), 32000)))
			}
			synctest.Wait()
			out := &ear{}
			rounds(m, 100, quiet, out)
			most, sum := 0, 0.0
			for _, x := range out.heard[10*frameSamples:] {
				most = max(most, int(x), -int(x))
				sum += float64(x) * float64(x)
			}
			rms := math.Sqrt(sum / float64(len(out.heard)))
			if most < ceiling*9/10 || most >= math.MaxInt16 || rms < 4000 {
				t.Errorf("%d voices: peak %d, level %.0f", n, most, rms)
			}
			// A sine of 300 Hz and 28000 moves by 1100 from sample to sample; a wrap by 65535.
			if step := steepest(out.heard); step > 4000 {
				t.Errorf("%d voices: a step of %d", n, step)
			}
			for _, p := range parties {
				p.leave()
			}
		})
	}
}

func steepest(pcm []int16) int {
	most := 0
	for i := 1; i < len(pcm); i++ {
		d := int(pcm[i]) - int(pcm[i-1])
		most = max(most, d, -d)
	}
	return most
}

// The limiter gives the level back after a loud moment.
func TestLimiterRecovers(t *testing.T) {
	l := newLimiter()
	var out, none [frameSamples]int16
	total := func(v int32) *[frameSamples]int32 {
		var f [frameSamples]int32
		for i := range f {
			f[i] = v
		}
		return &f
	}
	for _, v := range []int32{8 * 32767, -8 * 32768, math.MaxInt16, math.MinInt16} {
		l.apply(&out, total(v), &none)
		for i, x := range out {
			if (x < 0) != (v < 0) {
				t.Fatalf("sample %d of %d became %d", i, v, x)
			}
		}
	}
	l.apply(&out, total(8*32767), &none)
	if last := out[frameSamples-1]; last < ceiling-10 || last > ceiling+10 {
		t.Errorf("a constant of eight voices settles at %d, want %d", last, ceiling)
	}
	for range 300 {
		l.apply(&out, total(1000), &none)
	}
	if l.gain != 1 || out[frameSamples-1] != 1000 {
		t.Errorf("3 s later the gain is %v", l.gain)
	}
}

func TestJoinAndLeaveWithoutClick(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := New(Config{})
		listener := join(t, m, quiet)
		synctest.Wait()
		// The voice has its full level from the first sample on: without a fade that is a step of 10000.
		loud := func(frame []int16) {
			for i := range frame {
				frame[i] = 10000
			}
		}
		for range 3 {
			p := join(t, m, loud)
			synctest.Wait()
			rounds(m, 5, quiet, nil)
			gone := make(chan struct{})
			go func() { p.leave(); close(gone) }()
			synctest.Wait()
			rounds(m, 2, quiet, nil)
			<-gone
			rounds(m, 3, quiet, nil)
		}
		p := join(t, m, loud)
		synctest.Wait()
		rounds(m, 3, quiet, nil)
		p.port.SetMuted(true)
		rounds(m, 3, quiet, nil)
		p.port.SetMuted(false)
		rounds(m, 3, quiet, nil)
		pcm := listener.flush()
		if step := steepest(pcm); step > 50 {
			t.Errorf("a step of %d", step)
		}
		p.leave()
		listener.leave()
	})
}

// A port whose mixer has stopped lets go all the same.
func TestLeaveWithoutRounds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := New(Config{})
		p := join(t, m, quiet)
		synctest.Wait()
		start := time.Now()
		p.leave()
		if took := time.Since(start); took > farewell {
			t.Errorf("took %v", took)
		}
	})
}

func TestPortsAreBounded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := New(Config{})
		var ports []*Port
		for range MaxPorts {
			p, err := m.Port()
			if err != nil {
				t.Fatal(err)
			}
			ports = append(ports, p)
		}
		if _, err := m.Port(); !errors.Is(err, ErrFull) {
			t.Errorf("one more: %v, want ErrFull", err)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- ports[0].Record(ctx, func([]int16) {}) }()
		<-ports[0].Recording()
		synctest.Wait()
		if err := ports[0].Record(ctx, func([]int16) {}); !errors.Is(err, ErrBusy) {
			t.Errorf("a second session: %v, want ErrBusy", err)
		}
		ports[0].Close() // in use: the place is free when the session has let go
		if got := m.Stats().Ports; got != MaxPorts {
			t.Errorf("%d ports, want %d", got, MaxPorts)
		}
		stop()
		if err := <-ended; err != nil {
			t.Errorf("record: %v", err)
		}
		if got := m.Stats().Ports; got != MaxPorts-1 {
			t.Errorf("%d ports, want %d", got, MaxPorts-1)
		}
		if err := ports[0].Play(t.Context(), quiet); !errors.Is(err, ErrBusy) {
			t.Errorf("a closed port: %v, want ErrBusy", err)
		}
	})
}

// start puts n calls into a mixer, without goroutines.
func start(tb testing.TB, n int) (*Mixer, []int16) {
	tb.Helper()
	m := New(Config{})
	for i := range n {
		p, err := m.Port()
		if err != nil {
			tb.Fatal(err)
		}
		p.push = func([]int16) {}
		p.pull = tone(300+100*float64(i), 12000)
		if i == 0 {
			p.pull = quiet
		}
		p.voice.level, p.voice.want, p.hears.level, p.hears.want = 1, 1, 1, 1
	}
	mic := make([]int16, frameSamples)
	tone(200, 12000)(mic)
	return m, mic
}

func TestNothingIsAllocated(t *testing.T) {
	m, mic := start(t, MaxPorts)
	frame := make([]int16, frameSamples)
	if n := testing.AllocsPerRun(200, func() { m.heard(mic); m.wanted(frame) }); n != 0 {
		t.Errorf("%v allocations in a round", n)
	}
}

// What one round costs: 10 ms of a conversation, without the codecs.
func BenchmarkRound(b *testing.B) {
	for _, n := range []int{2, 3, MaxPorts} {
		b.Run([]string{2: "2 calls", 3: "3 calls", MaxPorts: "8 calls"}[n], func(b *testing.B) {
			m, mic := start(b, n)
			var fixed [frameSamples]int16
			tone(300, 12000)(fixed[:])
			for _, p := range m.ports {
				p.pull = func(frame []int16) { copy(frame, fixed[:]) }
			}
			frame := make([]int16, frameSamples)
			b.ReportAllocs()
			for b.Loop() {
				m.heard(mic)
				m.wanted(frame)
			}
		})
	}
}
