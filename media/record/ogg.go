package record

import (
	"encoding/binary"
	"io"
)

// Ogg (RFC 3533): a stream of pages, each with whole packets of one logical stream here.

const (
	oggFirst = 2 // header type flags of RFC 3533 6
	oggLast  = 4

	pageHead     = 27
	maxSegments  = 255
	segmentBytes = 255
)

// oggTable is the table of the checksum: polynomial 0x04c11db7, not reflected, RFC 3533 6.
var oggTable = func() (table [256]uint32) { //nolint:gochecknoglobals // a table
	for i := range table {
		r := uint32(i) << 24
		for range 8 {
			top := r >> 31
			r = r<<1 ^ top*0x04c11db7
		}
		table[i] = r
	}
	return table
}()

func oggSum(page []byte) uint32 {
	var sum uint32
	for _, b := range page {
		sum = sum<<8 ^ oggTable[byte(sum>>24)^b]
	}
	return sum
}

// oggWriter puts packets into pages. It is not safe for concurrent use.
type oggWriter struct {
	out     io.Writer
	serial  uint32
	page    uint32 // number of the next page
	lacing  []byte
	body    []byte
	granule int64 // of the last packet that waits: samples of the stream up to its end
	buf     []byte
	failed  error // of out: nothing more is written behind half a page
}

// add appends a packet. granule is the position of the stream behind it.
func (o *oggWriter) add(packet []byte, granule int64) error {
	if len(o.lacing)+len(packet)/segmentBytes+1 > maxSegments {
		if err := o.flush(0); err != nil {
			return err
		}
	}
	for n := len(packet); ; n -= segmentBytes { // RFC 3533 5: a value below 255 ends a packet
		o.lacing = append(o.lacing, byte(min(n, segmentBytes))) //nolint:gosec // at most 255
		if n < segmentBytes {
			break
		}
	}
	o.body = append(o.body, packet...)
	o.granule = granule
	return nil
}

// flush writes what waits as one page, and with oggLast a page in any case.
func (o *oggWriter) flush(flags byte) error {
	if o.failed != nil || len(o.lacing) == 0 && flags&oggLast == 0 {
		return o.failed
	}
	b := append(o.buf[:0], "OggS\x00"...) // capture pattern, version
	b = append(b, flags)
	b = binary.LittleEndian.AppendUint64(b, uint64(o.granule)) //nolint:gosec // not negative
	b = binary.LittleEndian.AppendUint32(b, o.serial)
	b = binary.LittleEndian.AppendUint32(b, o.page)
	b = append(b, 0, 0, 0, 0, byte(len(o.lacing))) //nolint:gosec // at most 255; the checksum is made with zeros
	b = append(b, o.lacing...)
	b = append(b, o.body...)
	binary.LittleEndian.PutUint32(b[pageHead-5:], oggSum(b))
	o.buf, o.lacing, o.body = b, o.lacing[:0], o.body[:0]
	o.page++
	_, o.failed = o.out.Write(b)
	return o.failed
}
