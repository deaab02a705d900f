package ui

import (
	"context"
	"net/url"
	"os"
	"path/filepath"

	"fyne.io/fyne/v2/lang"
	fynewidget "fyne.io/fyne/v2/widget"

	"github.com/peregrine-softphone/peregrine/app"
	"github.com/peregrine-softphone/peregrine/app/ui/page"
)

// Record implements page.Actions.
func (w *window) Record(id string, on bool) {
	w.verb(func(ctx context.Context) error {
		if !on {
			return w.engine.StopRecording(ctx, id)
		}
		_, err := w.engine.Record(ctx, id, "")
		return err
	})
}

// toggleRecording is Ctrl+Shift+R.
func (w *window) toggleRecording() {
	c, ok := w.focusedCall()
	if ok && (c.State == app.CallEstablished || c.State == app.CallHeld) {
		w.Record(c.ID, c.Recording == "")
	}
}

// tellOfRecordings tells where recordings are that have ended since the last snapshot.
func (w *window) tellOfRecordings(old, s app.Snapshot) {
	running := map[string]bool{}
	for _, c := range s.Calls {
		running[c.Recording] = running[c.Recording] || c.State != app.CallEnded
	}
	for _, c := range old.Calls {
		if c.Recording == "" || c.State == app.CallEnded || running[c.Recording] {
			continue
		}
		file := c.Recording
		w.toast(lang.L("Your call with {{.Name}} was recorded.", map[string]any{"Name": c.PeerName}), file,
			lang.L("Show file"), func() { w.OpenFolder(filepath.Dir(file)) })
	}
}

// ShowSound implements page.Actions.
func (w *window) ShowSound() {
	w.sound = page.NewSound(w)
	w.sound.Show(w.snap)
	w.showPage(viewSound, lang.L("Sound"), w.sound.Root)
}

// SoundTest implements page.Actions.
func (w *window) SoundTest() { w.verb(w.engine.SoundTest) }

// PlayRingtone implements page.Actions.
func (w *window) PlayRingtone() {
	w.verb(func(ctx context.Context) error { return w.engine.PlayTone(ctx, "ringtone") })
}

// OpenFolder implements page.Actions.
func (w *window) OpenFolder(path string) {
	if err := w.openURL(&url.URL{Scheme: "file", Path: filepath.ToSlash(path)}); err != nil {
		w.Tell(lang.L("The folder cannot be shown. It is {{.Path}}.", map[string]any{"Path": path}), err.Error())
	}
}

// ChooseFile implements page.Actions.
func (w *window) ChooseFile(extensions []string, chosen func(path string)) {
	home, err := os.UserHomeDir()
	if err != nil {
		home = string(filepath.Separator)
	}
	w.showFiles(page.NewFiles(w, lang.L("Choose a file"), home, extensions, chosen, w.closeDialog))
}

// ChooseFolder implements page.Actions.
func (w *window) ChooseFolder(start string, chosen func(path string)) {
	w.showFiles(page.NewFiles(w, lang.L("Choose a folder"), start, nil, chosen, w.closeDialog))
}

func (w *window) showFiles(f *page.Files) {
	w.closeDialog()
	w.files = f
	w.dialog = fynewidget.NewModalPopUp(f.Root, w.win.Canvas())
	w.dialog.Show()
	w.win.Canvas().Focus(f.Path)
}

// ReadFolder implements page.Actions.
func (w *window) ReadFolder(path string, done func([]page.FolderEntry, error)) {
	var entries []page.FolderEntry
	w.bind.verb(func(context.Context) error {
		list, err := os.ReadDir(path)
		for _, e := range list[:min(len(list), mostEntries)] {
			info, serr := os.Stat(filepath.Join(path, e.Name())) // a link to a folder is one
			entries = append(entries, page.FolderEntry{Name: e.Name(), Folder: serr == nil && info.IsDir()})
		}
		return err
	}, func(err error) { done(entries, err) })
}

// mostEntries is how many entries of a folder are looked at.
const mostEntries = 5000
