// Package score is the lab's sound judge. It makes speech, and it finds that speech again in what
// was recorded at the other end of a call: how late, with how many holes, at which clock. For the
// tests of package lab; pure but for Speech, which runs espeak-ng and sox.
//
// Order of calls: Speech once, Read what was recorded, Compare.
package score

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"
)

// Sound is mono sound.
type Sound struct {
	Rate    int // samples per second
	Samples []float32
}

// Duration of the sound.
func (s Sound) Duration() time.Duration {
	return time.Duration(float64(len(s.Samples)) / float64(s.Rate) * float64(time.Second))
}

// FromPCM makes a Sound of 16-bit samples.
func FromPCM(rate int, pcm []int16) Sound {
	s := Sound{Rate: rate, Samples: make([]float32, len(pcm))}
	for i, v := range pcm {
		s.Samples[i] = float32(v) / 32768
	}
	return s
}

// errWAV is wrapped by every complaint about a file.
var errWAV = errors.New("no 16-bit PCM WAV file")

// maxWAV bounds what is read: ten minutes at 48 kHz stereo.
const maxWAV = 10 * 60 * 48000 * 4

// Read reads a WAV file with 16-bit PCM; several channels are mixed to one.
func Read(path string) (Sound, error) {
	info, err := os.Stat(path)
	if err != nil {
		return Sound{}, fmt.Errorf("read sound: %w", err)
	}
	if info.Size() > maxWAV {
		return Sound{}, fmt.Errorf("read sound %s: %w: %d bytes", path, errWAV, info.Size())
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return Sound{}, fmt.Errorf("read sound: %w", err)
	}
	sound, err := Parse(data)
	if err != nil {
		return Sound{}, fmt.Errorf("read sound %s: %w", path, err)
	}
	return sound, nil
}

// Parse reads a WAV file from memory. A length field of the data chunk that is zero or beyond the
// end means "up to the end": a writer that was killed leaves it so.
func Parse(data []byte) (Sound, error) {
	if len(data) < 12 || !bytes.Equal(data[:4], []byte("RIFF")) || !bytes.Equal(data[8:12], []byte("WAVE")) {
		return Sound{}, errWAV
	}
	var rate, channels int
	for rest := data[12:]; len(rest) >= 8; {
		id, size := string(rest[:4]), int(binary.LittleEndian.Uint32(rest[4:]))
		body := rest[8:]
		if id == "data" {
			if rate == 0 {
				return Sound{}, fmt.Errorf("%w: data before its format", errWAV)
			}
			if size == 0 || size > len(body) {
				size = len(body)
			}
			return mix(rate, channels, body[:size]), nil
		}
		if size > len(body) {
			break
		}
		if id == "fmt " {
			var err error
			if rate, channels, err = parseFormat(body[:size]); err != nil {
				return Sound{}, err
			}
		}
		rest = body[min(size+size%2, len(body)):] // chunks are padded to even lengths
	}
	return Sound{}, fmt.Errorf("%w: no data", errWAV)
}

// parseFormat reads the format chunk: 16 bits of PCM, which the extensible format (0xfffe) holds too.
func parseFormat(chunk []byte) (rate, channels int, err error) {
	if len(chunk) < 16 {
		return 0, 0, fmt.Errorf("%w: format of %d bytes", errWAV, len(chunk))
	}
	kind, bits := binary.LittleEndian.Uint16(chunk), binary.LittleEndian.Uint16(chunk[14:])
	channels, rate = int(binary.LittleEndian.Uint16(chunk[2:])), int(binary.LittleEndian.Uint32(chunk[4:]))
	known := (kind == 1 || kind == 0xfffe) && bits == 16
	if !known || channels < 1 || channels > 8 || rate < 1000 || rate > 192000 {
		return 0, 0, fmt.Errorf("%w: format %d, %d bits, %d channels, %d Hz", errWAV, kind, bits, channels, rate)
	}
	return rate, channels, nil
}

func mix(rate, channels int, body []byte) Sound {
	frame := 2 * channels
	s := Sound{Rate: rate, Samples: make([]float32, len(body)/frame)}
	for i := range s.Samples {
		sum := float32(0)
		for c := range channels {
			sum += float32(int16(binary.LittleEndian.Uint16(body[i*frame+2*c:])))
		}
		s.Samples[i] = sum / float32(channels) / 32768
	}
	return s
}

// HeaderLen is the length of the header that WAV writers without extra chunks put before the
// samples.
const HeaderLen = 44

// Encode makes a mono WAV file.
func Encode(s Sound) []byte {
	var b bytes.Buffer
	size := uint32(2 * len(s.Samples))
	b.WriteString("RIFF")
	le := binary.LittleEndian
	header := le.AppendUint32(nil, 36+size)
	header = append(header, "WAVEfmt "...)
	header = le.AppendUint32(header, 16)
	header = le.AppendUint16(header, 1)
	header = le.AppendUint16(header, 1)
	header = le.AppendUint32(header, uint32(s.Rate))
	header = le.AppendUint32(header, uint32(2*s.Rate))
	header = le.AppendUint16(header, 2)
	header = le.AppendUint16(header, 16)
	header = append(header, "data"...)
	b.Write(le.AppendUint32(header, size))
	for _, v := range s.Samples {
		b.Write(le.AppendUint16(nil, uint16(int16(min(max(v, -1), 32767.0/32768)*32768))))
	}
	return b.Bytes()
}
