//go:build cgo

package codec

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"testing"
)

// speechCodecs are those whose C lies in the repository.
func speechCodecs() []Codec { return append(speexCodecs(), gsmCodecs()...) }

func TestSpeechCodecsAreInTheBuild(t *testing.T) {
	var names []string
	for _, c := range Available() {
		names = append(names, c.Rtpmap())
	}
	want := "[opus/48000/2 G722/8000 PCMU/8000 PCMA/8000 speex/16000 speex/8000 GSM/8000 L16/16000]"
	if got := fmt.Sprint(names); got != want {
		t.Errorf("codecs %s, want %s", got, want)
	}
	if c, ok := Static(3); !ok || c.Name != "GSM" { // RFC 3551 table 4
		t.Errorf("Static(3) = %v, %v", c.Name, ok)
	}
	if c, ok := Match("SPEEX", 8000, 0, 97); !ok || c.SampleRate != 8000 {
		t.Errorf("Match(SPEEX/8000) = %+v, %v", c, ok)
	}
}

// syllables is voice with four syllables a second.
func syllables(rate, samples int) []int16 {
	pcm := make([]int16, samples)
	voice(pcm, rate, 0)
	for i, x := range pcm {
		pcm[i] = int16(float64(x) * max(0, math.Sin(2*math.Pi*4*float64(i)/float64(rate))))
	}
	return pcm
}

// fidelity is the likeness to ask of a codec: narrowband Speex keeps the sound, not the waveform.
func fidelity(c Codec) float64 {
	if c.Name == "speex" && c.SampleRate == 8000 {
		return 0.75
	}
	return 0.85
}

// TestSpeechCodecs passes speech through in packets of every packet time.
func TestSpeechCodecs(t *testing.T) {
	for _, c := range speechCodecs() {
		for _, ms := range []int{20, 40, 60, 120} {
			t.Run(fmt.Sprintf("%s, %d ms", c.Rtpmap(), ms), func(t *testing.T) {
				enc, dec := both(t, c)
				step := c.Samples(ms)
				want := syllables(c.SampleRate, 2*c.SampleRate/step*step)
				got := make([]int16, len(want))
				out := make([]byte, c.MaxPayload())
				size := 0
				for at := 0; at < len(want); at += step {
					n, err := enc.Encode(want[at:at+step], out)
					if err != nil {
						t.Fatal(err)
					}
					size += n
					if n, err = dec.Decode(out[:n], got[at:]); err != nil || n != step {
						t.Fatalf("Decode = %d, %v, want %d", n, err, step)
					}
				}
				from := c.SampleRate / 2
				if l := likeness(want[from:], got[from:]); l < fidelity(c) {
					t.Errorf("likeness %.3f, want %.2f", l, fidelity(c))
				}
				if rate := size * 8 / 2; rate < 12000 || rate > 30000 {
					t.Errorf("%d bit/s", rate)
				}
			})
		}
	}
}

// TestSpeechConcealment drops every tenth packet: what is made up has about the level of what was lost, and decoding
// goes on as if nothing had been.
func TestSpeechConcealment(t *testing.T) {
	for _, c := range speechCodecs() {
		t.Run(c.Rtpmap(), func(t *testing.T) {
			enc, dec := both(t, c)
			step := c.Samples(20)
			want, got := make([]int16, 100*step), make([]int16, 100*step)
			voice(want, c.SampleRate, 0)
			out := make([]byte, c.MaxPayload())
			var lost, bridged float64
			for k := range 100 {
				n, err := enc.Encode(want[k*step:(k+1)*step], out)
				if err != nil {
					t.Fatal(err)
				}
				frame := got[k*step : (k+1)*step]
				if k%10 != 9 {
					_, err = dec.Decode(out[:n], frame)
				} else {
					// In two halves, as the jitter buffer asks.
					_, err = dec.Conceal(frame[:step/2])
					_, second := dec.Conceal(frame[step/2:])
					err = errors.Join(err, second)
					lost, bridged = lost+power(want[k*step:(k+1)*step]), bridged+power(frame)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			if level := 10 * math.Log10(bridged/lost); level < -6 || level > 3 {
				t.Errorf("concealed sound is %.1f dB off in level", level)
			}
			from := c.SampleRate / 2
			if l := likeness(want[from:], got[from:]); l < fidelity(c)-0.1 {
				t.Errorf("likeness %.3f, want %.2f", l, fidelity(c)-0.1)
			}
		})
	}
}

func TestSpeechFrameSizes(t *testing.T) {
	for _, c := range speechCodecs() {
		enc, _ := both(t, c)
		out := make([]byte, c.MaxPayload())
		for _, n := range []int{0, 1, c.Samples(10), c.Samples(20) - 1, c.Samples(30)} {
			if _, err := enc.Encode(make([]int16, n), out); !errors.Is(err, ErrFrameSize) {
				t.Errorf("%s: %d samples: %v, want ErrFrameSize", c.Rtpmap(), n, err)
			}
		}
	}
}

func TestGSMBadFrames(t *testing.T) {
	c, enc, dec := open(t, "GSM")
	pcm, out := make([]int16, c.MaxSamples()), make([]byte, 66)
	voice(pcm, 8000, 0)
	if n, err := enc.Encode(pcm[:320], out); n != 66 || err != nil {
		t.Fatalf("Encode of two frames = %d, %v", n, err)
	}
	broken := bytes.Clone(out)
	broken[33] = 0x1d // the second frame without its mark
	for name, payload := range map[string][]byte{
		"cut": out[:65], "one byte": out[:1], "no mark": broken, "half-rate WAV49": out[:65],
	} {
		if _, err := dec.Decode(payload, pcm); !errors.Is(err, ErrPayload) {
			t.Errorf("%s: %v, want ErrPayload", name, err)
		}
	}
	if n, err := dec.Decode(out, pcm); n != 320 || err != nil {
		t.Errorf("Decode after bad frames = %d, %v", n, err)
	}
}

// TestSpeexPackets are packets as RFC 5574 3.3 describes them.
func TestSpeexPackets(t *testing.T) {
	for _, c := range speexCodecs() {
		enc, dec := both(t, c)
		frame, out, pcm := c.Samples(20), make([]byte, 500), make([]int16, c.MaxSamples())
		voice(pcm, c.SampleRate, 0)
		n, err := enc.Encode(pcm[:3*frame], out)
		if err != nil {
			t.Fatal(err)
		}
		tests := []struct {
			name    string
			payload []byte
			room    int
			samples int
			err     error
		}{
			{"three frames", out[:n], 6 * frame, 3 * frame, nil},
			{"room to the sample", out[:n], 3 * frame, 3 * frame, nil},
			{"room for two", out[:n], 2 * frame, 0, ErrShortBuffer},
			{"a terminator alone", []byte{0x7f}, 6 * frame, 0, ErrPayload},
			{"more than 120 ms", bytes.Repeat([]byte{0}, 100), 6 * frame, 0, ErrShortBuffer},
			{"longer than any packet", make([]byte, 3000), 6 * frame, 0, ErrPayload},
			{"an unknown mode", []byte{0x48, 0, 0, 0}, 6 * frame, 0, ErrPayload},
			{"cut within a frame", out[:n/2], 6 * frame, 0, ErrPayload},
		}
		for _, tt := range tests {
			got, err := dec.Decode(tt.payload, pcm[:tt.room])
			if got != tt.samples || !errors.Is(err, tt.err) {
				t.Errorf("%s, %s: %d, %v; want %d, %v", c.Rtpmap(), tt.name, got, err, tt.samples, tt.err)
			}
		}
	}
}

// TestSpeexTune compares the bytes of a packet with those of RFC 5574, table 1 and 2.
func TestSpeexTune(t *testing.T) {
	for _, tt := range []struct {
		rate int
		fmtp string
		bits int // of a frame
	}{
		{8000, "", 300},
		{8000, `mode="3,any";vbr=on`, 160},
		{8000, "mode=2", 119},
		{8000, `vbr=off;cng=on;mode="7"`, 492},
		{8000, "mode=8", 79},
		{8000, "mode=any", 300},
		{8000, "mode=99", 300},
		{16000, `mode="any"`, 556},
		{16000, `mode="10,any"`, 844},
		{16000, "mode = 4 ; nonsense", 256},
	} {
		c, _ := Match("speex", tt.rate, 1, 112)
		enc, _ := both(t, c)
		if err := Tune(enc, tt.fmtp); err != nil {
			t.Fatal(err)
		}
		pcm, out := make([]int16, c.Samples(20)), make([]byte, 500)
		voice(pcm, tt.rate, 0)
		n, err := enc.Encode(pcm, out)
		if want := (tt.bits + 7) / 8; n != want || err != nil {
			t.Errorf("speex/%d with %q: %d bytes, %v, want %d", tt.rate, tt.fmtp, n, err, want)
		}
	}
}

// fuzzStream lets a decoder live through a stream of hostile packets, cut from data, with losses between.
func fuzzStream(t *testing.T, c Codec, data []byte) {
	t.Helper()
	_, dec := both(t, c)
	pcm := make([]int16, c.MaxSamples())
	for i := 0; len(data) > 0 && i < 16; i++ {
		n := min(int(data[0]), len(data)-1)
		payload := data[1 : 1+n]
		data = data[1+n:]
		if got, err := dec.Decode(payload, pcm); err == nil && (got <= 0 || got > len(pcm)) {
			t.Fatalf("Decode = %d of %d", got, len(pcm))
		}
		if n%3 == 0 {
			if _, err := dec.Conceal(pcm[:c.Samples(10)]); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// seeds are streams that the codec itself makes, for the fuzzer to damage.
func seeds(f *testing.F, c Codec) {
	f.Helper()
	enc, _ := both(f, c)
	var stream []byte
	pcm, out := syllables(c.SampleRate, c.Samples(40)), make([]byte, c.MaxPayload())
	for range 3 {
		n, err := enc.Encode(pcm, out)
		if err != nil {
			f.Fatal(err)
		}
		stream = append(append(stream, byte(n)), out[:n]...)
	}
	f.Add(stream)
}

func FuzzGSM(f *testing.F) {
	c := gsmCodecs()[0]
	seeds(f, c)
	f.Fuzz(func(t *testing.T, data []byte) {
		// The mark is put right, or the fuzzer would seldom get past it.
		for i := 1; i < len(data); i += 34 {
			data[i-1], data[i] = 33, data[i]&0xf|0xd0
		}
		fuzzStream(t, c, data)
	})
}

func FuzzSpeex(f *testing.F) {
	for _, c := range speexCodecs() {
		seeds(f, c)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, c := range speexCodecs() {
			fuzzStream(t, c, data)
		}
	})
}
