//go:build cgo

package media

import (
	"testing"
	"time"
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
