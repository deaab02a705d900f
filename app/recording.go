package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
	"unicode"

	"github.com/peregrine-softphone/peregrine/media/record"
)

const (
	// dirRecordings is the folder in the profile when the user has chosen none.
	dirRecordings = "Recordings"
	// maxNamePart bounds what a name gives to a file's name, in characters.
	maxNamePart = 60
	// maxSameName is how many files of one minute and one person get a number behind their names.
	maxSameName = 1000
	// completeTime is how long StopRecording waits for the file to be complete.
	completeTime = 3 * time.Second
)

// recording is a file that the sound of a call is written to. Engine.mu guards stop and over.
type recording struct {
	file *record.Recording
	stop context.CancelFunc // nil: Run has not begun
	over bool
	done chan struct{} // closed when the file is complete
}

// Record begins to write the sound of an answered call to a file, our side on the left and the other on the right, and
// gives the file's path. path is the file, which must not exist yet, or a folder; empty: a new file in the folder of
// the settings. A name that ends in .wav, .opus or .ogg chooses the format. The recording goes on through holds, moves,
// changes of the codec and conferences, and ends with the call.
func (e *Engine) Record(ctx context.Context, id, path string) (string, error) {
	c, _, err := e.session(id)
	if err != nil {
		return "", err
	}
	e.mu.Lock()
	running, who := c.recording, c.rec.PeerName
	format := record.Format(e.settings.value(SettingRecFormat))
	folder := cmp.Or(e.settings.value(SettingRecFolder), filepath.Join(e.cfg.Profile, dirRecordings))
	e.mu.Unlock()
	if running != nil {
		return "", alreadyRecorded(who, running)
	}
	if path == "" {
		path = folder
		if err = os.MkdirAll(path, 0o700); err != nil { // that of the settings may have been tidied away
			return "", recordingFailed(who, err)
		}
	}
	file, err := createRecording(path, who, format, time.Now())
	if err != nil {
		return "", recordingFailed(who, err)
	}
	if err := e.beginRecording(ctx, c, file); err != nil {
		if derr := file.Discard(); derr != nil {
			e.log.InfoContext(ctx, "recording not discarded", "call", id, "err", derr)
		}
		return "", err
	}
	return file.Path(), nil
}

// createRecording makes the file: path itself, or a new one in the folder path.
func createRecording(path, who string, format record.Format, at time.Time) (*record.Recording, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(path)
	if err != nil || !info.IsDir() {
		switch strings.ToLower(filepath.Ext(path)) {
		case ".wav":
			format = record.WAV
		case ".opus", ".ogg":
			format = record.Opus
		}
		return record.New(path, format)
	}
	name := filepath.Join(path, at.Format("2006-01-02 15-04 ")+safeName(who))
	for n := 1; ; n++ {
		number := ""
		if n > 1 {
			number = fmt.Sprintf(" (%d)", n)
		}
		file, err := record.New(name+number+"."+string(format), format)
		if err == nil || !errors.Is(err, os.ErrExist) || n == maxSameName {
			return file, err
		}
	}
}

// safeName makes a part of a file's name of a name that somebody else may have chosen, good for every file system.
func safeName(who string) string {
	n := 0
	name := strings.Map(func(r rune) rune {
		if n++; n > maxNamePart {
			return -1
		}
		if unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune(" -_.+@()'", r) {
			return r
		}
		return '_'
	}, who)
	return strings.Trim(name, " .")
}

// beginRecording lets the file take the sound of a call.
func (e *Engine) beginRecording(ctx context.Context, c *call, file *record.Recording) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case !c.live():
		return userErrorf("That call has ended.")
	case c.recording != nil:
		return alreadyRecorded(c.rec.PeerName, c.recording)
	}
	r := &recording{file: file, done: make(chan struct{})}
	started := e.spawn(func(ctx context.Context) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		e.mu.Lock()
		r.stop = cancel
		if r.over {
			cancel()
		}
		e.mu.Unlock()
		err := file.Run(ctx)
		close(r.done)
		e.recordingEnded(ctx, c, r, err)
	})
	if !started {
		return errNotRunning
	}
	c.recording, c.rec.Recording = r, file.Path()
	c.media.SetTap(file.Sent, file.Heard)
	e.log.InfoContext(ctx, "recording begun", "call", c.id)
	e.emitCallLocked(c)
	return nil
}

// StopRecording ends the recording of a call; the file is complete when it returns.
func (e *Engine) StopRecording(ctx context.Context, id string) error {
	c, err := e.liveCall(id)
	if err != nil {
		return err
	}
	e.mu.Lock()
	r := c.recording
	if r == nil {
		e.mu.Unlock()
		return userErrorf("The call with %s is not being recorded.", c.rec.PeerName)
	}
	e.endRecordingLocked(c)
	e.emitCallLocked(c)
	e.mu.Unlock()
	limit := time.NewTimer(completeTime)
	defer limit.Stop()
	select {
	case <-r.done:
	case <-limit.C: // a disk that hangs; it goes on behind
	case <-ctx.Done():
	}
	return nil
}

// endRecordingLocked ends the recording of a call, if there is one. The caller holds e.mu.
func (e *Engine) endRecordingLocked(c *call) {
	r := c.recording
	if r == nil {
		return
	}
	c.media.SetTap(nil, nil)
	c.recording, c.rec.Recording = nil, ""
	if r.over = true; r.stop != nil {
		r.stop()
	}
}

// recordingEnded is told that a file takes no more sound, on request or because of err.
func (e *Engine) recordingEnded(ctx context.Context, c *call, r *recording, err error) {
	if lost := r.file.Stats().Lost; lost > 0 {
		e.log.WarnContext(ctx, "recording has holes, the disk was too slow", "call", c.id, "lost", lost)
	}
	e.mu.Lock()
	if c.recording == r {
		e.endRecordingLocked(c)
		e.emitCallLocked(c)
	}
	who := c.rec.PeerName
	e.mu.Unlock()
	if err == nil {
		return
	}
	failed := recordingFailed(who, err)
	e.log.WarnContext(ctx, "recording failed", "call", c.id, "err", err)
	e.addNotice(failed.Sentence+" What was recorded until then is in "+r.file.Path()+".", failed.Detail)
}

func alreadyRecorded(who string, r *recording) error {
	return userErrorf("The call with %s is being recorded already, to %s.", who, r.file.Path())
}

// recordingFailed says why there is no recording, or no more of it.
func recordingFailed(who string, err error) *UserError {
	why := "The call with %s is not being recorded: the file cannot be written. Choose another folder in the settings."
	switch {
	case errors.Is(err, syscall.ENOSPC):
		why = "The call with %s is not being recorded: the disk is full. Make room, then begin again."
	case errors.Is(err, os.ErrExist):
		why = "The call with %s is not being recorded: there is a file of that name already. Choose another name."
	case errors.Is(err, record.ErrFull):
		why = "The call with %s is not being recorded any more: the file has the largest size it can have. " +
			"Begin another."
	case errors.Is(err, record.ErrNoOpus):
		why = "The call with %s is not being recorded: this Peregrine has no Opus. Choose wav in the settings."
	}
	return problem(err, why, who)
}
