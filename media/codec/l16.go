package codec

import "encoding/binary"

// L16 is uncompressed PCM, most significant byte first (RFC 3551 4.5.11).
type l16Encoder struct{}

type l16Decoder struct{ plc *concealer }

var (
	_ Encoder = l16Encoder{}
	_ Decoder = (*l16Decoder)(nil)
)

func newL16Decoder(rate int) *l16Decoder { return &l16Decoder{plc: newConcealer(rate)} }

// Encode implements Encoder; any number of samples will do.
func (l16Encoder) Encode(pcm []int16, out []byte) (int, error) {
	if len(out) < 2*len(pcm) {
		return 0, ErrShortBuffer
	}
	for i, x := range pcm {
		binary.BigEndian.PutUint16(out[2*i:], uint16(x)) //nolint:gosec // the same bits
	}
	return 2 * len(pcm), nil
}

// Decode implements Decoder.
func (d *l16Decoder) Decode(payload []byte, pcm []int16) (int, error) {
	n := len(payload) / 2
	switch {
	case n == 0 || len(payload)%2 != 0:
		return 0, ErrPayload
	case len(pcm) < n:
		return 0, ErrShortBuffer
	}
	for i := range n {
		pcm[i] = int16(binary.BigEndian.Uint16(payload[2*i:])) //nolint:gosec // the same bits
	}
	d.plc.good(pcm[:n])
	return n, nil
}

// Conceal implements Decoder.
func (d *l16Decoder) Conceal(pcm []int16) (int, error) {
	d.plc.lost(pcm)
	return len(pcm), nil
}

// DecodeFEC implements Decoder: L16 has no copies.
func (d *l16Decoder) DecodeFEC(_ []byte, pcm []int16) (int, error) { return d.Conceal(pcm) }

// HasFEC implements Decoder.
func (d *l16Decoder) HasFEC([]byte) bool { return false }
