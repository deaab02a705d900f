package uri

import "strings"

// The character classes of RFC 3261 25.1. Everything outside the class of its place is written as %HEX HEX.
const (
	mark              = "-_.!~*'()"
	userUnreserved    = "&=+$,;?/"
	passwordReserved  = "&=+$,"
	paramUnreserved   = "[]/:&+$"
	tokenPunctuation  = "-.!%*_+`'~" //nolint:gosec // no credential
	reservedCharacter = ";/?:@&=+$," // RFC 2396 2.2: escaped and plain forms of these differ
)

const upperHex = "0123456789ABCDEF"

func isAlnum(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

func isUnreserved(c byte) bool { return isAlnum(c) || strings.IndexByte(mark, c) >= 0 }
func isUserChar(c byte) bool   { return isUnreserved(c) || strings.IndexByte(userUnreserved, c) >= 0 }

func isPasswordChar(c byte) bool {
	return isUnreserved(c) || strings.IndexByte(passwordReserved, c) >= 0
}

func isParamChar(c byte) bool { return isUnreserved(c) || strings.IndexByte(paramUnreserved, c) >= 0 }
func isTokenChar(c byte) bool { return isAlnum(c) || strings.IndexByte(tokenPunctuation, c) >= 0 }

// breaksHeader holds for what must never stand unescaped in a URI, because it ends the URI or the header line.
func breaksHeader(c byte) bool {
	return c <= ' ' || c == 0x7f || c == '<' || c == '>' || c == '"' || c == '\\'
}

// escape writes s with every character outside the class as %HEX HEX.
func escape(s string, allowed func(byte) bool) string {
	plain := true
	for i := 0; i < len(s) && plain; i++ {
		plain = allowed(s[i])
	}
	if plain {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + 8)
	for i := 0; i < len(s); i++ {
		if c := s[i]; allowed(c) {
			b.WriteByte(c)
		} else {
			b.WriteByte('%')
			b.WriteByte(upperHex[c>>4])
			b.WriteByte(upperHex[c&15])
		}
	}
	return b.String()
}

// unescape decodes every %HEX HEX; ok is false when one is malformed.
func unescape(s string) (out string, ok bool) {
	if strings.IndexByte(s, '%') < 0 {
		return s, true
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b = append(b, s[i])
			continue
		}
		if i+2 >= len(s) {
			return "", false
		}
		hi, lo := unhex(s[i+1]), unhex(s[i+2])
		if hi < 0 || lo < 0 {
			return "", false
		}
		b = append(b, byte(hi<<4|lo)) //nolint:gosec // two digits
		i += 2
	}
	return string(b), true
}

func unhex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// encoded gives the peer's own spelling while it still means the same, else ours.
func encoded(value, raw string, allowed func(byte) bool) string {
	if raw != "" {
		if v, ok := unescape(raw); ok && v == value {
			return raw
		}
	}
	return escape(value, allowed)
}

// canonical rewrites an encoded part so that two spellings RFC 3261 19.1.4 holds equal become one string:
// escapes of reserved characters stay (in upper case), every other escape is decoded and, where it must be,
// escaped again.
func canonical(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	for i := 0; i < len(s); i++ {
		c, escaped := s[i], false
		if c == '%' && i+2 < len(s) {
			if hi, lo := unhex(s[i+1]), unhex(s[i+2]); hi >= 0 && lo >= 0 {
				c, escaped = byte(hi<<4|lo), true //nolint:gosec // two digits
				i += 2
			}
		}
		switch {
		case escaped && strings.IndexByte(reservedCharacter, c) >= 0,
			!isUnreserved(c) && strings.IndexByte(reservedCharacter, c) < 0:
			b.WriteByte('%')
			b.WriteByte(upperHex[c>>4])
			b.WriteByte(upperHex[c&15])
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}
