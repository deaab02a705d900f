package codec

import "math"

// G.722 (ITU-T, 09/2012) at 64 kbit/s: 16 kHz sound split by a quadrature mirror filter into two bands of 8 kHz,
// each coded by adaptive differential PCM, 6 bits for the lower and 2 for the upper. Names follow the
// Recommendation's clause 6 in lower case; all arithmetic is its 16-bit fixed point.

// g722Band is the adaptive predictor and quantizer scale of one band (G.722 3.5, 3.6).
type g722Band struct {
	s, sp, sz int    // signal estimate and its two parts
	r, p      [3]int // reconstructed signal and partial signal, newest first
	a         [3]int // second-order pole section; a[0] unused
	b, d      [7]int // sixth-order zero section and quantized difference, d[0] newest; b[0] unused
	nb, det   int    // logarithmic and linear quantizer scale factor
}

// g722Tables are the constants of the Recommendation. They are made per codec: 1 kB that nobody can change.
type g722Tables struct {
	qmf [12]int // the odd half of the symmetric filter, table 4
	q6  [30]int // decision levels of the lower band, table 8
	qm6 [64]int // 6-bit outputs, table 9
	qm4 [16]int // 4-bit outputs, table 11, that the predictor works with
	ilb [32]int // antilogarithm, table 13
}

func newG722Tables() g722Tables {
	return g722Tables{
		qmf: [12]int{3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11},
		q6: [30]int{
			0, 35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650,
			714, 786, 858, 940, 1023, 1121, 1219, 1339, 1458, 1612, 1765, 1980, 2195, 2557, 2919,
		},
		qm6: [64]int{
			-136, -136, -136, -136, -24808, -21904, -19008, -16704, -14984, -13512, -12280, -11192, -10232, -9360,
			-8576, -7856, -7192, -6576, -6000, -5456, -4944, -4464, -4008, -3576, -3168, -2776, -2400, -2032, -1688,
			-1360, -1040, -728, 24808, 21904, 19008, 16704, 14984, 13512, 12280, 11192, 10232, 9360, 8576, 7856, 7192,
			6576, 6000, 5456, 4944, 4464, 4008, 3576, 3168, 2776, 2400, 2032, 1688, 1360, 1040, 728, 432, 136, -432,
			-136,
		},
		qm4: [16]int{
			0, -20456, -12896, -8968, -6288, -4240, -2584, -1200,
			20456, 12896, 8968, 6288, 4240, 2584, 1200, 0,
		},
		ilb: [32]int{
			2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543, 2599, 2656, 2714, 2774, 2834,
			2896, 2960, 3025, 3091, 3158, 3228, 3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008,
		},
	}
}

func saturate(v int) int { return max(math.MinInt16, min(v, math.MaxInt16)) }

// sign is -1 for negative values, else 0, as the Recommendation's shift by 15 bits.
func sign(v int) int { return v >> 15 }

// lower adapts the lower band's scale (G.722 blocks LOGSCL, SCALEL) and predictor to a 4-bit code.
func (b *g722Band) lower(t *g722Tables, code int) {
	d := b.det * t.qm4[code] >> 15
	wl := [16]int{ // table 10 (WL), by way of table 12 (RL42)
		-60, 3042, 1198, 538, 334, 172, 58, -30,
		3042, 1198, 538, 334, 172, 58, -30, -60,
	}[code]
	b.nb = max(0, min(b.nb*127>>7+wl, 18432))
	b.det = b.scale(t, 8)
	b.predict(d)
}

// upper adapts the upper band's scale (blocks LOGSCH, SCALEH) to a 2-bit code and returns the quantized difference,
// which the caller hands to predict.
func (b *g722Band) upper(t *g722Tables, code int) int {
	d := b.det * [4]int{-7408, -1616, 7408, 1616}[code] >> 15
	wh := [2]int{798, -214}[code&1]
	b.nb = max(0, min(b.nb*127>>7+wh, 22528))
	b.det = b.scale(t, 10)
	return d
}

// scale is the antilogarithm of nb.
func (b *g722Band) scale(t *g722Tables, top int) int {
	v := t.ilb[b.nb>>6&31]
	if shift := top - b.nb>>11; shift >= 0 {
		return v >> shift << 2
	}
	return v << (b.nb>>11 - top) << 2
}

// predict takes the quantized difference d and computes the next estimate (blocks RECONS to PREDIC, 6.2.1.4).
func (b *g722Band) predict(d int) {
	b.d[0] = d
	b.r[0] = saturate(b.s + d)
	b.p[0] = saturate(b.sz + d)
	a1, a2 := b.poles()
	step := 128
	if d == 0 {
		step = 0
	}
	for i := 1; i < 7; i++ { // UPZERO
		w := -step
		if sign(b.d[i]) == sign(d) {
			w = step
		}
		b.b[i] = saturate(w + b.b[i]*32640>>15)
	}
	for i := 6; i > 0; i-- { // DELAYA
		b.d[i] = b.d[i-1]
	}
	b.r[2], b.r[1] = b.r[1], b.r[0]
	b.p[2], b.p[1] = b.p[1], b.p[0]
	b.a[1], b.a[2] = a1, a2
	b.sp = saturate(b.a[1]*saturate(2*b.r[1])>>15 + b.a[2]*saturate(2*b.r[2])>>15) // FILTEP
	b.sz = 0
	for i := 6; i > 0; i-- { // FILTEZ
		b.sz += b.b[i] * saturate(2*b.d[i]) >> 15
	}
	b.sz = saturate(b.sz)
	b.s = saturate(b.sp + b.sz) // PREDIC
}

// poles returns the next two pole coefficients (UPPOL2, UPPOL1), kept where the filter is stable.
func (b *g722Band) poles() (a1, a2 int) {
	w := saturate(4 * b.a[1])
	if sign(b.p[0]) == sign(b.p[1]) {
		w = min(-w, math.MaxInt16)
	}
	step := -128
	if sign(b.p[0]) == sign(b.p[2]) {
		step = 128
	}
	a2 = max(-12288, min(w>>7+step+b.a[2]*32512>>15, 12288))
	step = -192
	if sign(b.p[0]) == sign(b.p[1]) {
		step = 192
	}
	limit := saturate(15360 - a2)
	a1 = max(-limit, min(saturate(step+b.a[1]*32640>>15), limit))
	return a1, a2
}

type g722Encoder struct {
	tables    g722Tables
	low, high g722Band
	x         [24]int // the last input samples, newest last
}

type g722Decoder struct {
	tables    g722Tables
	low, high g722Band
	x         [24]int
	plc       *concealer
	shadow    *g722Encoder // codes concealed sound, see Conceal
}

var (
	_ Encoder = (*g722Encoder)(nil)
	_ Decoder = (*g722Decoder)(nil)
)

func newG722Encoder() *g722Encoder {
	return &g722Encoder{tables: newG722Tables(), low: g722Band{det: 32}, high: g722Band{det: 8}}
}

func newG722Decoder() *g722Decoder {
	return &g722Decoder{
		tables: newG722Tables(), low: g722Band{det: 32}, high: g722Band{det: 8},
		plc: newConcealer(16000), shadow: newG722Encoder(),
	}
}

// Encode implements Encoder; an even number of samples, two of which make a byte.
func (e *g722Encoder) Encode(pcm []int16, out []byte) (int, error) {
	n := len(pcm) / 2
	switch {
	case len(pcm)%2 != 0:
		return 0, ErrFrameSize
	case len(out) < n:
		return 0, ErrShortBuffer
	}
	for i := range n {
		out[i] = byte(e.code(int(pcm[2*i]), int(pcm[2*i+1]))) //nolint:gosec // two bits and six
	}
	return n, nil
}

// code encodes two samples to one byte.
func (e *g722Encoder) code(first, second int) int {
	copy(e.x[:], e.x[2:])
	e.x[22], e.x[23] = first, second
	var odd, even int
	for k, h := range e.tables.qmf {
		odd += e.x[2*k] * h
		even += e.x[23-2*k] * h
	}
	low := e.codeLow((even + odd) >> 14)
	high := e.codeHigh((even - odd) >> 14)
	return high<<6 | low
}

// codeLow quantizes the lower band (block QUANTL).
func (e *g722Encoder) codeLow(x int) int {
	diff := saturate(x - e.low.s)
	magnitude := diff
	if diff < 0 {
		magnitude = -(diff + 1)
	}
	level := 1
	for level < 30 && magnitude >= e.tables.q6[level]*e.low.det>>12 {
		level++
	}
	code := 62 - level // table 7: ILP counts down from 61
	if diff < 0 {
		code = 34 - level // ILN: 63, 62 for the two innermost, then down from 31
		if level <= 2 {
			code = 64 - level
		}
	}
	e.low.lower(&e.tables, code>>2)
	return code
}

// codeHigh quantizes the upper band (block QUANTH).
func (e *g722Encoder) codeHigh(x int) int {
	diff := saturate(x - e.high.s)
	magnitude := diff
	if diff < 0 {
		magnitude = -(diff + 1)
	}
	code := 3
	if magnitude >= 564*e.high.det>>12 {
		code = 2
	}
	if diff < 0 {
		code -= 2
	}
	e.high.predict(e.high.upper(&e.tables, code))
	return code
}

// Decode implements Decoder.
func (d *g722Decoder) Decode(payload []byte, pcm []int16) (int, error) {
	n := 2 * len(payload)
	switch {
	case n == 0:
		return 0, ErrPayload
	case len(pcm) < n:
		return 0, ErrShortBuffer
	}
	for i, b := range payload {
		pcm[2*i], pcm[2*i+1] = d.pair(int(b))
	}
	d.plc.good(pcm[:n])
	return n, nil
}

// pair decodes one byte to two samples.
func (d *g722Decoder) pair(code int) (first, second int16) {
	const limit = 16384 // block LIMIT
	low := d.low.s + d.low.det*d.tables.qm6[code&63]>>15
	low = max(-limit, min(low, limit-1))
	d.low.lower(&d.tables, code&63>>2)
	diff := d.high.upper(&d.tables, code>>6)
	high := max(-limit, min(d.high.s+diff, limit-1))
	d.high.predict(diff)
	copy(d.x[:], d.x[2:])
	d.x[22], d.x[23] = low+high, low-high
	var odd, even int
	for k, h := range d.tables.qmf {
		odd += d.x[2*k] * h
		even += d.x[23-2*k] * h
	}
	return int16(saturate(even >> 11)), int16(saturate(odd >> 11)) //nolint:gosec // saturate keeps 16 bits
}

// Conceal implements Decoder. The predictors and scales would stand still during a gap while those of the encoder
// went on, and the first good packet would crack: so the concealed sound is coded from the decoder's own state and
// decoded again, which moves the state to about where the encoder's is.
func (d *g722Decoder) Conceal(pcm []int16) (int, error) {
	past := d.plc.history[len(d.plc.history)-len(d.shadow.x):]
	for i, v := range past {
		d.shadow.x[i] = int(v)
	}
	d.plc.lost(pcm)
	n := len(pcm)
	for ; len(pcm) >= 2; pcm = pcm[2:] {
		d.shadow.low, d.shadow.high = d.low, d.high
		d.pair(d.shadow.code(int(pcm[0]), int(pcm[1])))
	}
	return n, nil
}

// DecodeFEC implements Decoder: G.722 has no copies.
func (d *g722Decoder) DecodeFEC(_ []byte, pcm []int16) (int, error) { return d.Conceal(pcm) }

// HasFEC implements Decoder.
func (d *g722Decoder) HasFEC([]byte) bool { return false }
