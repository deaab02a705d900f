// Package record writes the sound of a conversation to a file: our side on the left, the other on the right, on the
// clock of this machine, so that neither drifts against the other however long it lasts. It is for package app.
//
// Order of calls: [New] makes the file, [Recording.Run] writes it on a goroutine of its own until its context ends;
// meanwhile [Recording.Sent] and [Recording.Heard] take frames of 10 ms, mono 48 kHz, from the goroutines of the call.
// They allocate nothing and never wait for the disk.
package record

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

const (
	rate         = 48000
	frameSamples = rate / 100
	channels     = 2

	// lag is how far behind the present the file is: a device that stumbles for less loses nothing.
	lag = 400 * rate / 1000 // samples
	// writeEvery is how often the file grows.
	writeEvery = 100 * time.Millisecond
	// chunk is what is written at once, per side.
	chunk = rate / 10
)

// Format is the form of the file.
type Format string

// The formats.
const (
	WAV  Format = "wav"  // 16 bit, 48 kHz, stereo: 11.5 MB a minute, at most 6 hours
	Opus Format = "opus" // Ogg Opus (RFC 7845): half a MB a minute
)

var (
	// ErrFull says that the file has reached the largest size of its format; what was written stands.
	ErrFull = errors.New("the recording has the largest size of its format")
	// ErrNoOpus says that this build has no encoder for Opus.
	ErrNoOpus = errors.New("this program was built without Opus")
)

// sink is a file that takes both sides, always the same number of samples of each.
type sink interface {
	write(left, right []int16) error
	// close completes the file, also after write failed.
	close() error
}

// Recording is one file that is being written. Its methods may be called from any goroutine.
type Recording struct {
	path  string
	sink  sink
	begun time.Time

	mu          sync.Mutex // guards the two; held for the time of a copy
	sent, heard side
	written     int64 // samples that have left the sides

	left, right [chunk]int16 // of Run
}

// New makes the file; it must not be there yet (the error wraps os.ErrExist). Run or Discard must be called afterwards.
func New(path string, format Format) (*Recording, error) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) // private
	if err != nil {
		return nil, fmt.Errorf("record: %w", err)
	}
	s, err := newSink(file, format)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("record: %w", err), file.Close(), os.Remove(path))
	}
	return newRecording(path, s), nil
}

func newSink(file *os.File, format Format) (sink, error) {
	if format == Opus {
		return newOpusSink(file)
	}
	return newWAVSink(file)
}

func newRecording(path string, s sink) *Recording {
	return &Recording{path: path, sink: s, begun: time.Now()}
}

// Discard gives up a recording that Run was never called for, and removes its file.
func (r *Recording) Discard() error { return errors.Join(r.sink.close(), os.Remove(r.path)) }

// Path is where the file is.
func (r *Recording) Path() string { return r.path }

// Sent takes a frame of what we send.
func (r *Recording) Sent(frame []int16) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sent.put(frame, r.elapsed(), r.written)
}

// Heard takes a frame of what we hear.
func (r *Recording) Heard(frame []int16) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.heard.put(frame, r.elapsed(), r.written)
}

// elapsed is the time since New in samples.
func (r *Recording) elapsed() int64 {
	return time.Since(r.begun).Nanoseconds() * (rate / 8000) / (1e9 / 8000) // in 64 bits for 48 years
}

// Stats are figures of a recording.
type Stats struct {
	Length time.Duration // written so far
	// Lost is sound that came but found no room, because the disk was too slow. The file has silence there.
	Lost time.Duration
}

// Stats reads the figures.
func (r *Recording) Stats() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	return Stats{Length: lasts(r.written), Lost: lasts(r.sent.lost + r.heard.lost)}
}

func lasts(samples int64) time.Duration { return time.Duration(samples) * time.Second / rate }

// Run writes until ctx ends, then completes the file and returns nil. When the disk fails it completes what it can and
// returns the error at once; frames are ignored from then on. It is called once.
func (r *Recording) Run(ctx context.Context) error {
	tick := time.NewTicker(writeEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := r.write(r.elapsed() - lag); err != nil {
				return errors.Join(fmt.Errorf("record %s: %w", r.path, err), r.sink.close())
			}
		case <-ctx.Done():
			err := errors.Join(r.write(r.elapsed()), r.sink.close())
			if err != nil {
				return fmt.Errorf("record %s: %w", r.path, err)
			}
			return nil
		}
	}
}

// write brings the file up to a moment, in samples since New.
func (r *Recording) write(to int64) error {
	for {
		r.mu.Lock()
		n := int(min(to-r.written, chunk))
		if n <= 0 {
			r.mu.Unlock()
			return nil
		}
		r.sent.take(r.left[:n], r.written)
		r.heard.take(r.right[:n], r.written)
		r.written += int64(n)
		r.mu.Unlock()
		if err := r.sink.write(r.left[:n], r.right[:n]); err != nil {
			return err
		}
	}
}
