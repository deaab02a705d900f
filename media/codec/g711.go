package codec

import "math/bits"

// G.711 (ITU-T, 11/88) with the 16-bit scaling of the ITU-T software tools (G.191): one byte a sample, 8 kHz.

const (
	ulawBias = 33     // G.711 table 2: added so that every segment starts at a power of two
	ulawClip = 0x1fff // the largest 13-bit magnitude after the bias
	alawMask = 0x55   // G.711 table 1, note 2: even bits inverted
)

// encodeULaw compresses one sample. Negative samples use the ones' complement, as G.191 does, so that -1 and 0 are
// the two zeros of the law.
func encodeULaw(x int16) byte {
	sign := byte(0x80)
	v := int(x)
	if v < 0 {
		v, sign = ^v, 0
	}
	v = min(v>>2+ulawBias, ulawClip)
	segment := bits.Len(uint(v)) - 6               // 33..63 is segment 0
	code := byte(segment<<4 | v>>(segment+1)&0x0f) //nolint:gosec // segment is 0 to 7: seven bits
	return code ^ 0x7f | sign                      // all magnitude bits are sent inverted
}

func decodeULaw(b byte) int16 {
	m := int(^b)
	segment, step := m>>4&7, m&0x0f
	v := ((2*step+ulawBias)<<segment - ulawBias) << 2
	if b&0x80 == 0 {
		v = -v
	}
	return int16(v) //nolint:gosec // G.711 table 2b: at most 32124
}

func encodeALaw(x int16) byte {
	sign := byte(0x80)
	v := int(x)
	if v < 0 {
		v, sign = ^v, 0
	}
	v >>= 4 // 12-bit magnitude without its lowest bit, which G.711 does not see
	code := v
	if v > 15 {
		segment := bits.Len(uint(v)) - 4
		code = segment<<4 | v>>(segment-1)&0x0f
	}
	return (byte(code) | sign) ^ alawMask //nolint:gosec // seven bits, see encodeULaw
}

func decodeALaw(b byte) int16 {
	m := int(b^alawMask) & 0x7f
	segment, step := m>>4, m&0x0f
	v := step<<4 + 8
	if segment > 0 {
		v = (v + 0x100) << (segment - 1)
	}
	if b&0x80 == 0 {
		v = -v
	}
	return int16(v)
}

type g711Encoder struct{ law func(int16) byte }

type g711Decoder struct {
	table [256]int16
	plc   *concealer
}

var (
	_ Encoder = (*g711Encoder)(nil)
	_ Decoder = (*g711Decoder)(nil)
)

func newG711Decoder(law func(byte) int16) *g711Decoder {
	d := &g711Decoder{plc: newConcealer(8000)}
	for i := range d.table {
		d.table[i] = law(byte(i))
	}
	return d
}

// Encode implements Encoder; any number of samples will do.
func (e *g711Encoder) Encode(pcm []int16, out []byte) (int, error) {
	if len(out) < len(pcm) {
		return 0, ErrShortBuffer
	}
	for i, x := range pcm {
		out[i] = e.law(x)
	}
	return len(pcm), nil
}

// Decode implements Decoder.
func (d *g711Decoder) Decode(payload []byte, pcm []int16) (int, error) {
	switch {
	case len(payload) == 0:
		return 0, ErrPayload
	case len(pcm) < len(payload):
		return 0, ErrShortBuffer
	}
	out := pcm[:len(payload)]
	for i, b := range payload {
		out[i] = d.table[b]
	}
	d.plc.good(out)
	return len(out), nil
}

// Conceal implements Decoder.
func (d *g711Decoder) Conceal(pcm []int16) (int, error) {
	d.plc.lost(pcm)
	return len(pcm), nil
}

// DecodeFEC implements Decoder: G.711 has no copies.
func (d *g711Decoder) DecodeFEC(_ []byte, pcm []int16) (int, error) { return d.Conceal(pcm) }

// HasFEC implements Decoder.
func (d *g711Decoder) HasFEC([]byte) bool { return false }
