package audio

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/peregrine-softphone/peregrine/media/wav"
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
	source, err := wav.NewSource(file, Rate)
	if err != nil {
		return fmt.Errorf("audio input %s: %w", f.path, err)
	}
	frame := make([]int16, FrameSamples)
	return beats(ctx, func() error {
		if err := source.Fill(frame); err != nil {
			return fmt.Errorf("audio input %s: %w", f.path, err)
		}
		push(frame)
		return nil
	})
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
		failed := w.Write(frame)
		if errors.Is(failed, wav.ErrFull) { // the call matters more than its recording
			f.logger.WarnContext(ctx, "wav file full, recording ends here", "path", f.path)
			full = true
			return nil
		}
		return failed
	})
	if err = errors.Join(err, w.Close()); err != nil {
		return fmt.Errorf("audio output %s: %w", f.path, err)
	}
	return nil
}

// create makes a new file and puts it in the place of the old one at once, header and all: whoever still writes or
// reads the old one is not disturbed. Mode 0600, as CreateTemp has it: a recording is private.
func (f filePlayer) create() (*wav.Writer, error) {
	file, err := os.CreateTemp(filepath.Dir(f.path), "."+filepath.Base(f.path)+".*")
	if err != nil {
		return nil, err
	}
	w, err := wav.NewWriter(file, Rate, 1)
	if err == nil {
		err = os.Rename(file.Name(), f.path)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close(), os.Remove(file.Name()))
	}
	return w, nil
}
