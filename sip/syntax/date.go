package syntax

// validDate knows the one form of SIP-date (RFC 3261 20.17, 25.1): "Sat, 13 Nov 2010 23:29:00 GMT".
func validDate(v []byte) bool {
	const form = "Aaa, 00 Aaa 0000 00:00:00 GMT"
	if len(v) != len(form) {
		return false
	}
	for i := range len(form) {
		fits := v[i] == form[i]
		switch form[i] {
		case '0':
			fits = is(v[i], cDigit)
		case 'A', 'a':
			fits = is(v[i], cAlpha)
		default:
		}
		if !fits {
			return false
		}
	}
	return true
}
