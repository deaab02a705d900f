package ui

import (
	"os"
	"path/filepath"
	"testing"

	"fyne.io/fyne/v2"
	fynetest "fyne.io/fyne/v2/test"
)

func TestPrepareMakesTheCacheFolder(t *testing.T) {
	root := filepath.Join(t.TempDir(), "not", "there")
	t.Setenv("XDG_CACHE_HOME", root)
	t.Setenv("HOME", root)
	t.Setenv("LocalAppData", root)
	for range 2 { // the second time it is there
		if err := Prepare("id"); err != nil {
			t.Fatal(err)
		}
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(dir, "fyne", "id")); err != nil || !info.IsDir() {
		t.Errorf("no folder: %v", err)
	}
}

func TestCalmAppHasNoAnimations(t *testing.T) {
	a := fynetest.NewTempApp(t)
	restore := calm(a)
	if fyne.CurrentApp().Settings().ShowAnimations() {
		t.Error("the toolkit is to draw animations")
	}
	if fyne.CurrentApp().Driver() != a.Driver() {
		t.Error("the driver is another")
	}
	restore()
	if fyne.CurrentApp() != a {
		t.Error("the application was not put back")
	}
}
