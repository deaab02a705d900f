package page

import (
	"cmp"
	"path/filepath"
	"slices"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"
	"fyne.io/fyne/v2/layout"
	fynewidget "fyne.io/fyne/v2/widget"

	"github.com/peregrine-softphone/peregrine/app/ui/theme"
	"github.com/peregrine-softphone/peregrine/app/ui/widget"
)

// FolderEntry is a file or a folder in a folder.
type FolderEntry struct {
	Name   string
	Folder bool
}

// Files is the panel that chooses a file, or a folder.
type Files struct {
	Root   fyne.CanvasObject
	Path   *widget.Entry
	List   *fynewidget.List
	Submit *widget.Button

	act        Actions
	extensions []string // of the files wanted; none: a folder is
	chosen     func(path string)
	closed     func()
	folder     string
	entries    []FolderEntry
	problem    *problem
}

// NewFiles returns the panel, at the folder given. Without extensions it chooses a folder. closed is
// called when it has done its work or was dismissed.
func NewFiles(act Actions, title, folder string, extensions []string, chosen func(string), closed func()) *Files {
	f := &Files{act: act, extensions: extensions, chosen: chosen, closed: closed, problem: newProblem()}
	f.Path = widget.NewEntry("")
	f.Path.Label = lang.L("Folder")
	f.Path.OnEnter = func() { f.typed(strings.TrimSpace(f.Path.Text)) }
	f.Path.OnEscape = func() bool { closed(); return true }
	f.List = fynewidget.NewList(func() int { return len(f.entries) }, f.row, f.fill)
	f.List.HideSeparators = true
	f.List.OnSelected = func(i fynewidget.ListItemID) { f.choose(i) }
	f.Submit = widget.NewButton("check", lang.L("Choose this folder"), widget.AccentKind,
		func() { f.take(f.folder) })
	show(f.Submit, len(extensions) == 0)
	up := widget.NewIconButton("up", lang.L("One folder up"), widget.Tonal,
		func() { f.open(filepath.Dir(f.folder)) }).Height(36)
	head := container.NewBorder(nil, nil, nil,
		widget.NewIconButton("close", lang.L("Close"), widget.Plain, closed).Height(36),
		widget.NewText(title, widget.Style{Size: theme.SizeTitle, Bold: true, Shrink: true}))
	calm := flat(f.List)
	list := container.New(&free{
		min:    func() fyne.Size { return fyne.NewSize(300, 260) },
		layout: func(s fyne.Size) { put(calm, 0, 0, s.Width, s.Height) },
	}, calm)
	cancel := widget.NewButton("", lang.L("Cancel"), widget.Plain, closed)
	box := container.New(layout.NewCustomPaddedVBoxLayout(3*theme.Step), head,
		container.NewBorder(nil, nil, up, nil, f.Path), list, f.problem.root,
		container.NewHBox(layout.NewSpacer(), cancel, f.Submit))
	f.Root = container.New(layout.NewCustomPaddedLayout(16, 20, 24, 24), box)
	f.open(folder)
	return f
}

func (f *Files) row() fyne.CanvasObject {
	icon := widget.NewIcon("folder", theme.Quiet, theme.SizeSmall)
	return container.New(&gapBorder{gap: 10}, container.New(&middle{height: 28}, icon),
		container.New(&middle{height: 28}, widget.NewText("", widget.Body())))
}

func (f *Files) fill(i fynewidget.ListItemID, o fyne.CanvasObject) {
	row := o.(*fyne.Container)
	icon := row.Objects[0].(*fyne.Container).Objects[0].(*widget.Icon)
	icon.Set("folder", theme.Accent)
	if !f.entries[i].Folder {
		icon.Set("wave", theme.Quiet)
	}
	row.Objects[1].(*fyne.Container).Objects[0].(*widget.Text).SetText(f.entries[i].Name)
}

// typed takes over a path: a file that could be chosen is, a folder is shown.
func (f *Files) typed(path string) {
	if f.wanted(FolderEntry{Name: path}) {
		f.take(path)
		return
	}
	f.open(path)
}

// open shows a folder. One that is not there is shown by the nearest above it.
func (f *Files) open(path string) {
	f.act.ReadFolder(path, func(entries []FolderEntry, err error) {
		if err != nil && f.folder == "" && path != filepath.Dir(path) {
			f.open(filepath.Dir(path))
			return
		}
		if err != nil {
			f.problem.show(lang.L("This folder cannot be read. Choose another one."), err.Error())
			f.act.Resize()
			return
		}
		f.problem.hide()
		f.folder = path
		f.Path.SetText(path)
		f.Path.CursorColumn = len([]rune(path))
		f.Path.Refresh()
		f.entries = f.sorted(entries)
		f.List.UnselectAll()
		f.List.ScrollToTop()
		f.List.Refresh()
		f.act.Resize()
	})
}

// sorted are the entries that can be chosen from: folders first, then the files wanted.
func (f *Files) sorted(entries []FolderEntry) []FolderEntry {
	entries = slices.DeleteFunc(entries, func(e FolderEntry) bool { return hidden(e) || !e.Folder && !f.wanted(e) })
	slices.SortFunc(entries, func(a, b FolderEntry) int {
		if a.Folder != b.Folder {
			if a.Folder {
				return -1
			}
			return 1
		}
		return cmp.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name))
	})
	return entries
}

func hidden(e FolderEntry) bool { return strings.HasPrefix(e.Name, ".") }

// wanted tells whether a file may be chosen.
func (f *Files) wanted(e FolderEntry) bool {
	return slices.Contains(f.extensions, strings.ToLower(filepath.Ext(e.Name)))
}

// Entries are what can be chosen from in the folder shown.
func (f *Files) Entries() []FolderEntry { return f.entries }

func (f *Files) choose(i int) {
	path := filepath.Join(f.folder, f.entries[i].Name)
	if f.entries[i].Folder {
		f.open(path)
		return
	}
	f.take(path)
}

func (f *Files) take(path string) {
	f.closed()
	f.chosen(path)
}
