package app

import (
	"strings"
	"testing"
)

// TestCodecOrder uses codecs that every build has; those in C behave alike (media/codec).
func TestCodecOrder(t *testing.T) {
	for _, tt := range []struct{ order, want string }{
		{"PCMA,G722", "PCMA/8000,G722/8000"},
		{" pcmu , PCMU ,l16", "PCMU/8000,L16/16000"},
		{"L16/16000,PCMU/8000", "L16/16000,PCMU/8000"},
		{"L16/44100,PCMU", "PCMU/8000"},
		{"G729,PCMU", "PCMU/8000"},
	} {
		var got []string
		for _, c := range codecOrder(tt.order) {
			got = append(got, c.Rtpmap())
		}
		if strings.Join(got, ",") != tt.want {
			t.Errorf("%q: %v, want %s", tt.order, got, tt.want)
		}
	}
	if len(namedCodecs("G729")) != 0 || len(codecOrder("G729")) < 4 {
		t.Error("an order of unknown codecs does not mean all that there are")
	}
	for _, c := range codecOrder(defaultCodecs) {
		if c.Name == "L16" {
			t.Error("L16 is offered to everybody")
		}
	}
}
