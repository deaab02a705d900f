package syntax

import "iter"

// Address parts an address in canonical form, or any other, as it stands in From, To or Contact: the display name
// without its quotes but with its escapes, the URI, and the parameters from their first semicolon on.
func Address(text string) (display, uri, params string, ok bool) {
	a, ok := parseAddress([]byte(text), false)
	if n := len(a.display); n >= 2 && a.display[0] == '"' {
		a.display = a.display[1 : n-1]
	}
	return string(a.display), string(a.uri), string(a.params), ok
}

// Params gives header parameters in their order, values as they stand, with their quotes; it ends early at what is
// no parameter. Text begins with a semicolon or is empty.
func Params(text string) iter.Seq2[string, string] {
	return func(yield func(name, value string) bool) {
		p := params{rest: []byte(text)}
		for {
			name, value, ok := p.next()
			if !ok || !yield(string(name), string(value)) {
				return
			}
		}
	}
}
