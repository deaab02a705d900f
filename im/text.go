package im

import (
	"html"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
)

// maxMarks is the longest run of combining marks kept on one letter. Written languages need up to 4; the towers that
// spill over neighboring lines have dozens.
const maxMarks = 8

// decodeText makes a string of a body in a charset (RFC 3428 has none but what Content-Type says; its default is
// UTF-8). A body that is not what its charset says, or whose charset nobody knows, is read as UTF-8 when it is that,
// else as Windows-1252.
func decodeText(body []byte, charset string) string {
	name := strings.ToLower(strings.TrimSpace(charset))
	if name != "" && name != "utf-8" && name != "utf8" && name != "us-ascii" {
		if enc, err := htmlindex.Get(name); err == nil {
			if out, err := enc.NewDecoder().Bytes(body); err == nil {
				return string(out)
			}
		}
	}
	if utf8.Valid(body) {
		return string(body)
	}
	out, err := charmap.Windows1252.NewDecoder().Bytes(body)
	if err != nil {
		return strings.ToValidUTF8(string(body), "\uFFFD")
	}
	return string(out)
}

// CleanText makes foreign text safe to show in a bubble of several lines: line ends become \n; control characters, and
// the format characters that reorder, hide or fake text around them (bidi embeddings, overrides and isolates, U+FEFF,
// interlinear annotation), go; towers of combining marks are cut. Joiners and direction marks stay: scripts and emoji
// need them.
func CleanText(s string) string {
	s = strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\r", "\n")
	marks := 0
	s = strings.Map(func(r rune) rune {
		if unicode.In(r, unicode.Mn, unicode.Me) {
			if marks++; marks > maxMarks {
				return -1
			}
			return r
		}
		marks = 0
		switch {
		case r == '\n' || r == '\t':
			return r
		case r == '\u2028' || r == '\u2029' || r == '\u0085' || r == '\v' || r == '\f':
			return '\n'
		case unicode.IsControl(r), r == '\uFEFF',
			r >= '\u202A' && r <= '\u202E', r >= '\u2066' && r <= '\u206F', r >= '\uFFF9' && r <= '\uFFFB':
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	return strings.TrimRight(s, "\n\t ")
}

// htmlText gives the text of an HTML fragment: scripts, styles, heads and comments gone, line-breaking elements as line
// ends, links with their address behind the text, entities resolved. No markup survives, so nothing can be run or
// loaded.
func htmlText(s string) string {
	var out strings.Builder
	hidden := "" // element whose content is not text
	for s != "" {
		open := strings.IndexByte(s, '<')
		if open < 0 {
			open = len(s)
		}
		if hidden == "" {
			out.WriteString(foldSpace(html.UnescapeString(s[:open]), endsWithSpace(&out)))
		}
		s = s[open:]
		if s == "" {
			break
		}
		var tag string
		tag, s = cutTag(s)
		name, closing := tagName(tag)
		switch {
		case hidden != "":
			if closing && name == hidden {
				hidden = ""
			}
		case !closing && (name == "script" || name == "style" || name == "head" || name == "title"):
			hidden = name
		case name == "br" || closing && (name == "p" || name == "div" || name == "li" || name == "tr"):
			out.WriteByte('\n')
		case closing && (name == "td" || name == "th"):
			out.WriteByte(' ')
		}
	}
	return strings.TrimSpace(out.String())
}

// cutTag takes a tag or comment off the front of s, which begins with "<". An unended one takes all.
func cutTag(s string) (tag, rest string) {
	if strings.HasPrefix(s, "<!--") {
		if _, after, ok := strings.Cut(s[4:], "-->"); ok {
			return "", after
		}
		return "", ""
	}
	var quote byte
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '>':
			return s[1:i], s[i+1:]
		}
	}
	return s[1:], ""
}

func tagName(tag string) (name string, closing bool) {
	tag, closing = strings.CutPrefix(tag, "/")
	end := strings.IndexFunc(tag, func(r rune) bool { return r == '/' || unicode.IsSpace(r) })
	if end >= 0 {
		tag = tag[:end]
	}
	return strings.ToLower(tag), closing
}

// foldSpace makes every run of white space one space, as HTML shows it.
func foldSpace(s string, afterSpace bool) string {
	return strings.Map(func(r rune) rune {
		if r != ' ' && r != '\t' && r != '\n' && r != '\r' && r != '\f' {
			afterSpace = false
			return r
		}
		if afterSpace {
			return -1
		}
		afterSpace = true
		return ' '
	}, s)
}

func endsWithSpace(b *strings.Builder) bool {
	s := b.String()
	return s == "" || s[len(s)-1] == ' ' || s[len(s)-1] == '\n'
}
