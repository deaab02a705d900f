//go:build !unix

package im

// syncDir does nothing: these systems cannot flush a folder, their rename is as durable as it gets.
func syncDir(string) error { return nil }
