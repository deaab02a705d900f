package codec

import (
	"os"
	"testing"
)

// g191ULaw and g191ALaw are the procedures of ITU-T G.191 (ulaw_compress, alaw_compress), written as its text has
// them, bit by bit: the reference for all 65,536 inputs.
func g191ULaw(x int16) byte {
	v := int(x)
	magnitude := v>>2 + 33
	if v < 0 {
		magnitude = (^v)>>2 + 33
	}
	magnitude = min(magnitude, 0x1fff)
	segment := 1
	for i := magnitude >> 6; i != 0; i >>= 1 {
		segment++
	}
	high := 0x08 - segment
	low := 0x0f - magnitude>>segment&0x0f
	out := high<<4 | low
	if v >= 0 {
		out |= 0x80
	}
	return byte(out)
}

func g191ALaw(x int16) byte {
	v := int(x) >> 4
	if x < 0 {
		v = (^int(x)) >> 4
	}
	if v > 15 {
		exponent := 1
		for v > 16+15 {
			v >>= 1
			exponent++
		}
		v = v - 16 + exponent<<4
	}
	if x >= 0 {
		v |= 0x80
	}
	return byte(v) ^ 0x55
}

func TestG711Encode(t *testing.T) {
	for x := -32768; x <= 32767; x++ {
		v := int16(x)
		if got, want := encodeULaw(v), g191ULaw(v); got != want {
			t.Fatalf("µ-law of %d = %#02x, want %#02x", x, got, want)
		}
		if got, want := encodeALaw(v), g191ALaw(v); got != want {
			t.Fatalf("A-law of %d = %#02x, want %#02x", x, got, want)
		}
	}
}

// TestG711Decode compares all 256 codes with what ffmpeg makes of them:
//
//	perl -e 'print map chr, 0..255' | ffmpeg -f mulaw -ar 8000 -ac 1 -i - -f s16le testdata/ulaw.s16le
//	perl -e 'print map chr, 0..255' | ffmpeg -f alaw -ar 8000 -ac 1 -i - -f s16le testdata/alaw.s16le
func TestG711Decode(t *testing.T) {
	for _, tt := range []struct {
		file   string
		decode func(byte) int16
		encode func(int16) byte
	}{{"testdata/ulaw.s16le", decodeULaw, encodeULaw}, {"testdata/alaw.s16le", decodeALaw, encodeALaw}} {
		want, err := os.ReadFile(tt.file)
		if err != nil || len(want) != 512 {
			t.Fatalf("%s: %d bytes, %v", tt.file, len(want), err)
		}
		for i := range 256 {
			got, w := tt.decode(byte(i)), int16(uint16(want[2*i])|uint16(want[2*i+1])<<8)
			if got != w {
				t.Errorf("%s: code %#02x = %d, want %d", tt.file, i, got, w)
			}
			// Every code survives a round trip, but for the µ-law's second zero.
			if back := tt.encode(got); back != byte(i) && got != 0 {
				t.Errorf("%s: code %#02x comes back as %#02x", tt.file, i, back)
			}
		}
	}
}
