// Package wav reads and writes sound files in the WAV format (RIFF, Microsoft and IBM 1991).
//
// [Reader] gives the samples of nearly every WAV file, as mono; [Source] makes an endless stream at one rate of them.
// [Writer] writes 16-bit files that are valid at every moment. None is safe for concurrent use.
package wav

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// ErrFormat says that a file is not a WAV file we can read. The text around it says why.
var ErrFormat = errors.New("not a readable WAV file")

const (
	formatPCM        = 1
	formatFloat      = 3
	formatExtensible = 0xfffe
	// maxChannels and maxChunks bound what a damaged or hostile file can make us do.
	maxChannels = 64
	maxChunks   = 1000
)

// format is what the fmt chunk says.
type format struct {
	tag      int
	channels int
	rate     int // Hz
	bits     int // of one sample: 8, 16, 24, 32, 64
}

// Reader reads the samples of a WAV file (RF64 not), averaged to mono.
type Reader struct {
	format
	source io.ReadSeeker
	buffer *bufio.Reader
	start  int64 // offset of the first sample
	size   int64 // bytes of samples; -1: to the end of the file
	left   int64 // bytes of them not read yet
	block  []byte
}

// NewReader reads the head of a file and stops at the first sample.
func NewReader(source io.ReadSeeker) (*Reader, error) {
	w := &Reader{source: source, buffer: bufio.NewReader(source)}
	var head [12]byte
	if _, err := io.ReadFull(w.buffer, head[:]); err != nil {
		return nil, fmt.Errorf("%w: too short", ErrFormat)
	}
	if string(head[:4]) != "RIFF" || string(head[8:]) != "WAVE" {
		return nil, fmt.Errorf("%w: no RIFF WAVE at its start", ErrFormat)
	}
	at := int64(len(head))
	for range maxChunks {
		var chunk [8]byte
		if _, err := io.ReadFull(w.buffer, chunk[:]); err != nil {
			return nil, fmt.Errorf("%w: no samples in it", ErrFormat)
		}
		size := int64(binary.LittleEndian.Uint32(chunk[4:]))
		at += int64(len(chunk))
		if string(chunk[:4]) == "data" {
			return w, w.begin(at, size)
		}
		if string(chunk[:4]) == "fmt " {
			if err := w.readFormat(size); err != nil {
				return nil, err
			}
			size -= min(size, 40)
			at += min(int64(binary.LittleEndian.Uint32(chunk[4:])), 40)
		}
		size += size & 1 // chunks start at even offsets
		if _, err := io.CopyN(io.Discard, w.buffer, size); err != nil {
			return nil, fmt.Errorf("%w: no samples in it", ErrFormat)
		}
		at += size
	}
	return nil, fmt.Errorf("%w: more than %d chunks before the samples", ErrFormat, maxChunks)
}

// Rate is the sample rate in Hz, as the file says it: any number.
func (w *Reader) Rate() int { return w.rate }

// readFormat reads up to the first 40 bytes of a fmt chunk.
func (w *Reader) readFormat(size int64) error {
	b := make([]byte, min(size, 40))
	if _, err := io.ReadFull(w.buffer, b); err != nil || len(b) < 16 {
		return fmt.Errorf("%w: its format is cut off", ErrFormat)
	}
	w.tag = int(binary.LittleEndian.Uint16(b))
	w.channels = int(binary.LittleEndian.Uint16(b[2:]))
	w.rate = int(binary.LittleEndian.Uint32(b[4:]))
	w.bits = int(binary.LittleEndian.Uint16(b[14:]))
	if w.tag == formatExtensible && len(b) >= 26 {
		w.tag = int(binary.LittleEndian.Uint16(b[24:])) // the first two bytes of the sub-format's GUID
	}
	ok := w.tag == formatPCM && (w.bits == 8 || w.bits == 16 || w.bits == 24 || w.bits == 32) ||
		w.tag == formatFloat && (w.bits == 32 || w.bits == 64)
	if !ok {
		return fmt.Errorf("%w: format %d with %d bits; PCM and float are understood", ErrFormat, w.tag, w.bits)
	}
	if w.channels < 1 || w.channels > maxChannels {
		return fmt.Errorf("%w: %d channels", ErrFormat, w.channels)
	}
	return nil
}

// begin notes where the samples are.
func (w *Reader) begin(at, size int64) error {
	if w.channels == 0 {
		return fmt.Errorf("%w: its format is missing", ErrFormat)
	}
	w.start, w.size = at, size
	if size == 0 || size >= math.MaxUint32-1 {
		w.size = -1 // written by a program that could not come back to fill in the size
	}
	w.block = make([]byte, w.channels*w.bits/8)
	w.left = w.size
	return nil
}

// Rewind goes back to the first sample.
func (w *Reader) Rewind() error {
	if _, err := w.source.Seek(w.start, io.SeekStart); err != nil {
		return err
	}
	w.buffer.Reset(w.source)
	w.left = w.size
	return nil
}

// Read fills pcm with samples and returns their number; at the end of the samples it returns 0 and io.EOF.
func (w *Reader) Read(pcm []int16) (int, error) {
	for i := range pcm {
		if w.size >= 0 && w.left < int64(len(w.block)) {
			return i, eofAt(i)
		}
		if _, err := io.ReadFull(w.buffer, w.block); err != nil {
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				return i, eofAt(i)
			}
			return i, err
		}
		w.left -= int64(len(w.block))
		pcm[i] = w.mix()
	}
	return len(pcm), nil
}

func eofAt(i int) error {
	if i == 0 {
		return io.EOF
	}
	return nil
}

// mix averages the channels of one block, in units of full scale, and rounds to 16 bits.
func (w *Reader) mix() int16 {
	var sum float64
	width := w.bits / 8
	for c := range w.channels {
		sum += w.sample(w.block[c*width:])
	}
	v := math.Round(sum / float64(w.channels) * 32768)
	if math.IsNaN(v) {
		return 0
	}
	return int16(max(math.MinInt16, min(v, math.MaxInt16)))
}

// sample reads one sample as a part of full scale.
func (w *Reader) sample(b []byte) float64 {
	switch {
	case w.tag == formatFloat && w.bits == 32:
		return float64(math.Float32frombits(binary.LittleEndian.Uint32(b)))
	case w.tag == formatFloat:
		return math.Float64frombits(binary.LittleEndian.Uint64(b))
	case w.bits == 8:
		return float64(int(b[0])-128) / 128 // 8 bits have no sign
	case w.bits == 16:
		return float64(int16(binary.LittleEndian.Uint16(b))) / (1 << 15) //nolint:gosec // the sign is meant
	case w.bits == 24:
		x := uint32(b[0])<<8 | uint32(b[1])<<16 | uint32(b[2])<<24
		return float64(int32(x)) / (1 << 31) //nolint:gosec // the sign is meant
	default:
		return float64(int32(binary.LittleEndian.Uint32(b))) / (1 << 31) //nolint:gosec // the sign is meant
	}
}
