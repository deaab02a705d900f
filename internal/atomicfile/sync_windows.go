package atomicfile

// syncDir does nothing: Windows has no handle to sync a folder by; NTFS journals the rename.
func syncDir(string) error { return nil }
