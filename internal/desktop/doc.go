// Package desktop proves that a person gets on with the real program: its tests start Peregrine on an
// X server without a screen, press its keys and buttons by xdotool, listen by a sound server of their
// own, and ask peregrinectl and the wire whether what was seen is true. For `make smoke`, which is
// part of `make test`, and for `make screens`, which keeps the pictures. It holds tests only:
//
//	go test -tags "gles nolibopusfile lab" ./internal/desktop
//
// They need Linux, root (to see the packets on loopback) and what scripts/deps.sh test installs.
// PEREGRINE_BIN names a folder with peregrine and peregrinectl, which are built otherwise;
// PEREGRINE_SCREENS a folder for the pictures. `go test -artifacts` keeps the pictures of every
// station.
//
// Buttons are found as people find them: by colour and place in the picture, never by fixed pixels.
package desktop
