package wav

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

const (
	headSize = 44 // bytes before the samples: RIFF, fmt and data heads
	// flushes a second: what a killed process loses is 100 ms.
	flushes = 10
	// maxSize is the size of the samples, in bytes, that the 32-bit fields of RIFF can say: 12.4 hours of one channel.
	maxSize = math.MaxUint32 - headSize
)

// ErrFull says that a file has reached the largest size its format knows.
var ErrFull = errors.New("the WAV file is full (4 GiB)")

// File is what a WAV file is written to; *os.File is one.
type File interface {
	io.WriterAt
	io.Closer
}

// Writer writes 16-bit WAV. Samples are written before the header that counts them, so that the file is valid
// at every moment, also after the process was killed.
type Writer struct {
	file           File
	rate, channels int
	limit          int64 // bytes of samples; maxSize but in tests
	size           int64 // bytes of samples in the file
	pending        []byte
}

// NewWriter writes the head of a file. The rate is in Hz.
func NewWriter(file File, rate, channels int) (*Writer, error) {
	w := &Writer{file: file, rate: rate, channels: channels, limit: maxSize}
	w.pending = make([]byte, 0, 2*w.flushAt())
	if _, err := file.WriteAt(w.header(), 0); err != nil {
		return nil, fmt.Errorf("write WAV header: %w", err)
	}
	return w, nil
}

// flushAt is how many bytes wait in memory before they are written.
func (w *Writer) flushAt() int { return 2 * w.channels * w.rate / flushes }

// header returns the 44 bytes that fit the present size.
func (w *Writer) header() []byte {
	b := make([]byte, 0, headSize)
	b = append(b, "RIFF"...)
	b = binary.LittleEndian.AppendUint32(b, uint32(w.size+headSize-8)) //nolint:gosec // below maxSize
	b = append(b, "WAVEfmt "...)
	b = binary.LittleEndian.AppendUint32(b, 16)
	b = binary.LittleEndian.AppendUint16(b, formatPCM)
	block := 2 * w.channels
	b = binary.LittleEndian.AppendUint16(b, uint16(w.channels))   //nolint:gosec // a few
	b = binary.LittleEndian.AppendUint32(b, uint32(w.rate))       //nolint:gosec // an audio rate
	b = binary.LittleEndian.AppendUint32(b, uint32(w.rate*block)) //nolint:gosec // an audio rate
	b = binary.LittleEndian.AppendUint16(b, uint16(block))        //nolint:gosec // a few
	b = binary.LittleEndian.AppendUint16(b, 16)
	b = append(b, "data"...)
	return binary.LittleEndian.AppendUint32(b, uint32(w.size)) //nolint:gosec // below maxSize
}

// Write appends samples, the channels of each moment behind each other. It fails with ErrFull when the file cannot
// grow any more; what came before stands.
func (w *Writer) Write(pcm []int16) error {
	if w.size+int64(len(w.pending))+int64(2*len(pcm)) > w.limit {
		return errors.Join(w.flush(), ErrFull)
	}
	for _, x := range pcm {
		w.pending = binary.LittleEndian.AppendUint16(w.pending, uint16(x)) //nolint:gosec // the same bits
	}
	if len(w.pending) < w.flushAt() {
		return nil
	}
	return w.flush()
}

// flush writes what waits in memory, then the header.
func (w *Writer) flush() error {
	if len(w.pending) == 0 {
		return nil
	}
	if _, err := w.file.WriteAt(w.pending, headSize+w.size); err != nil {
		return fmt.Errorf("write WAV samples: %w", err)
	}
	w.size += int64(len(w.pending))
	w.pending = w.pending[:0]
	if _, err := w.file.WriteAt(w.header(), 0); err != nil {
		return fmt.Errorf("write WAV header: %w", err)
	}
	return nil
}

// Close writes the rest and closes the file.
func (w *Writer) Close() error { return errors.Join(w.flush(), w.file.Close()) }
