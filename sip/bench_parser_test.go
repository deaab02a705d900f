package sip

import (
	"strings"
	"testing"
)

// What comes in costs this before anybody looks at it: a usual request, and one made to take long.
func BenchmarkParser(b *testing.B) {
	many := func(sep string) string {
		var s strings.Builder
		for i := range 31 {
			s.WriteString(sep + strings.Repeat("x", 24) + string(rune('a'+i%26)) + string(rune('a'+i/26)) + "=y")
		}
		return s.String()
	}
	for name, message := range map[string]string{
		"usual": invitation("UDP", "1", "", ""),
		"hostile": strings.Replace(invitation("UDP", "1", "", ""), "To: <sip:alice@10.0.0.1>",
			"To: <sip:alice@10.0.0.1"+many(";")+"?"+many("&")[1:]+">"+many(";"), 1),
	} {
		b.Run(name, func(b *testing.B) {
			raw, parse := []byte(message), newParser()
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := parse(raw); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
