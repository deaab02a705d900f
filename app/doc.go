// Package app is the engine of Peregrine: it owns a profile and wires the protocol packages
// (sip, presence, im, media, mobility, buddies), which never import each other, into one softphone.
//
// It has two equal clients, the window (app/ui) and the command line (cmd/peregrinectl, by way of
// app/control). Both use it in the same order:
//
//	e, err := app.New(ctx, app.Config{Profile: dir, Logger: log}) // reads the profile
//	go e.Run(ctx)                                            // works until ctx ends
//	for s := range e.Watch(ctx) { … }                        // the present state, then each change
//	err = e.Message(ctx, "bob@info.test", "hello")           // verbs
//
// Verbs may be called from any goroutine while Run runs. Every error a verb returns is a
// *UserError: a sentence a person understands. The adapters between the packages are in wire_*.go.
package app
