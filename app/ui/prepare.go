package ui

import (
	"fmt"
	"os"
	"path/filepath"

	"fyne.io/fyne/v2"
)

// Prepare makes the folder in which the toolkit keeps copies of pictures for the application with
// the given ID; the toolkit does not make those above its own. It is to be called before the Fyne
// application is made.
func Prepare(id string) error {
	dir, err := os.UserCacheDir()
	if err != nil {
		return fmt.Errorf("find the cache folder: %w", err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "fyne", id), 0o700); err != nil {
		return fmt.Errorf("make the toolkit's cache folder: %w", err)
	}
	return nil
}

// ownSettings takes the place of Fyne's preferences. Peregrine's settings belong to the engine and
// lie in the profile; Fyne would all the same write an empty file of its own whenever the program
// ends, half of it if it is killed then, watch that file, and complain about what it finds.
type ownSettings struct{}

var (
	_ fyne.CloudProvider            = ownSettings{}
	_ fyne.CloudProviderPreferences = ownSettings{}
)

// ProviderName implements fyne.CloudProvider.
func (ownSettings) ProviderName() string { return "Peregrine" }

// ProviderDescription implements fyne.CloudProvider.
func (ownSettings) ProviderDescription() string { return "Settings are kept in the profile." }

// ProviderIcon implements fyne.CloudProvider.
func (ownSettings) ProviderIcon() fyne.Resource { return nil }

// Setup implements fyne.CloudProvider.
func (ownSettings) Setup(fyne.App) error { return nil }

// Cleanup implements fyne.CloudProvider.
func (ownSettings) Cleanup(fyne.App) {}

// CloudPreferences implements fyne.CloudProviderPreferences: preferences that live as long as the
// window.
func (ownSettings) CloudPreferences(a fyne.App) fyne.Preferences { return inMemory{a.Preferences()} }

// inMemory hides from Fyne that its preferences could be saved.
type inMemory struct{ fyne.Preferences }
