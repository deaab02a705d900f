package audio

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/peregrine-softphone/peregrine/media/wav"
)

func TestFileRecorder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "in.wav")
	if err := writeSilence(path); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		r, err := OpenRecorder("file:"+path, Options{})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // it may run again
			ctx, cancel := context.WithTimeout(t.Context(), time.Second+FrameTime/2)
			defer cancel()
			frames := 0
			if err := r.Record(ctx, func([]int16) { frames++ }); err != nil || frames != 100 {
				t.Errorf("%d frames in a second, %v", frames, err)
			}
		}
		r, _ = OpenRecorder("file:/nowhere/in.wav", Options{})
		if err := r.Record(t.Context(), func([]int16) {}); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("missing file: %v", err)
		}
	})
}

func TestFilePlayer(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "out.wav")
	synctest.Test(t, func(t *testing.T) {
		p, err := OpenPlayer("file:"+path, Options{Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		for _, length := range []time.Duration{2 * time.Second, time.Second} { // each run starts a new file
			ctx, cancel := context.WithTimeout(t.Context(), length+FrameTime/2)
			defer cancel()
			if err := p.Play(ctx, count()); err != nil {
				t.Fatal(err)
			}
		}
		p, _ = OpenPlayer("file:/nowhere/out.wav", Options{})
		if err := p.Play(t.Context(), count()); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("no such folder: %v", err)
		}
	})
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	r, err := wav.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	pcm := make([]int16, 2*Rate)
	n, err := r.Read(pcm)
	if err != nil || n != Rate || pcm[0] != 1 || pcm[n-1] != 100 {
		t.Errorf("%d samples from %d to %d, %v", n, pcm[0], pcm[max(n-1, 0)], err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
}

// writeSilence makes a WAV file of a tenth of a second at 8 kHz.
func writeSilence(path string) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	w, err := wav.NewWriter(file, 8000, 1)
	if err != nil {
		return err
	}
	return errors.Join(w.Write(make([]int16, 800)), w.Close())
}
