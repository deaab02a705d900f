// Package control is the local API of a running Peregrine: JSON lines over a Unix-domain socket in
// the profile, with the verbs the window has. docs/control.md describes the protocol.
//
// A running instance serves its engine:
//
//	l, err := control.Listen(profile)
//	err = control.Serve(ctx, l, engine, log)
//
// A client sends one request and reads its answer, or for a stream its answers:
//
//	c, err := control.Dial(ctx, profile)
//	result, err := c.Do(ctx, "call", control.Args{"address": "bob@info.test"})
package control
