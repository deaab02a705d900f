package audio

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

const (
	wavHead = 44 // bytes before the samples: RIFF, fmt and data heads
	// wavFlush is how many samples wait in memory before they are written: 100 ms, what a killed process loses.
	wavFlush = Rate / 10
	// wavMax is the size of the samples, in bytes, that the 32-bit fields of RIFF can say: 12.4 hours.
	wavMax = math.MaxUint32 - wavHead
)

// errWAVFull says that a WAV file has reached the largest size its format knows.
var errWAVFull = errors.New("the WAV file is full (4 GiB)")

// wavFile is what a WAV file is written to; *os.File is one.
type wavFile interface {
	io.WriterAt
	io.Closer
}

// wavWriter writes 16-bit mono WAV at 48 kHz. Samples are written before the header that counts them, so that the
// file is valid at every moment, also after the process was killed.
type wavWriter struct {
	file    wavFile
	limit   int64 // bytes of samples; wavMax but in tests
	size    int64 // bytes of samples in the file
	pending []byte
}

func newWAVWriter(file wavFile) (*wavWriter, error) {
	w := &wavWriter{file: file, limit: wavMax, pending: make([]byte, 0, 2*wavFlush)}
	if _, err := file.WriteAt(w.header(), 0); err != nil {
		return nil, fmt.Errorf("write WAV header: %w", err)
	}
	return w, nil
}

// header returns the 44 bytes that fit the present size.
func (w *wavWriter) header() []byte {
	b := make([]byte, 0, wavHead)
	b = append(b, "RIFF"...)
	b = binary.LittleEndian.AppendUint32(b, uint32(w.size+wavHead-8)) //nolint:gosec // below wavMax
	b = append(b, "WAVEfmt "...)
	b = binary.LittleEndian.AppendUint32(b, 16)
	b = binary.LittleEndian.AppendUint16(b, wavPCM)
	b = binary.LittleEndian.AppendUint16(b, 1)
	b = binary.LittleEndian.AppendUint32(b, Rate)
	b = binary.LittleEndian.AppendUint32(b, 2*Rate)
	b = binary.LittleEndian.AppendUint16(b, 2)
	b = binary.LittleEndian.AppendUint16(b, 16)
	b = append(b, "data"...)
	return binary.LittleEndian.AppendUint32(b, uint32(w.size)) //nolint:gosec // below wavMax
}

// write appends samples. It fails with errWAVFull once, when the file cannot grow any more; what came before stands.
func (w *wavWriter) write(pcm []int16) error {
	if w.size+int64(len(w.pending))+int64(2*len(pcm)) > w.limit {
		return errors.Join(w.flush(), errWAVFull)
	}
	for _, x := range pcm {
		w.pending = binary.LittleEndian.AppendUint16(w.pending, uint16(x)) //nolint:gosec // the same bits
	}
	if len(w.pending) < 2*wavFlush {
		return nil
	}
	return w.flush()
}

// flush writes what waits in memory, then the header.
func (w *wavWriter) flush() error {
	if len(w.pending) == 0 {
		return nil
	}
	if _, err := w.file.WriteAt(w.pending, wavHead+w.size); err != nil {
		return fmt.Errorf("write WAV samples: %w", err)
	}
	w.size += int64(len(w.pending))
	w.pending = w.pending[:0]
	if _, err := w.file.WriteAt(w.header(), 0); err != nil {
		return fmt.Errorf("write WAV header: %w", err)
	}
	return nil
}

// close writes the rest and closes the file.
func (w *wavWriter) close() error { return errors.Join(w.flush(), w.file.Close()) }
