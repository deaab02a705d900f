package wav

import (
	"errors"
	"fmt"
	"io"

	"github.com/peregrine-softphone/peregrine/media/resample"
)

// MaxFill is how many samples Source.Fill makes at once: 10 ms at 48 kHz.
const MaxFill = 480

// Source is an endless stream made of a WAV file. It holds a few frames in memory, never the file.
type Source struct {
	wav       *Reader
	resampler *resample.Resampler
	input     []int16 // at the file's rate
	have      int     // samples of input not used up yet
	rounds    int
}

// NewSource reads the head of the file and makes sure that there is sound in it. The stream has rate samples a second.
func NewSource(file io.ReadSeeker, rate int) (*Source, error) {
	wav, err := NewReader(file)
	if err != nil {
		return nil, err
	}
	r, err := resample.New(wav.rate, rate)
	if err != nil {
		return nil, err
	}
	s := &Source{wav: wav, resampler: r, input: make([]int16, r.Need(MaxFill+1)+1)}
	if s.have, err = wav.Read(s.input[:1]); err != nil {
		return nil, fmt.Errorf("%w: no samples in it", ErrFormat)
	}
	return s, nil
}

// Fill makes the next len(frame) samples, at most MaxFill.
func (s *Source) Fill(frame []int16) error {
	for need := s.resampler.Need(len(frame)); s.have < need; {
		n, err := s.wav.Read(s.input[s.have:need])
		s.have += n
		if errors.Is(err, io.EOF) {
			s.rounds++
			err = s.wav.Rewind()
			if err == nil { // a file cut to nothing meanwhile must not keep us here for ever
				if n, err = s.wav.Read(s.input[s.have:need]); errors.Is(err, io.EOF) {
					err = fmt.Errorf("%w: its samples are gone", ErrFormat)
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

// Rounds is how often the stream has gone back to the start of the file.
func (s *Source) Rounds() int { return s.rounds }
