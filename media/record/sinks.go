package record

import (
	"errors"
	"os"

	"github.com/peregrine-softphone/peregrine/media/wav"
)

// wavSink writes WAV.
type wavSink struct {
	w    *wav.Writer
	both [channels * chunk]int16
}

func newWAVSink(file *os.File) (sink, error) {
	w, err := wav.NewWriter(file, rate, channels)
	if err != nil {
		return nil, err
	}
	return &wavSink{w: w}, nil
}

func (s *wavSink) write(left, right []int16) error {
	for i := range left {
		s.both[channels*i], s.both[channels*i+1] = left[i], right[i]
	}
	err := s.w.Write(s.both[:channels*len(left)])
	if errors.Is(err, wav.ErrFull) {
		return ErrFull
	}
	return err
}

func (s *wavSink) close() error { return s.w.Close() }
