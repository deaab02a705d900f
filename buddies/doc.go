// Package buddies keeps the buddy list in buddies.xml (thesis 6.1.3 and 7.3.1; the schema is docs/buddies.md). The file
// belongs to the user: it may be edited by hand or by another program while Peregrine runs, everything in it that
// Peregrine does not know stays in it, and a damaged one is never overwritten.
//
// Order of calls: Open, OnChange, start Run; then List, Find, Add, Update, Remove from any goroutine. To end, cancel
// the context of Run and wait for it; there is nothing to save, because every edit is on disk when its call returns.
//
// How an edit loses nothing: under a lock that all Peregrines share, the file is read again, the edit is applied to
// what stands there now (so edits made elsewhere meanwhile stay: a three-way merge with the list the user saw as base),
// the result is written to a temporary file, flushed, and renamed over the old one, whose content becomes
// buddies.xml.bak first.
package buddies
