package tones

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/peregrine-softphone/peregrine/media/wav"
)

const (
	// maxRingtone is how much of a file is played before it begins again; maxFile how much of it is looked at.
	maxRingtone = 30 * time.Second
	maxFile     = 64 << 20
	// minRingtone keeps a file of a few samples from becoming a hum.
	minRingtone = 200 * time.Millisecond
)

var (
	// ErrShort says that a file has less sound than can be heard as a ringtone.
	ErrShort = errors.New("less than a fifth of a second of sound")
	errKind  = errors.New("not a file")
)

// Load reads a ringtone from a WAV file of any rate, at most 30 seconds of it.
func Load(path string) (*Source, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("ringtone: %w", err)
	}
	if !info.Mode().IsRegular() { // to open a pipe would wait for its writer
		return nil, fmt.Errorf("ringtone %s: %w", path, errKind)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("ringtone: %w", err)
	}
	defer file.Close() //nolint:errcheck // only read
	s, err := read(io.NewSectionReader(file, 0, maxFile))
	if err != nil {
		return nil, fmt.Errorf("ringtone %s: %w", path, err)
	}
	return s, nil
}

// read makes a Source of the sound in a file.
func read(file io.ReadSeeker) (*Source, error) {
	source, err := wav.NewSource(file, rate)
	if err != nil {
		return nil, err
	}
	var pcm []int16
	var frame [wav.MaxFill]int16
	for len(pcm) < samples(maxRingtone) && source.Rounds() == 0 {
		if err := source.Fill(frame[:]); err != nil {
			return nil, err
		}
		pcm = append(pcm, frame[:]...)
	}
	if len(pcm) < samples(minRingtone) {
		return nil, ErrShort
	}
	fade := pcm[len(pcm)-samples(edge):]
	for i := range fade {
		fade[i] = int16(int(fade[i]) * (len(fade) - i) / len(fade)) //nolint:gosec // smaller than it was
	}
	return &Source{pcm: pcm}, nil
}
