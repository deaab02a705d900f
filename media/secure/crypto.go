package secure

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
)

// Crypto is one a=crypto line (RFC 4568 9.1): a suite that its writer offers or has chosen, with the key it sends with.
type Crypto struct {
	Tag    int // 1 to 999999999; an answer has that of the offer's line it chooses
	Master Master
}

// String is the value of the attribute. It holds the key: for SDP only.
func (c Crypto) String() string {
	s := fmt.Sprintf("%d %s inline:%s", c.Tag, c.Master.Suite, c.Master.encode())
	if n := len(c.Master.MKI); n > 0 {
		var wide [8]byte
		copy(wide[8-n:], c.Master.MKI)
		s += fmt.Sprintf("|%d:%d", binary.BigEndian.Uint64(wide[:]), n)
	}
	return s
}

// ParseCrypto reads the value of a=crypto. It fails with ErrSyntax, or with ErrUnsupported for a suite, key or session
// parameter that we do not do: RFC 4568 6.3.7 and 7.1.2 let such a line be passed over.
func ParseCrypto(value string) (Crypto, error) {
	fields := strings.Fields(value)
	if len(fields) < 3 {
		return Crypto{}, fmt.Errorf("crypto: %w", ErrSyntax)
	}
	tag, err := strconv.ParseUint(fields[0], 10, 32)
	if err != nil || tag > 999_999_999 || fields[0][0] == '+' { // RFC 4568 9.1: 1 to 9 digits
		return Crypto{}, fmt.Errorf("crypto tag: %w", ErrSyntax)
	}
	s := ParseSuite(fields[1])
	if s == NoSuite {
		return Crypto{}, fmt.Errorf("crypto suite %.40q: %w", fields[1], ErrUnsupported)
	}
	m, err := parseKey(s, fields[2])
	if err != nil {
		return Crypto{}, err
	}
	for _, p := range fields[3:] {
		if err := checkParameter(p); err != nil {
			return Crypto{}, err
		}
	}
	return Crypto{Tag: int(tag), Master: m}, nil
}

// parseKey reads "inline:" key [ "|" lifetime ] [ "|" MKI ":" length ] (RFC 4568 6.1).
func parseKey(s Suite, text string) (Master, error) {
	method, text, ok := strings.Cut(text, ":")
	if !ok || !strings.EqualFold(method, "inline") {
		return Master{}, fmt.Errorf("crypto key method: %w", ErrSyntax)
	}
	if strings.Contains(text, ";") {
		// Several keys, told apart by their MKI: for changing them in mid-call, which nobody does.
		return Master{}, fmt.Errorf("crypto with several keys: %w", ErrUnsupported)
	}
	parts := strings.Split(text, "|")
	key, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(parts[0], "="))
	t := s.table()
	if err != nil || len(key) != t.key+t.salt {
		return Master{}, fmt.Errorf("crypto key: %w", ErrSyntax)
	}
	m := Master{Suite: s, key: key}
	parts = parts[1:]
	if len(parts) > 0 && !strings.Contains(parts[0], ":") {
		if err = checkLifetime(parts[0]); err != nil {
			return Master{}, err
		}
		parts = parts[1:]
	}
	if len(parts) > 0 {
		if m.MKI, err = parseMKI(parts[0]); err != nil {
			return Master{}, err
		}
		parts = parts[1:]
	}
	if len(parts) > 0 {
		return Master{}, fmt.Errorf("crypto key: %w", ErrSyntax)
	}
	return m, nil
}

// checkLifetime reads "2^20" or "1048576": how many packets the peer's key is good for. A call of a day has
// 2^22, and the peer who says less must bring a new key itself (RFC 4568 6.1); one that says nothing at all is damaged.
func checkLifetime(text string) error {
	if exponent, ok := strings.CutPrefix(text, "2^"); ok {
		if n, err := strconv.ParseUint(exponent, 10, 8); err == nil && n > 0 && n <= 48 { // RFC 3711 9.2
			return nil
		}
	} else if n, err := strconv.ParseUint(text, 10, 64); err == nil && n > 0 {
		return nil
	}
	return fmt.Errorf("crypto lifetime: %w", ErrSyntax)
}

// parseMKI reads "value:length"; the length is that of the field in packets, 1 to 128 bytes (RFC 4568 6.1).
func parseMKI(text string) ([]byte, error) {
	value, length, _ := strings.Cut(text, ":")
	v, verr := strconv.ParseUint(value, 10, 64)
	n, lerr := strconv.ParseUint(length, 10, 8)
	if verr != nil || lerr != nil || n == 0 || n > 128 {
		return nil, fmt.Errorf("crypto MKI: %w", ErrSyntax)
	}
	if n > 8 {
		return nil, fmt.Errorf("crypto MKI of %d bytes: %w", n, ErrUnsupported)
	}
	var wide [8]byte
	binary.BigEndian.PutUint64(wide[:], v)
	if n < 8 && v>>(8*n) != 0 {
		return nil, fmt.Errorf("crypto MKI: %w", ErrSyntax)
	}
	return append([]byte(nil), wide[8-n:]...), nil
}

// checkParameter reads a session parameter (RFC 4568 6.3).
func checkParameter(p string) error {
	name, value, _ := strings.Cut(p, "=")
	switch strings.ToUpper(name) {
	case "WSH": // a hint about the window against replays
		return nil
	case "KDR":
		if value == "0" { // the default: keys are derived once
			return nil
		}
	case "FEC_ORDER": // without forward error correction it says nothing
		return nil
	default:
		if strings.HasPrefix(name, "-") { // RFC 4568 6.3.7: may be ignored
			return nil
		}
	}
	// UNENCRYPTED_SRTP, UNENCRYPTED_SRTCP and UNAUTHENTICATED_SRTP take away what a user asked for.
	return fmt.Errorf("crypto parameter %.40q: %w", name, ErrUnsupported)
}
