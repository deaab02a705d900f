package trace

import "strings"

// shown are the parameters of digest credentials and challenges (RFC 7616) that help and say nothing about the
// password: without response and cnonce there is nothing to try passwords against.
func shown(param string) bool {
	switch param {
	case "username", "realm", "uri", "algorithm", "qop", "nc", "stale", "domain", "userhash", "charset":
		return true
	}
	return false
}

// known tells whether we know the parameters of a way to prove oneself; of any other only its name is shown.
func known(scheme string) bool { return strings.EqualFold(scheme, "digest") }

// maskCredentials masks the value of an authentication header: 'Digest realm="a", response="b"', several of them after
// each other, or parameters alone (Authentication-Info).
func maskCredentials(value string) string {
	var out []string
	for i, part := range splitParams(value) {
		part = strings.TrimSpace(part)
		name, val, isParam := strings.Cut(part, "=")
		if scheme, rest, two := strings.Cut(strings.TrimSpace(name), " "); two || !isParam {
			// A scheme begins here, with its first parameter behind it or alone.
			if !known(scheme) {
				out = append(out, firstOf(i, scheme)+" "+hidden)
				break // "Basic dXNlcjpwYXNz": what follows may be anything
			}
			if !isParam {
				out = append(out, scheme+" "+hidden)
				continue
			}
			out = append(out, scheme+" "+maskParam(rest, val))
			continue
		}
		out = append(out, maskParam(name, val))
	}
	return strings.Join(out, ", ")
}

// firstOf shows the name of a scheme where one must be, and nothing elsewhere.
func firstOf(i int, scheme string) string {
	if i > 0 || len(scheme) > 16 {
		return hidden
	}
	for _, r := range scheme {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') {
			return hidden
		}
	}
	return scheme
}

func maskParam(name, value string) string {
	name = strings.ToLower(strings.TrimSpace(name))
	if !token(name) {
		return hidden + "=" + hidden
	}
	value = strings.TrimSpace(value)
	if !shown(name) || tells(squeeze(value)) || !simple(value) {
		return name + "=" + hidden
	}
	return name + "=" + maskURIs(value)
}

// simple tells whether a value is one quoted string or one word.
func simple(value string) bool {
	if len(value) >= 2 && value[0] == '"' && value[len(value)-1] == '"' {
		return !strings.ContainsAny(value[1:len(value)-1], `"\\`)
	}
	return !strings.ContainsAny(value, "\" \t")
}

func token(s string) bool {
	for _, r := range s {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_' {
			return false
		}
	}
	return s != "" && len(s) <= 32
}

// splitParams cuts at commas outside of quoted strings.
func splitParams(s string) []string {
	var out []string
	quoted, start := false, 0
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && quoted:
			i++
		case s[i] == '"':
			quoted = !quoted
		case s[i] == ',' && !quoted:
			out = append(out, s[start:i])
			start = i + 1
		}
	}
	return append(out, s[start:])
}

// tells whether a squeezed text has what only credentials have.
func tells(squeezed string) bool {
	for _, sign := range []string{
		"response=", "response%3d", "nonce=", "nonce%3d", "rspauth", "authorization", "passwd", "password",
	} {
		if strings.Contains(squeezed, sign) {
			return true
		}
	}
	return false
}

// maskValue masks what may be secret in any text: passwords of URIs, headers in URIs and whatever looks like
// credentials.
func maskValue(s string) string {
	if tells(squeeze(s)) {
		return maskTelling(s)
	}
	return maskURIs(s)
}

// maskTelling shows of a suspicious value what comes before the first sign of parameters.
func maskTelling(s string) string {
	i := strings.IndexAny(s, "?=\",;%")
	if i < 0 || tells(squeeze(s[:i])) {
		i = 0
	}
	return maskURIs(s[:i]) + " " + hidden
}

// maskURIs hides the password of "sip:user:password@host" (RFC 3261 19.1.1), and of any other scheme.
func maskURIs(s string) string {
	var b strings.Builder
	for {
		at := strings.IndexByte(s, '@')
		if at < 0 {
			b.WriteString(s)
			return b.String()
		}
		user := s[:at]
		from := strings.LastIndexAny(user, " \t<>\",") + 1
		scheme := strings.IndexByte(user[from:], ':')
		if scheme >= 0 {
			rest := user[from+scheme+1:]
			if i := strings.IndexByte(rest, ':'); i >= 0 {
				user = user[:from+scheme+1] + rest[:i+1] + hidden
			}
		}
		b.WriteString(user + "@")
		s = s[at+1:]
	}
}
