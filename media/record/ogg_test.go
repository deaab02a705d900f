package record

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/peregrine-softphone/peregrine/media/codec"
)

// page is what a page of an Ogg stream says.
type page struct {
	flags   byte
	granule int64
	packets [][]byte
}

// pages reads an Ogg file, checksums and all.
func pages(t *testing.T, b []byte) []page {
	t.Helper()
	var out []page
	for len(b) > 0 {
		if len(b) < pageHead || string(b[:5]) != "OggS\x00" {
			t.Fatalf("page %d: no capture pattern", len(out))
		}
		if n := binary.LittleEndian.Uint32(b[18:]); n != uint32(len(out)) {
			t.Errorf("page %d has the number %d", len(out), n)
		}
		p := page{flags: b[5], granule: int64(binary.LittleEndian.Uint64(b[6:]))}
		lacing := b[pageHead : pageHead+int(b[26])]
		at, length := pageHead+len(lacing), 0
		for _, n := range lacing {
			if length += int(n); n < segmentBytes {
				p.packets = append(p.packets, b[at:at+length])
				at, length = at+length, 0
			}
		}
		if length != 0 {
			t.Errorf("page %d ends within a packet", len(out))
		}
		whole := bytes.Clone(b[:at])
		clear(whole[22:26])
		if got, want := binary.LittleEndian.Uint32(b[22:]), slowSum(whole); got != want {
			t.Errorf("page %d: checksum %08x, want %08x", len(out), got, want)
		}
		out, b = append(out, p), b[at:]
	}
	return out
}

// slowSum is the checksum of RFC 3533 6 bit by bit.
func slowSum(b []byte) uint32 {
	var sum uint32
	for _, x := range b {
		for bit := 7; bit >= 0; bit-- {
			top := sum>>31 ^ uint32(x>>bit&1)
			sum = sum<<1 ^ top*0x04c11db7
		}
	}
	return sum
}

// file is an output that can be cut off.
type file struct{ bytes.Buffer }

func (*file) Close() error { return nil }

// fake makes packets of one byte more each time.
type fake struct{ n int }

func (f *fake) Encode(_ []int16, out []byte) (int, error) {
	f.n++
	n := 1 + f.n%1276
	clear(out[:n])
	out[n-1] = byte(f.n) &^ 3
	return n, nil
}

func TestOggPages(t *testing.T) {
	f := &file{}
	s, err := startOpus(f, [channels]encoder{&fake{}, &fake{}}, 2000)
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	for total < 60*rate {
		n := 1 + rand.IntN(chunk)
		if err := s.write(make([]int16, n), make([]int16, n)); err != nil {
			t.Fatal(err)
		}
		total += n
	}
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	list := pages(t, f.Bytes())
	if head := list[0]; head.flags != oggFirst || len(head.packets) != 1 || string(head.packets[0][:8]) != "OpusHead" {
		t.Errorf("first page %+v", head)
	}
	if tags := list[1]; tags.flags != 0 || len(tags.packets) != 1 || string(tags.packets[0][:8]) != "OpusTags" {
		t.Errorf("second page %+v", tags)
	}
	packets := int64(0)
	for i, p := range list[2:] {
		packets += int64(len(p.packets))
		if last := i == len(list)-3; last {
			if p.flags != oggLast || p.granule != preSkip+int64(total) || packets*opusFrame < p.granule {
				t.Errorf("the last page has flags %d and ends at %d of %d", p.flags, p.granule, total)
			}
		} else if p.flags != 0 || p.granule != packets*opusFrame {
			t.Errorf("page %d has flags %d and ends at %d behind %d packets", i+2, p.flags, p.granule, packets)
		}
	}
	if most := int64(total+preSkip)/opusFrame + 1; packets > most {
		t.Errorf("%d packets for %d samples", packets, total)
	}
}

// split undoes appendStream.
func split(t *testing.T, packet []byte) (left, right []byte) {
	t.Helper()
	n, at := int(packet[1]), 2
	if n >= 252 {
		n, at = n+4*int(packet[2]), 3
	}
	return append([]byte{packet[0]}, packet[at:at+n]...), packet[at+n:]
}

func TestStreamsOfAPacket(t *testing.T) {
	for _, n := range []int{1, 2, 252, 253, 254, 255, 256, 257, 508, 1275, 1276} {
		one, two := bytes.Repeat([]byte{8}, n), bytes.Repeat([]byte{12}, 1277-n)
		b, err := appendStream(nil, one, false)
		if err == nil {
			b, err = appendStream(b, two, true)
		}
		if err != nil {
			t.Fatal(err)
		}
		if l, r := split(t, b); !bytes.Equal(l, one) || !bytes.Equal(r, two) {
			t.Errorf("%d bytes come back as %d and %d", n, len(l), len(r))
		}
	}
	for _, bad := range [][]byte{nil, {1, 2}, {3, 1, 2}} {
		if _, err := appendStream(nil, bad, true); err == nil {
			t.Errorf("packet %v was taken", bad)
		}
	}
}

// TestOpusSound decodes what was written, where this build can: each side has its own tone, at its own time.
func TestOpusSound(t *testing.T) {
	f := &file{}
	made, err := newOpusSink(f)
	c, there := codec.Find("opus")
	if !there {
		if err == nil {
			t.Error("a build without Opus began to write it")
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	var left, right [chunk]int16
	for k := range 20 {
		for i := range left {
			at := float64(k*chunk + i)
			left[i], right[i] = 0, int16(8000*math.Sin(2*math.Pi*1000*at/rate))
			if k >= 10 {
				left[i], right[i] = int16(8000*math.Sin(2*math.Pi*400*at/rate)), 0
			}
		}
		if err := made.write(left[:], right[:]); err != nil {
			t.Fatal(err)
		}
	}
	if err := made.close(); err != nil {
		t.Fatal(err)
	}
	list := pages(t, f.Bytes())
	var pcm [channels][]int16
	var decoders [channels]codec.Decoder
	for i := range decoders {
		if decoders[i], err = c.NewDecoder(); err != nil {
			t.Fatal(err)
		}
	}
	buf := make([]int16, c.MaxSamples())
	for _, p := range list[2:] {
		for _, packet := range p.packets {
			l, r := split(t, packet)
			for i, b := range [][]byte{l, r} {
				n, err := decoders[i].Decode(b, buf)
				if err != nil {
					t.Fatal(err)
				}
				pcm[i] = append(pcm[i], buf[:n]...)
			}
		}
	}
	end := list[len(list)-1].granule
	if end != preSkip+2*rate {
		t.Errorf("the file says it ends at %d", end)
	}
	for i, loudFrom := range []int{rate, 0} {
		side := pcm[i][preSkip:end]
		for at := 0; at+4800 <= len(side); at += 4800 {
			var sum float64
			for _, x := range side[at : at+4800] {
				sum += float64(x) * float64(x)
			}
			level := math.Sqrt(sum / 4800)
			want := at >= loudFrom && at < loudFrom+rate
			if want && (level < 4500 || level > 6500) || !want && level > 300 {
				t.Errorf("side %d at %.1f s has the level %.0f, want sound: %v", i, float64(at)/rate, level, want)
			}
		}
	}
}
