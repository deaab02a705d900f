package audio

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/peregrine-softphone/peregrine/media/resample"
)

// fileRecorder gives the sound of a WAV file, again and again.
type fileRecorder struct{ path string }

// filePlayer writes a WAV file.
type filePlayer struct {
	path   string
	logger *slog.Logger
}

var (
	_ Recorder = fileRecorder{}
	_ Player   = filePlayer{}
)

// Record implements Recorder.
func (f fileRecorder) Record(ctx context.Context, push func(frame []int16)) error {
	file, err := os.Open(f.path)
	if err != nil {
		return fmt.Errorf("audio input: %w", err)
	}
	defer file.Close() //nolint:errcheck // only read
	source, err := newWAVSource(file)
	if err != nil {
		return fmt.Errorf("audio input %s: %w", f.path, err)
	}
	frame := make([]int16, FrameSamples)
	return pace(ctx, time.Now(), func(int64) error {
		if err := source.fill(frame); err != nil {
			return fmt.Errorf("audio input %s: %w", f.path, err)
		}
		push(frame)
		return nil
	})
}

// wavSource is an endless stream at 48 kHz made of a WAV file. It holds a few frames in memory, never the file.
type wavSource struct {
	wav       *wavReader
	resampler *resample.Resampler
	input     []int16 // at the file's rate
	have      int     // samples of input not used up yet
}

// newWAVSource reads the head of the file and makes sure that there is sound in it.
func newWAVSource(file io.ReadSeeker) (*wavSource, error) {
	wav, err := newWAVReader(file)
	if err != nil {
		return nil, err
	}
	r, err := resample.New(wav.rate, Rate)
	if err != nil {
		return nil, err
	}
	s := &wavSource{wav: wav, resampler: r, input: make([]int16, r.Need(FrameSamples+1)+1)}
	if s.have, err = wav.read(s.input[:1]); err != nil {
		return nil, fmt.Errorf("%w: no samples in it", errWAV)
	}
	return s, nil
}

// fill makes the next len(frame) samples, at most FrameSamples.
func (s *wavSource) fill(frame []int16) error {
	for need := s.resampler.Need(len(frame)); s.have < need; {
		n, err := s.wav.read(s.input[s.have:need])
		s.have += n
		if errors.Is(err, io.EOF) {
			err = s.wav.rewind()
			if err == nil { // a file cut to nothing meanwhile must not keep us here for ever
				if n, err = s.wav.read(s.input[s.have:need]); errors.Is(err, io.EOF) {
					err = fmt.Errorf("%w: its samples are gone", errWAV)
				}
				s.have += n
			}
		}
		if err != nil {
			return err
		}
	}
	consumed, _ := s.resampler.Process(s.input[:s.have], frame)
	s.have = copy(s.input, s.input[consumed:s.have])
	return nil
}

// Play implements Player.
func (f filePlayer) Play(ctx context.Context, pull func(frame []int16)) error {
	w, err := f.create()
	if err != nil {
		return fmt.Errorf("audio output %s: %w", f.path, err)
	}
	frame := make([]int16, FrameSamples)
	full := false
	err = pace(ctx, time.Now(), func(int64) error {
		pull(frame)
		if full {
			return nil
		}
		failed := w.write(frame)
		if errors.Is(failed, errWAVFull) { // the call matters more than its recording
			f.logger.WarnContext(ctx, "wav file full, recording ends here", "path", f.path)
			full = true
			return nil
		}
		return failed
	})
	if err = errors.Join(err, w.close()); err != nil {
		return fmt.Errorf("audio output %s: %w", f.path, err)
	}
	return nil
}

// create makes a new file and puts it in the place of the old one at once, header and all: whoever still writes or
// reads the old one is not disturbed. Mode 0600, as CreateTemp has it: a recording is private.
func (f filePlayer) create() (*wavWriter, error) {
	file, err := os.CreateTemp(filepath.Dir(f.path), "."+filepath.Base(f.path)+".*")
	if err != nil {
		return nil, err
	}
	w, err := newWAVWriter(file)
	if err == nil {
		err = os.Rename(file.Name(), f.path)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close(), os.Remove(file.Name()))
	}
	return w, nil
}
