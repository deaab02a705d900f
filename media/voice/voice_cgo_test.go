//go:build cgo

package voice

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"
)

const rate = 48000

// talker makes speech-like sound: syllables of a gliding voice through two formants, or of hiss, with pauses between
// words. Its spectrum reaches 20 kHz. level is of its loud parts, in dBFS.
func talker(seed uint64, seconds int, pitch, level float64) []int16 {
	r := rand.New(rand.NewPCG(seed, 1))
	out := make([]float64, seconds*rate)
	var phase float64
	var y1, y2, z1, z2 float64
	for at := 0; at < len(out); {
		n := int((0.10 + 0.15*r.Float64()) * rate)
		if r.Float64() < 0.22 { // between words
			at += n * 3 / 2
			continue
		}
		hiss := r.Float64() < 0.2
		f0 := pitch * (0.8 + 0.4*r.Float64())
		f1, f2 := 300+500*r.Float64(), 1000+1400*r.Float64()
		for i := 0; i < n && at+i < len(out); i++ {
			t := float64(i) / float64(n)
			var x float64
			if hiss {
				x = 0.15 * r.NormFloat64()
			} else {
				phase += f0 * (1 - 0.15*t) / rate
				if phase >= 1 {
					phase--
					x = 12
				}
				x += 0.02 * r.NormFloat64()
				y := resonate(x, f1, 80, &y1, &y2)
				x = 0.02*y + 0.02*resonate(x, f2, 120, &z1, &z2) + 0.05*x
			}
			out[at+i] += x * math.Sin(math.Pi*t) * math.Sin(math.Pi*t)
		}
		at += n
	}
	return scaled(out, level)
}

func resonate(x, f, width float64, a, b *float64) float64 {
	radius := math.Exp(-math.Pi * width / rate)
	y := x + 2*radius*math.Cos(2*math.Pi*f/rate)**a - radius*radius**b
	*b, *a = *a, y
	return y
}

// scaled brings the loud frames to level.
func scaled(x []float64, level float64) []int16 {
	var power float64
	n := 0
	for at := 0; at+480 <= len(x); at += 480 {
		var sum float64
		for _, v := range x[at : at+480] {
			sum += v * v
		}
		if sum > 0 {
			power += sum / 480
			n++
		}
	}
	factor := 32768 * math.Pow(10, level/20) / math.Sqrt(power/float64(max(n, 1)))
	out := make([]int16, len(x))
	for i, v := range x {
		out[i] = int16(max(-32768, min(32767, v*factor)))
	}
	return out
}

func hiss(seed uint64, seconds int, level float64) []int16 {
	r := rand.New(rand.NewPCG(seed, 2))
	x := make([]float64, seconds*rate)
	for i := range x {
		x[i] = r.NormFloat64()
	}
	return scaled(x, level)
}

// room is what of far arrives at the microphone: after a delay, through a response of 60 ms that dies away, at gain dB.
func room(far []int16, delayMS int, gain float64) []int16 {
	r := rand.New(rand.NewPCG(7, 7))
	const length = rate * 60 / 1000
	at := []int{0}
	h := []float64{1}
	for range 60 { // reflections; a dense response would take a minute to convolve
		n := r.IntN(length)
		at = append(at, n)
		h = append(h, 0.5*r.NormFloat64()*math.Exp(-6.9*float64(n)/length))
	}
	var energy float64
	for _, v := range h {
		energy += v * v
	}
	factor := math.Pow(10, gain/20) / math.Sqrt(energy)
	out := make([]int16, len(far))
	shift := delayMS * rate / 1000
	for i := range out {
		var sum float64
		for k, n := range at {
			if j := i - shift - n; j >= 0 {
				sum += h[k] * float64(far[j])
			}
		}
		out[i] = int16(sum * factor)
	}
	return out
}

func mixed(a, b []int16) []int16 {
	out := make([]int16, min(len(a), len(b)))
	for i := range out {
		out[i] = int16(max(-32768, min(32767, int(a[i])+int(b[i]))))
	}
	return out
}

// bubble runs a test in synthetic time.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

// call runs microphone and loudspeaker through a Processor in the time they take, burst frames of the loudspeaker at
// once. It needs a bubble.
func call(p *Processor, microphone, loudspeaker []int16, burst int) []int16 {
	var out []int16
	for at := 0; at+480 <= len(microphone); at += 480 {
		if at/480%burst == 0 {
			for k := range burst {
				if from := at + 480*k; from+480 <= len(loudspeaker) {
					p.played(loudspeaker[from : from+480])
				}
			}
		}
		out = append(out, p.recorded(microphone[at:at+480])...)
		time.Sleep(10 * time.Millisecond)
	}
	return out
}

// db is the power of a stretch of pcm in dBFS, of its samples themselves.
func db(pcm []int16, from, to float64) float64 {
	return loudness(pcm[int(from*rate):int(to*rate)])
}

// likeness is the correlation of out with in, late by what the processing takes; of their differences, for the canceller
// takes out what is below speech, which turns the phase of the lowest partials.
func likeness(in, out []int16, from, to float64) float64 {
	var xy, xx, yy float64
	for i := int(from * rate); i < int(to*rate)-whole-1; i++ {
		x, y := float64(in[i+1])-float64(in[i]), float64(out[i+whole+1])-float64(out[i+whole])
		xy, xx, yy = xy+x*y, xx+x*x, yy+y*y
	}
	return xy / math.Sqrt(xx*yy+1)
}

func TestEchoIsCancelled(t *testing.T) {
	far := talker(1, 14, 110, -22)
	for _, tt := range []struct {
		delay, burst int
	}{{20, 1}, {40, 1}, {80, 2}, {120, 3}, {250, 6}} {
		t.Run(fmt.Sprintf("%d ms, %d at once", tt.delay, tt.burst), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				microphone := mixed(room(far, tt.delay, -6), hiss(3, 14, -75))
				out := call(New(Config{Echo: true}), microphone, far, tt.burst)
				erle := db(microphone, 8, 14) - db(out, 8, 14)
				t.Logf("echo return loss enhancement %.1f dB, in the third second %.1f", erle, db(microphone, 2, 3)-db(out, 2, 3))
				if erle < 30 {
					t.Errorf("echo return loss enhancement %.1f dB, want 30", erle)
				}
			})
		})
	}
}

func TestNearSpeechSurvivesDoubleTalk(t *testing.T) { bubble(t, nearSpeechSurvivesDoubleTalk) }

func nearSpeechSurvivesDoubleTalk(t *testing.T) {
	t.Helper()
	far := talker(1, 16, 110, -26)
	near := talker(2, 16, 190, -20)
	clear(near[:8*rate]) // the canceller converges first
	echo := room(far, 60, -10)
	out := call(New(Config{Echo: true}), mixed(near, echo), far, 1)
	if l := likeness(near, out, 9, 16); l < 0.9 {
		t.Errorf("likeness of near speech %.3f, want 0.9", l)
	} else {
		t.Logf("likeness %.3f, before %.3f", l, likeness(near, append(make([]int16, whole), mixed(near, echo)...), 9, 16))
	}
	if lost := db(near, 9, 16) - db(out, 9, 16); lost > 3 || lost < -1.5 {
		t.Errorf("near speech is %.1f dB quieter", lost)
	}
}

func TestNoFarEnd(t *testing.T) { bubble(t, noFarEnd) }

func noFarEnd(t *testing.T) {
	t.Helper()
	near := talker(2, 6, 150, -24)
	out := call(New(Config{Echo: true}), near, nil, 1)
	if l := likeness(near, out, 1, 6); l < 0.98 {
		t.Errorf("likeness %.3f without a far end, want 0.98", l)
	}
}

// TestNoiseIsLowered has speech and white noise over the whole band.
func TestNoiseIsLowered(t *testing.T) { bubble(t, noiseIsLowered) }

func noiseIsLowered(t *testing.T) {
	t.Helper()
	near, noise := talker(2, 10, 150, -24), hiss(4, 10, -50)
	clear(near[:4*rate])
	in := mixed(near, noise)
	out := call(New(Config{Noise: true}), in, nil, 1)
	lowered := db(in, 2, 4) - db(out, 2, 4)
	t.Logf("noise lowered by %.1f dB, likeness of speech %.3f", lowered, likeness(near, out, 5, 10))
	if lowered < 10 {
		t.Errorf("noise lowered by %.1f dB, want 10", lowered)
	}
	was := likeness(near, append(make([]int16, whole), in...), 5, 10)
	if l := likeness(near, out, 5, 10); l < was {
		t.Errorf("likeness of speech %.3f, before %.3f", l, was)
	}
	if lost := db(near, 5, 10) - db(out, 5, 10); lost > 2 {
		t.Errorf("speech is %.1f dB quieter", lost)
	}
}

// TestFullBandStays says that clean speech keeps its upper band and sounds as before.
func TestFullBandStays(t *testing.T) { bubble(t, fullBandStays) }

func fullBandStays(t *testing.T) {
	t.Helper()
	near := talker(5, 6, 150, -20)
	out := call(New(Config{Echo: true, Noise: true}), near, nil, 1)
	upper := func(pcm []int16) float64 { // a second difference: 12 kHz and above
		var sum float64
		for i := rate; i < 5*rate; i++ {
			d := float64(pcm[i]) - 2*float64(pcm[i-1]) + float64(pcm[i-2])
			sum += d * d
		}
		return 10 * math.Log10(sum)
	}
	if lost := upper(near) - upper(out); lost > 3 {
		t.Errorf("the upper band is %.1f dB quieter", lost)
	}
}

// TestGain has quiet, loud and right speech, and what must not be lifted.
func TestGain(t *testing.T) {
	for _, tt := range []struct {
		name       string
		in         []int16
		low, high  float64 // dBFS of the last three seconds
		from, upTo float64
	}{
		{"quiet speech", talker(2, 12, 150, -40), -23, -16, 9, 12},
		{"right speech", talker(2, 12, 150, -20), -23, -16, 9, 12},
		{"loud speech", talker(2, 12, 150, -9), -24, -15, 9, 12},
		{"silence", make([]int16, 12*rate), -100, -90, 9, 12},
		{"noise", hiss(4, 12, -50), -52, -48, 9, 12},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				out := call(New(Config{Gain: true}), tt.in, nil, 1)
				level := active(out[9*rate:])
				t.Logf("%.1f dBFS", level)
				if level < tt.low || level > tt.high {
					t.Errorf("%.1f dBFS at the end, want %.0f to %.0f", level, tt.low, tt.high)
				}
				for _, x := range out {
					if x == math.MaxInt16 || x == math.MinInt16 {
						t.Fatal("clipped")
					}
				}
			})
		})
	}
}

// active is the loudness of the frames that are not pauses.
func active(pcm []int16) float64 {
	var power float64
	n := 0
	loudest := silence
	for at := 0; at+480 <= len(pcm); at += 480 {
		loudest = max(loudest, loudness(pcm[at:at+480]))
	}
	for at := 0; at+480 <= len(pcm); at += 480 {
		if l := loudness(pcm[at : at+480]); l > loudest-30 {
			power += math.Pow(10, l/10)
			n++
		}
	}
	return 10 * math.Log10(power/float64(max(n, 1)))
}

// TestGainDoesNotPump says that a pause after speech does not get louder and louder.
func TestGainDoesNotPump(t *testing.T) { bubble(t, gainDoesNotPump) }

func gainDoesNotPump(t *testing.T) {
	t.Helper()
	in := mixed(talker(2, 20, 150, -35), hiss(3, 20, -65))
	copy(in[8*rate:18*rate], hiss(3, 10, -65))
	p := New(Config{Gain: true, Noise: true})
	out := call(p, in, nil, 1)
	if early, end := db(out, 9, 10), db(out, 17, 18); math.Abs(early-end) > 1.5 || end > -50 {
		t.Errorf("the pause begins at %.1f and ends at %.1f dBFS", early, end)
	}
}

// TestSwitches says that all can be turned off and on in a call, and that off is untouched.
func TestSwitches(t *testing.T) { bubble(t, switches) }

func switches(t *testing.T) {
	t.Helper()
	far := talker(1, 20, 110, -22)
	microphone := room(far, 60, -6)
	p := New(Config{})
	part := func(from, to int) []int16 {
		return call(p, microphone[from*rate:to*rate], far[from*rate:to*rate], 1)
	}
	off := part(0, 2)
	for i, x := range off {
		if x != microphone[i] {
			t.Fatalf("sample %d is %d with everything off, was %d", i, x, microphone[i])
		}
	}
	p.SetEcho(true)
	p.SetNoise(true)
	p.SetGain(true)
	on := part(2, 10)
	if erle := db(microphone, 7, 10) - db(on, 5, 8); erle < 30 {
		t.Errorf("turned on: %.1f dB, want 30", erle)
	}
	p.SetEcho(false)
	p.SetNoise(false)
	p.SetGain(false)
	off = part(10, 12)
	for i := 480; i < len(off); i++ {
		if off[i] != microphone[10*rate+i] {
			t.Fatalf("sample %d is another after everything was turned off", i)
		}
	}
}

// TestOtherDevice says that the canceller learns the way of another microphone.
func TestOtherDevice(t *testing.T) { bubble(t, otherDevice) }

func otherDevice(t *testing.T) {
	t.Helper()
	far := talker(1, 20, 110, -22)
	p := New(Config{Echo: true})
	call(p, room(far, 40, -6)[:8*rate], far[:8*rate], 1)
	p.far.restart()
	microphone := room(far, 130, -6)
	out := call(p, microphone[8*rate:], far[8*rate:], 4)
	if erle := db(microphone, 15, 20) - db(out, 7, 12); erle < 30 {
		t.Errorf("another device: %.1f dB, want 30", erle)
	}
}

// TestDrift has a microphone whose clock is fast by so many parts in a million.
func TestDrift(t *testing.T) {
	for _, tt := range []struct{ ppm, want float64 }{{50, 18}, {200, 25}} {
		t.Run(fmt.Sprint(tt.ppm), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const seconds = 60
				far := talker(1, seconds, 110, -22)
				echo := room(far, 60, -6)
				p := New(Config{Echo: true})
				var in, out []int16
				frame := make([]int16, 480)
				slow := 1 - tt.ppm*1e-6
				begin, played := time.Now(), 0
				for k := range (seconds - 1) * 100 {
					position := float64(k*480) * slow
					for ; played*480 <= int(position); played++ {
						// A frame is asked for when it is due, between two of the microphone.
						due := time.Duration(float64(played) * 1e7)
						time.Sleep(time.Until(begin.Add(due)))
						p.played(far[played*480 : played*480+480])
					}
					time.Sleep(time.Until(begin.Add(time.Duration(float64(k) * 1e7 * slow))))
					for i := range frame {
						x := position + float64(i)*slow
						j := int(x)
						w := x - float64(j)
						frame[i] = int16((1-w)*float64(echo[j]) + w*float64(echo[j+1]))
					}
					in = append(in, frame...)
					out = append(out, p.recorded(frame)...)
				}
				erle := db(in, 40, seconds-1) - db(out, 40, seconds-1)
				t.Logf("%.1f dB, drift found %.0f ppm", erle, p.far.drift/lowSamples*1e6)
				if erle < tt.want {
					t.Errorf("with clocks %.0f ppm apart: %.1f dB, want %.0f", tt.ppm, erle, tt.want)
				}
			})
		})
	}
}

// TestLateness has goroutines that run up to 25 ms late, each in its own way, and stall for 60 ms now and then. The
// devices have buffers, so that the sound itself is whole.
func TestLateness(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const seconds, latency = 40, 100 // ms from pull to the microphone
		r := rand.New(rand.NewPCG(9, 9))
		far := talker(1, seconds, 110, -22)
		microphone := room(far, latency, -6)
		p := New(Config{Echo: true})
		begin := time.Now()
		due := func(k int) time.Time {
			late := time.Duration(r.IntN(25)) * time.Millisecond
			if r.IntN(300) == 0 {
				late = 60 * time.Millisecond
			}
			return begin.Add(time.Duration(k)*10*time.Millisecond + late)
		}
		var out []int16
		playAt, recordAt := due(0), due(0)
		for played, recorded := 0, 0; recorded < seconds*100; {
			if played < seconds*100 && playAt.Before(recordAt) {
				time.Sleep(time.Until(playAt))
				p.played(far[played*480 : played*480+480])
				played++
				playAt = due(played)
				continue
			}
			time.Sleep(time.Until(recordAt))
			out = append(out, p.recorded(microphone[recorded*480:recorded*480+480])...)
			recorded++
			recordAt = due(recorded)
		}
		erle := db(microphone, 10, seconds) - db(out, 10, seconds)
		t.Logf("%.1f dB, delayed by %d ms, drift %.0f ppm", erle, p.delay.shift/perMS, p.far.drift/lowSamples*1e6)
		if erle < 25 {
			t.Errorf("with late goroutines: %.1f dB, want 25", erle)
		}
	})
}

func TestFramesAllocateNothing(t *testing.T) {
	p := New(Config{Echo: true, Noise: true, Gain: true})
	far, near := talker(1, 1, 110, -22), talker(2, 1, 190, -30)
	if n := testing.AllocsPerRun(50, func() {
		p.played(far[4800:5280])
		p.recorded(near[9600:10080])
	}); n != 0 {
		t.Errorf("%.1f allocations a frame", n)
	}
}

func TestOtherFrameSizesPass(t *testing.T) {
	p := New(Config{Echo: true, Noise: true, Gain: true})
	frame := make([]int16, 100)
	frame[7] = 7
	if out := p.recorded(frame); &out[0] != &frame[0] {
		t.Error("a frame of another size was touched")
	}
	p.played(frame)
}

// devices are a microphone and a loudspeaker that stand for real ones.
type devices struct {
	frames int
	done   chan struct{}
}

func (d devices) Record(_ context.Context, push func([]int16)) error {
	frame := make([]int16, 480)
	for range d.frames {
		push(frame)
	}
	close(d.done)
	return nil
}

func (d devices) Play(ctx context.Context, pull func([]int16)) error {
	frame := make([]int16, 480)
	for range d.frames {
		pull(frame)
	}
	<-ctx.Done()
	return nil
}

// TestWrap runs both devices at once, with the switches moving; the race detector looks on.
func TestWrap(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	p := New(Config{Echo: true})
	d := devices{500, make(chan struct{})}
	ended := make(chan int, 2)
	go func() {
		n := 0
		_ = p.WrapPlayer(d).Play(ctx, func(f []int16) { f[0] = 5; n++ })
		ended <- n
	}()
	go func() {
		n := 0
		_ = p.Wrap(d).Record(ctx, func([]int16) { n++ })
		ended <- n
	}()
	for i := range 50 {
		p.SetEcho(i%2 == 0)
		p.SetNoise(i%3 == 0)
		p.SetGain(i%5 == 0)
	}
	<-d.done
	cancel()
	if a, b := <-ended, <-ended; a != 500 || b != 500 {
		t.Errorf("%d and %d frames, want 500 each", a, b)
	}
}

func BenchmarkFrame(b *testing.B) {
	far, near := talker(1, 10, 110, -22), talker(2, 10, 190, -30)
	microphone := mixed(near, room(far, 60, -6))
	for _, tt := range []struct {
		name string
		cfg  Config
	}{
		{"all", Config{true, true, true}}, {"echo", Config{Echo: true}}, {"noise", Config{Noise: true}}, {"off", Config{}},
	} {
		b.Run(tt.name, func(b *testing.B) {
			p := New(tt.cfg)
			b.ReportAllocs()
			at := 0
			for b.Loop() {
				p.played(far[at : at+480])
				p.recorded(microphone[at : at+480])
				if at += 480; at+480 > len(far) {
					at = 0
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/10, "ms/s")
		})
	}
}
