package syntax

// Character classes of RFC 3261 25.1, as bits of a table.
const (
	cToken = 1 << iota
	cDigit
	cHex
	cAlpha
	cHost // what hostnames are made of, the "_" of real names and bytes above ASCII included, as in package uri
)

var classes = makeClasses() //nolint:gochecknoglobals // a table

func makeClasses() (t [256]uint8) {
	set := func(class uint8, s string) {
		for i := range len(s) {
			t[s[i]] |= class
		}
	}
	set(cToken|cAlpha|cHost, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
	set(cToken|cDigit|cHex|cHost, "0123456789")
	set(cHex, "abcdefABCDEF")
	set(cToken, "-.!%*_+`'~")
	set(cHost, "-._")
	for c := 0x80; c < len(t); c++ {
		t[c] |= cHost
	}
	return t
}

func is(c byte, class uint8) bool { return classes[c]&class != 0 }

func all(b []byte, class uint8) bool {
	for _, c := range b {
		if classes[c]&class == 0 {
			return false
		}
	}
	return true
}

func isToken(b []byte) bool  { return len(b) > 0 && all(b, cToken) }
func isDigits(b []byte) bool { return len(b) > 0 && all(b, cDigit) }
func isSpace(c byte) bool    { return c == ' ' || c == '\t' }

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// equalFold compares with a word in lower case.
func equalFold(b []byte, word string) bool {
	if len(b) != len(word) {
		return false
	}
	for i, c := range b {
		if lower(c) != word[i] {
			return false
		}
	}
	return true
}

// isText tells whether a header value has no control characters but tabs and, after a backslash, those that
// RFC 3261 25.1 allows in a quoted-pair: all but line breaks (RFC 4475 3.1.1.2). Bytes above ASCII are taken as they
// are: not everybody writes UTF-8.
func isText(b []byte) bool {
	for i, c := range b {
		if c >= ' ' && c != 0x7f || c == '\t' {
			continue
		}
		if c == '\r' || c == '\n' || i == 0 || b[i-1] != '\\' {
			return false
		}
	}
	return true
}

// number reads 1*DIGIT with any leading zeros (RFC 4475 3.1.1.1); ok is false above limit.
func number(b []byte, limit uint64) (n uint64, ok bool) {
	if !isDigits(b) {
		return 0, false
	}
	for _, c := range b {
		n = n*10 + uint64(c-'0')
		if n > limit {
			return 0, false
		}
	}
	return n, true
}
