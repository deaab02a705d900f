package audio

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
)

// makeWAV builds a WAV file of a 1 kHz sine of half scale, the same on all channels.
func makeWAV(tag, bits, channels, rate, samples int, extensible bool) []byte {
	var data bytes.Buffer
	le := binary.LittleEndian
	for i := range samples {
		v := 0.5 * math.Sin(2*math.Pi*1000*float64(i)/float64(rate))
		for range channels {
			switch {
			case tag == wavFloat && bits == 32:
				_ = binary.Write(&data, le, float32(v))
			case tag == wavFloat:
				_ = binary.Write(&data, le, v)
			case bits == 8:
				data.WriteByte(byte(math.Round(v*128) + 128))
			case bits == 16:
				_ = binary.Write(&data, le, int16(math.Round(v*32768)))
			case bits == 24:
				x := uint32(int32(math.Round(v * (1 << 23))))
				data.Write([]byte{byte(x), byte(x >> 8), byte(x >> 16)})
			default:
				_ = binary.Write(&data, le, int32(math.Round(v*(1<<31))))
			}
		}
	}
	var format []byte
	shown := tag
	if extensible {
		shown = wavExtensible
	}
	block := channels * bits / 8
	format = le.AppendUint16(format, uint16(shown))
	format = le.AppendUint16(format, uint16(channels))
	format = le.AppendUint32(format, uint32(rate))
	format = le.AppendUint32(format, uint32(rate*block))
	format = le.AppendUint16(format, uint16(block))
	format = le.AppendUint16(format, uint16(bits))
	if extensible {
		format = append(format, 22, 0, byte(bits), 0, 0, 0, 0, 0)
		format = le.AppendUint16(format, uint16(tag))
		format = append(format, "\x00\x00\x00\x00\x10\x00\x80\x00\x00\xaa\x00\x38\x9b\x71"...)
	}
	return riff(chunk("LIST", []byte("odd")), chunk("fmt ", format), chunk("data", data.Bytes()))
}

func chunk(name string, body []byte) []byte {
	b := binary.LittleEndian.AppendUint32([]byte(name), uint32(len(body)))
	b = append(b, body...)
	return append(b, make([]byte, len(body)&1)...)
}

func riff(chunks ...[]byte) []byte {
	body := append([]byte("WAVE"), bytes.Join(chunks, nil)...)
	return append(binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(len(body))), body...)
}

// TestWAVFormats reads every format for more than the file's length: a clean 1 kHz tone at 48 kHz without end.
func TestWAVFormats(t *testing.T) {
	for _, tt := range []struct {
		name                      string
		tag, bits, channels, rate int
		extensible                bool
		error                     float64 // largest deviation, in steps of 16 bits
	}{
		{"8 bit", wavPCM, 8, 1, 48000, false, 130},
		{"16 bit", wavPCM, 16, 1, 48000, false, 15},
		{"16 bit stereo 8 kHz", wavPCM, 16, 2, 8000, false, 40},
		{"24 bit 44.1 kHz 5.1 extensible", wavPCM, 24, 6, 44100, true, 40},
		{"32 bit 96 kHz", wavPCM, 32, 1, 96000, false, 40},
		{"float 16 kHz", wavFloat, 32, 2, 16000, false, 40},
		{"double 384 kHz", wavFloat, 64, 1, 384000, true, 40},
	} {
		t.Run(tt.name, func(t *testing.T) {
			// A tenth of a second: 100 periods, so that it joins onto itself.
			file := makeWAV(tt.tag, tt.bits, tt.channels, tt.rate, tt.rate/10, tt.extensible)
			s, err := newWAVSource(bytes.NewReader(file))
			if err != nil {
				t.Fatal(err)
			}
			frame, got := make([]int16, FrameSamples), []int16(nil)
			for range 50 {
				if err := s.fill(frame); err != nil {
					t.Fatal(err)
				}
				got = append(got, frame...)
			}
			got = got[Rate/20:]
			delay := s.resampler.Delay() / float64(tt.rate)
			for i, x := range got {
				want := 16384 * math.Sin(2*math.Pi*1000*((float64(i)+Rate/20)/Rate-delay))
				if math.Abs(float64(x)-want) > tt.error {
					t.Fatalf("sample %d = %d, want %.0f", i, x, want)
				}
			}
		})
	}
}

func TestWAVDamaged(t *testing.T) {
	good := makeWAV(wavPCM, 16, 1, 8000, 10, false)
	format := chunk("fmt ", []byte{1, 0, 1, 0, 0x40, 0x1f, 0, 0, 0x80, 0x3e, 0, 0, 2, 0, 16, 0})
	with := func(at int, b ...byte) []byte {
		c := bytes.Clone(format)
		copy(c[8+at:], b)
		return riff(c, chunk("data", []byte{1, 2, 3, 4}))
	}
	for name, b := range map[string][]byte{
		"empty":              {},
		"not RIFF":           []byte("OggS this is something else altogether"),
		"cut in its head":    good[:20],
		"no format":          riff(chunk("data", []byte{1, 2, 3, 4})),
		"no data":            riff(format),
		"empty data":         riff(format, chunk("data", nil)),
		"half a sample":      riff(format, chunk("data", []byte{1})),
		"short format":       riff(chunk("fmt ", []byte{1, 0, 1, 0}), chunk("data", []byte{1, 2})),
		"A-law":              with(0, 6),
		"no channels":        with(2, 0, 0),
		"thousand channels":  with(2, 0xe8, 3),
		"rate 0":             with(4, 0, 0, 0, 0),
		"rate of 4 GHz":      with(4, 0xff, 0xff, 0xff, 0xff),
		"12 bits":            with(14, 12),
		"chunk of 4 GB":      append(riff(format), "junk\xfe\xff\xff\xff"...),
		"chunks without end": riff(append(bytes.Clone(format), bytes.Repeat(chunk("junk", nil), 2000)...)),
	} {
		if s, err := newWAVSource(bytes.NewReader(b)); err == nil {
			t.Errorf("%s: no error, %+v", name, s.wav.wavFormat)
		}
	}
}

// TestWAVUnknownSize reads what a program wrote that could not come back to fill in the sizes.
func TestWAVUnknownSize(t *testing.T) {
	for _, size := range []uint32{0, math.MaxUint32} {
		b := makeWAV(wavPCM, 16, 1, 48000, 4800, false)
		at := bytes.Index(b, []byte("data")) + 4
		binary.LittleEndian.PutUint32(b[at:], size)
		s, err := newWAVSource(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		frame := make([]int16, FrameSamples)
		for range 30 {
			if err := s.fill(frame); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestFileRecorder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "in.wav")
	if err := os.WriteFile(path, makeWAV(wavPCM, 16, 1, 8000, 800, false), 0o600); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		r, err := OpenRecorder("file:"+path, Options{})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // it may run again
			ctx, cancel := context.WithTimeout(t.Context(), time.Second+FrameTime/2)
			defer cancel()
			frames := 0
			if err := r.Record(ctx, func([]int16) { frames++ }); err != nil || frames != 100 {
				t.Errorf("%d frames in a second, %v", frames, err)
			}
		}
		r, _ = OpenRecorder("file:/nowhere/in.wav", Options{})
		if err := r.Record(t.Context(), func([]int16) {}); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("missing file: %v", err)
		}
	})
}

// memory is a file whose content can be looked at after every write, as another process would.
type memory struct {
	b     []byte
	check func(b []byte)
	fail  error
}

func (m *memory) WriteAt(p []byte, at int64) (int, error) {
	if m.fail != nil {
		return 0, m.fail
	}
	m.b = append(m.b, make([]byte, max(0, int(at)+len(p)-len(m.b)))...)
	copy(m.b[at:], p)
	m.check(m.b)
	return len(p), nil
}

func (m *memory) Close() error { return nil }

// TestWAVAlwaysValid reads the file back after every single write.
func TestWAVAlwaysValid(t *testing.T) {
	checks, samples := 0, 0
	m := &memory{check: func(b []byte) {
		checks++
		r, err := newWAVReader(bytes.NewReader(b))
		if err != nil || r.rate != Rate || r.channels != 1 || r.bits != 16 {
			t.Fatalf("after write %d: %v", checks, err)
		}
		said := int(binary.LittleEndian.Uint32(b[40:]))
		if said > len(b)-wavHead || int(binary.LittleEndian.Uint32(b[4:])) != said+36 {
			t.Fatalf("after write %d the head says %d bytes of %d", checks, said, len(b)-wavHead)
		}
		samples = said / 2
	}}
	w, err := newWAVWriter(m)
	if err != nil {
		t.Fatal(err)
	}
	frame := make([]int16, FrameSamples)
	fill := count()
	for k := range 105 {
		fill(frame)
		if err := w.write(frame); err != nil {
			t.Fatal(err)
		}
		if behind := (k+1)*FrameSamples - samples; behind > wavFlush {
			t.Fatalf("%d samples only in memory", behind)
		}
	}
	if err := w.close(); err != nil || samples != 105*FrameSamples {
		t.Errorf("%d samples at the end, %v", samples, err)
	}
	if last := int16(binary.LittleEndian.Uint16(m.b[len(m.b)-2:])); last != 105 {
		t.Errorf("the last sample is %d", last)
	}
}

func TestWAVFull(t *testing.T) {
	m := &memory{check: func([]byte) {}}
	w, err := newWAVWriter(m)
	if err != nil {
		t.Fatal(err)
	}
	w.limit = 3 * 2 * FrameSamples
	frame := make([]int16, FrameSamples)
	for range 3 {
		if err := w.write(frame); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.write(frame); !errors.Is(err, errWAVFull) || len(m.b) != wavHead+int(w.limit) {
		t.Errorf("%v with %d bytes", err, len(m.b))
	}
}

func TestWAVDiskFull(t *testing.T) {
	m := &memory{check: func([]byte) {}}
	w, err := newWAVWriter(m)
	if err != nil {
		t.Fatal(err)
	}
	m.fail = errBroken
	for range 20 {
		if err = w.write(make([]int16, FrameSamples)); err != nil {
			break
		}
	}
	if !errors.Is(err, errBroken) {
		t.Errorf("write error %v", err)
	}
}

func TestFilePlayer(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "out.wav")
	synctest.Test(t, func(t *testing.T) {
		p, err := OpenPlayer("file:"+path, Options{Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		for _, length := range []time.Duration{2 * time.Second, time.Second} { // each run starts a new file
			ctx, cancel := context.WithTimeout(t.Context(), length+FrameTime/2)
			defer cancel()
			if err := p.Play(ctx, count()); err != nil {
				t.Fatal(err)
			}
		}
		p, _ = OpenPlayer("file:/nowhere/out.wav", Options{})
		if err := p.Play(t.Context(), count()); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("no such folder: %v", err)
		}
	})
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	r, err := newWAVReader(file)
	if err != nil {
		t.Fatal(err)
	}
	pcm := make([]int16, 2*Rate)
	n, err := r.read(pcm)
	if err != nil || n != Rate || pcm[0] != 1 || pcm[n-1] != 100 {
		t.Errorf("%d samples from %d to %d, %v", n, pcm[0], pcm[max(n-1, 0)], err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
}

func FuzzWAV(f *testing.F) {
	f.Add(makeWAV(wavPCM, 16, 1, 8000, 20, false))
	f.Add(makeWAV(wavFloat, 64, 3, 44100, 20, true))
	f.Add(makeWAV(wavPCM, 24, 2, 384000, 3, true))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := newWAVSource(bytes.NewReader(b))
		if err != nil {
			return
		}
		frame := make([]int16, FrameSamples)
		for range 3 {
			if err := s.fill(frame); err != nil {
				if errors.Is(err, io.EOF) {
					t.Fatalf("the end of the file leaked: %v", err)
				}
				return
			}
		}
	})
}
