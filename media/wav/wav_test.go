package wav

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"testing"
)

const testRate = 48000

var errBroken = errors.New("broken")

// makeWAV builds a WAV file of a 1 kHz sine of half scale, the same on all channels.
func makeWAV(tag, bits, channels, rate, samples int, extensible bool) []byte {
	var data bytes.Buffer
	le := binary.LittleEndian
	for i := range samples {
		v := 0.5 * math.Sin(2*math.Pi*1000*float64(i)/float64(rate))
		for range channels {
			switch {
			case tag == formatFloat && bits == 32:
				_ = binary.Write(&data, le, float32(v))
			case tag == formatFloat:
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
		shown = formatExtensible
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
		{"8 bit", formatPCM, 8, 1, 48000, false, 130},
		{"16 bit", formatPCM, 16, 1, 48000, false, 15},
		{"16 bit stereo 8 kHz", formatPCM, 16, 2, 8000, false, 40},
		{"24 bit 44.1 kHz 5.1 extensible", formatPCM, 24, 6, 44100, true, 40},
		{"32 bit 96 kHz", formatPCM, 32, 1, 96000, false, 40},
		{"float 16 kHz", formatFloat, 32, 2, 16000, false, 40},
		{"double 384 kHz", formatFloat, 64, 1, 384000, true, 40},
	} {
		t.Run(tt.name, func(t *testing.T) {
			// A tenth of a second: 100 periods, so that it joins onto itself.
			file := makeWAV(tt.tag, tt.bits, tt.channels, tt.rate, tt.rate/10, tt.extensible)
			s, err := NewSource(bytes.NewReader(file), testRate)
			if err != nil {
				t.Fatal(err)
			}
			frame, got := make([]int16, MaxFill), []int16(nil)
			for range 50 {
				if err := s.Fill(frame); err != nil {
					t.Fatal(err)
				}
				got = append(got, frame...)
			}
			got = got[testRate/20:]
			delay := s.resampler.Delay() / float64(tt.rate)
			for i, x := range got {
				want := 16384 * math.Sin(2*math.Pi*1000*((float64(i)+testRate/20)/testRate-delay))
				if math.Abs(float64(x)-want) > tt.error {
					t.Fatalf("sample %d = %d, want %.0f", i, x, want)
				}
			}
		})
	}
}

func TestWAVDamaged(t *testing.T) {
	good := makeWAV(formatPCM, 16, 1, 8000, 10, false)
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
		if s, err := NewSource(bytes.NewReader(b), testRate); err == nil {
			t.Errorf("%s: no error, %+v", name, s.wav.format)
		}
	}
}

// TestWAVUnknownSize reads what a program wrote that could not come back to fill in the sizes.
func TestWAVUnknownSize(t *testing.T) {
	for _, size := range []uint32{0, math.MaxUint32} {
		b := makeWAV(formatPCM, 16, 1, 48000, 4800, false)
		at := bytes.Index(b, []byte("data")) + 4
		binary.LittleEndian.PutUint32(b[at:], size)
		s, err := NewSource(bytes.NewReader(b), testRate)
		if err != nil {
			t.Fatal(err)
		}
		frame := make([]int16, MaxFill)
		for range 30 {
			if err := s.Fill(frame); err != nil {
				t.Fatal(err)
			}
		}
	}
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
		r, err := NewReader(bytes.NewReader(b))
		if err != nil || r.rate != testRate || r.channels != 1 || r.bits != 16 {
			t.Fatalf("after write %d: %v", checks, err)
		}
		said := int(binary.LittleEndian.Uint32(b[40:]))
		if said > len(b)-headSize || int(binary.LittleEndian.Uint32(b[4:])) != said+36 {
			t.Fatalf("after write %d the head says %d bytes of %d", checks, said, len(b)-headSize)
		}
		samples = said / 2
	}}
	w, err := NewWriter(m, testRate, 1)
	if err != nil {
		t.Fatal(err)
	}
	frame := make([]int16, MaxFill)
	for k := range 105 {
		for i := range frame {
			frame[i] = int16(k + 1)
		}
		if err := w.Write(frame); err != nil {
			t.Fatal(err)
		}
		if behind := (k+1)*MaxFill - samples; behind > testRate/10 {
			t.Fatalf("%d samples only in memory", behind)
		}
	}
	if err := w.Close(); err != nil || samples != 105*MaxFill {
		t.Errorf("%d samples at the end, %v", samples, err)
	}
	if last := int16(binary.LittleEndian.Uint16(m.b[len(m.b)-2:])); last != 105 {
		t.Errorf("the last sample is %d", last)
	}
}

func TestWAVFull(t *testing.T) {
	m := &memory{check: func([]byte) {}}
	w, err := NewWriter(m, testRate, 1)
	if err != nil {
		t.Fatal(err)
	}
	w.limit = 3 * 2 * MaxFill
	frame := make([]int16, MaxFill)
	for range 3 {
		if err := w.Write(frame); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Write(frame); !errors.Is(err, ErrFull) || len(m.b) != headSize+int(w.limit) {
		t.Errorf("%v with %d bytes", err, len(m.b))
	}
}

func TestWAVDiskFull(t *testing.T) {
	m := &memory{check: func([]byte) {}}
	w, err := NewWriter(m, testRate, 1)
	if err != nil {
		t.Fatal(err)
	}
	m.fail = errBroken
	for range 20 {
		if err = w.Write(make([]int16, MaxFill)); err != nil {
			break
		}
	}
	if !errors.Is(err, errBroken) {
		t.Errorf("write error %v", err)
	}
}

func FuzzWAV(f *testing.F) {
	f.Add(makeWAV(formatPCM, 16, 1, 8000, 20, false))
	f.Add(makeWAV(formatFloat, 64, 3, 44100, 20, true))
	f.Add(makeWAV(formatPCM, 24, 2, 384000, 3, true))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := NewSource(bytes.NewReader(b), testRate)
		if err != nil {
			return
		}
		frame := make([]int16, MaxFill)
		for range 3 {
			if err := s.Fill(frame); err != nil {
				if errors.Is(err, io.EOF) {
					t.Fatalf("the end of the file leaked: %v", err)
				}
				return
			}
		}
	})
}
