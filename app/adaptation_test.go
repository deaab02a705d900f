package app

import (
	"testing"

	"github.com/peregrine-softphone/peregrine/media"
	"github.com/peregrine-softphone/peregrine/media/adapt"
)

func TestAdaptationIsTold(t *testing.T) {
	for _, tt := range []struct {
		name string
		s    adapt.Situation
		want string
	}{
		{"nothing", adapt.Situation{}, ""},
		{"being asked", adapt.Situation{State: adapt.Asking, Codec: "opus"}, ""},
		{
			"slow",
			adapt.Situation{State: adapt.Away, Reason: adapt.Slow, Codec: "opus", Home: "PCMU", Limit: 18000},
			"Switched to Opus: the network is slow.",
		},
		{
			"lossy",
			adapt.Situation{State: adapt.Probing, Reason: adapt.Lossy, Codec: "opus", Home: "PCMA"},
			"Switched to Opus: the network loses sound.",
		},
		{
			"another codec",
			adapt.Situation{State: adapt.Away, Reason: adapt.Slow, Codec: "GSM", Home: "L16"},
			"Switched to GSM: the network is slow.",
		},
		{
			"a limit",
			adapt.Situation{State: adapt.Away, Reason: adapt.Slow, Codec: "opus", Home: "opus", Limit: 9000},
			"Asked the other side to send less: the network is slow.",
		},
		{
			"way back",
			adapt.Situation{State: adapt.Returning, Reason: adapt.Slow, Codec: "opus", Home: "PCMU"},
			"The network is better: going back to PCMU.",
		},
		{"fewer bits", adapt.Situation{Reason: adapt.Slow, Bitrate: 12000}, "Sending less: the network is slow."},
		{"copies", adapt.Situation{Reason: adapt.Lossy, FEC: 30}, "Protecting the sound: the network loses sound."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := adaptation(media.Stats{Adaptation: tt.s}); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}
