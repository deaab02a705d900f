package codec

// Reading the head of an Opus packet needs no library.

// opusFrame returns the samples of one frame at 48 kHz from the configuration of a TOC byte (RFC 6716 table 2).
func opusFrame(toc byte) int {
	config := int(toc >> 3)
	switch {
	case config < 12: // SILK: 10, 20, 40, 60 ms
		return [...]int{480, 960, 1920, 2880}[config&3]
	case config < 16: // hybrid: 10, 20 ms
		return 480 << (config & 1)
	default: // CELT: 2.5, 5, 10, 20 ms
		return 120 << (config & 3)
	}
}

// opusSamples returns the duration of a packet in samples at 48 kHz, and false when the head is not valid:
// RFC 6716 3.4 [R1], [R5].
func opusSamples(payload []byte) (int, bool) {
	if len(payload) == 0 {
		return 0, false
	}
	frames := 1
	switch payload[0] & 3 {
	case 1, 2:
		frames = 2
	case 3:
		if len(payload) < 2 {
			return 0, false
		}
		frames = int(payload[1] & 0x3f)
	}
	n := frames * opusFrame(payload[0])
	return n, n > 0 && n <= 48*MaxPacketMS
}

// opusHasFEC reports whether the packet carries a low bit-rate copy of the one before: the LBRR flag that follows
// the voice activity flags at the start of the first SILK frame (RFC 6716 4.2.3).
func opusHasFEC(payload []byte) bool {
	if _, ok := opusSamples(payload); !ok || payload[0]>>3 >= 16 {
		return false // CELT alone has no copies
	}
	first := 1
	switch payload[0] & 3 {
	case 2: // two frames, the length of the first before it (RFC 6716 3.2.1)
		first = 2
		if len(payload) > 1 && payload[1] >= 252 {
			first = 3
		}
	case 3:
		return false // we make none, and to find the first frame means to parse padding and lengths
	}
	if len(payload) <= first {
		return false
	}
	// A 40 or 60 ms SILK frame has 2 or 3 voice activity flags, one per 20 ms.
	flags := max(1, opusFrame(payload[0])/960)
	return payload[first]>>(7-flags)&1 == 1
}
