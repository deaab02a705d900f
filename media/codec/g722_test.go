package codec

import (
	"bytes"
	"encoding/binary"
	"os"
	"testing"
)

func readPCM(t *testing.T, path string) []int16 {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	pcm := make([]int16, len(b)/2)
	for i := range pcm {
		pcm[i] = int16(binary.LittleEndian.Uint16(b[2*i:]))
	}
	return pcm
}

// TestG722Vectors compares every bit with ffmpeg's coder, over a chirp, noise and overload:
//
//	ffmpeg -f lavfi -i "aevalsrc='if(lt(t,0.2),0.6*sin(2*PI*(100+16000*t)*t),if(lt(t,0.3),random(0)-0.5,3*sin(2*PI*700*t)))':s=16000:d=0.4" \
//	  -f s16le testdata/g722.in.s16le
//	ffmpeg -f s16le -ar 16000 -ac 1 -i testdata/g722.in.s16le -f g722 testdata/g722.bits
//	ffmpeg -f g722 -i testdata/g722.bits -f s16le testdata/g722.out.s16le
func TestG722Vectors(t *testing.T) {
	in, out := readPCM(t, "testdata/g722.in.s16le"), readPCM(t, "testdata/g722.out.s16le")
	wantBits, err := os.ReadFile("testdata/g722.bits")
	if err != nil {
		t.Fatal(err)
	}
	_, enc, dec := open(t, "G722")
	frame, pcm := make([]byte, 160), make([]int16, 320)
	var bits []byte
	var got []int16
	for ; len(in) >= 320; in = in[320:] {
		n, err := enc.Encode(in[:320], frame)
		if err != nil {
			t.Fatal(err)
		}
		bits = append(bits, frame[:n]...)
	}
	if !bytes.Equal(bits, wantBits[:len(bits)]) || len(bits) < 3000 {
		for i := range bits {
			if bits[i] != wantBits[i] {
				t.Fatalf("byte %d of %d = %#02x, want %#02x", i, len(bits), bits[i], wantBits[i])
			}
		}
		t.Fatalf("only %d bytes", len(bits))
	}
	for ; len(wantBits) >= 160; wantBits = wantBits[160:] {
		n, err := dec.Decode(wantBits[:160], pcm)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, pcm[:n]...)
	}
	for i := range got {
		if got[i] != out[i] {
			t.Fatalf("sample %d of %d = %d, want %d", i, len(got), got[i], out[i])
		}
	}
}

func FuzzG722(f *testing.F) {
	f.Add([]byte{0, 0xff, 0x80, 0x7f}, []byte{1, 2, 3, 4})
	f.Fuzz(func(t *testing.T, first, second []byte) {
		c, enc, dec := open(t, "G722")
		pcm := make([]int16, c.MaxSamples())
		out := make([]byte, c.MaxPayload())
		for _, payload := range [][]byte{first, second, first} {
			n, err := dec.Decode(payload, pcm)
			if err != nil {
				if _, err = dec.Conceal(pcm[:c.Samples(10)]); err != nil {
					t.Fatal(err)
				}
				continue
			}
			if n != 2*len(payload) {
				t.Fatalf("%d samples of %d bytes", n, len(payload))
			}
			if m, err := enc.Encode(pcm[:n], out); err != nil || m != len(payload) {
				t.Fatalf("Encode = %d, %v, want %d", m, err, len(payload))
			}
		}
	})
}
