//go:build ci || !cgo || !linux

package ui

import "fyne.io/fyne/v2"

// showQuietly shows a window. Here the toolkit has no way to keep the system from giving it the
// focus.
func showQuietly(w fyne.Window) { w.Show() }
