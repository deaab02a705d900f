//go:build !cgo

package codec

import "errors"

var errNoOpus = errors.New("opus: this program was built without libopus (CGO_ENABLED=0)")

// opusCodec reports that this build has no libopus.
func opusCodec() (Codec, bool) { return Codec{}, false }

func newOpusEncoder() (Encoder, error) { return nil, errNoOpus }
func newOpusDecoder() (Decoder, error) { return nil, errNoOpus }
