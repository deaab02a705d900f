//go:build cgo

package media

import (
	"net/netip"
	"testing"
	"time"

	"github.com/peregrine-softphone/peregrine/media/adapt"
)

func TestOpusCall(t *testing.T) {
	inCall(t, []string{"opus", "PCMU"}, func(t *testing.T, w *wire, a, b *phone) {
		time.Sleep(4 * time.Second)
		listen(t, a, b, 3, 0.6, 0.75) // Opus keeps the sound, not the waveform
		w.set(func(w *wire) { w.loss, w.jitter = 0.1, 40*time.Millisecond })
		time.Sleep(10 * time.Second)
		listen(t, a, b, 12, 0.6, 0.6)
		st := b.Stats()
		t.Logf("%+v", st)
		if st.Codec != "opus" || st.ReceiveCodec != "opus" || st.LossPercent < 5 {
			t.Errorf("stats %+v", st)
		}
	})
}

func TestCodecChangeAcrossClockRates(t *testing.T) {
	inCall(t, []string{"opus", "PCMU"}, func(t *testing.T, _ *wire, a, b *phone) {
		time.Sleep(3 * time.Second)
		for i, name := range []string{"PCMU", "opus", "PCMU", "opus"} {
			if err := a.SetCodecs([]string{name}); err != nil {
				t.Fatal(err)
			}
			connect(t, a, b)
			time.Sleep(3 * time.Second)
			st := b.Stats()
			if st.ReceiveCodec != name || st.Lost != 0 || st.Concealed > 60*time.Millisecond || st.Delay > 45*time.Millisecond {
				t.Errorf("%s: %+v", name, st)
			}
			listen(t, a, b, 3*float64(i)+4.5, 0.6, 0.75)
		}
	})
}

func BenchmarkOpus(b *testing.B) { benchmarkCall(b, "opus") }

// bottleneck lets so many bit/s through from each side of a wire, and drops what would wait longer than 300 ms.
func bottleneck(w *wire, rate int) {
	free := map[netip.Addr]time.Time{}
	w.set(func(w *wire) {
		w.take = func(data []byte, from, _ netip.AddrPort) bool {
			now := time.Now()
			at := free[from.Addr()]
			if at.Before(now) {
				at = now
			}
			if at.Sub(now) > 300*time.Millisecond {
				return false
			}
			w.delay = at.Sub(now) + 20*time.Millisecond
			free[from.Addr()] = at.Add(time.Duration(len(data)+28) * 8 * time.Second / time.Duration(rate))
			return true
		}
	})
}

// TestCallFitsItself: the session's measurements lead the controller to Opus and back.
func TestCallFitsItself(t *testing.T) {
	var wishes []adapt.Wish
	var when []time.Time
	told := make(chan adapt.Wish, 16)
	first := func(c *Config) {
		c.Adapt = true
		c.OnWish = func(w adapt.Wish) { told <- w }
	}
	second := func(c *Config) { c.Adapt = true }
	running(t, first, second, []string{"PCMU", "opus"}, func(t *testing.T, w *wire, a, b *phone) {
		connect(t, a, b)
		follow := func(d time.Duration) { // carries out wishes for so long
			for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
				if len(told) == 0 {
					continue
				}
				wish := <-told
				wishes, when = append(wishes, wish), append(when, time.Now())
				a.SetLimit(wish.Limit)
				if err := a.SetCodecs([]string{wish.Codec, "PCMU", "opus"}); err != nil {
					t.Fatal(err)
				}
				connect(t, a, b)
				a.WishDone(true)
				if err := a.SetCodecs(nil); err != nil {
					t.Fatal(err)
				}
			}
		}
		follow(12 * time.Second)
		if len(wishes) > 0 {
			t.Fatalf("%+v on a good network", wishes)
		}
		bottleneck(w, 40000)
		drop := time.Now()
		follow(14 * time.Second) // before more is tried
		if len(wishes) != 1 || wishes[0].Codec != "opus" || wishes[0].Return || when[0].Sub(drop) > 4*time.Second {
			t.Fatalf("%+v", wishes)
		}
		st, other := a.Stats(), b.Stats()
		t.Logf("%v after the drop; then %+v, %.0f %% lost there", when[0].Sub(drop), st.Adaptation, st.RemoteLossPercent)
		if st.ReceiveCodec != "opus" || other.ReceiveCodec != "opus" || st.RemoteLossPercent > 8 || other.RemoteLossPercent > 8 {
			t.Errorf("%s and %s, %g and %g %% lost", st.ReceiveCodec, other.ReceiveCodec, st.RemoteLossPercent, other.RemoteLossPercent)
		}
		w.set(func(w *wire) { w.take, w.delay = nil, 20*time.Millisecond })
		follow(2 * time.Minute)
		if len(wishes) != 2 || !wishes[1].Return || a.Stats().Codec != "PCMU" || b.Stats().ReceiveCodec != "PCMU" {
			t.Fatalf("%+v, sends %s", wishes, a.Stats().Codec)
		}
		if gap := when[1].Sub(when[0]); gap < time.Minute {
			t.Errorf("back after %v", gap)
		}
	})
}
