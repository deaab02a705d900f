package ui

import "fyne.io/fyne/v2"

// calmApp is the application without the toolkit's own animations. Fyne fades the cursor of the
// focused field in and out, and each step draws the whole window anew: without a graphics card that
// took a seventh of a processor core for as long as the window stood open. The cursor now stands
// still, and a window in which nothing happens draws nothing.
type calmApp struct {
	fyne.App
}

// Settings implements fyne.App.
func (a calmApp) Settings() fyne.Settings { return calmSettings{a.App.Settings()} }

type calmSettings struct {
	fyne.Settings
}

// ShowAnimations implements fyne.Settings.
func (calmSettings) ShowAnimations() bool { return false }

// calm makes the toolkit see the application without animations until restore is called. Fyne
// compares its settings when it starts, to follow those of the system: calm must come after that.
func calm(a fyne.App) (restore func()) {
	before := fyne.CurrentApp()
	fyne.SetCurrentApp(calmApp{a})
	return func() { fyne.SetCurrentApp(before) }
}
