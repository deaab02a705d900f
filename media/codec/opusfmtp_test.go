package codec

import "testing"

func TestParseOpusFmtp(t *testing.T) {
	plain := opusParams{bitrate: opusBitrate, playbackRate: opusRate, most: opusMost}
	with := func(change func(*opusParams)) opusParams {
		p := plain
		change(&p)
		return p
	}
	for _, tt := range []struct {
		name, fmtp string
		want       opusParams
	}{
		{"nothing", "", plain},
		{"copies", "useinbandfec=1", with(func(p *opusParams) { p.loss = opusLoss })},
		{"no copies", "useinbandfec=0", plain},
		{"baresip", "stereo=1;sprop-stereo=1;maxaveragebitrate=28000", with(func(p *opusParams) { p.bitrate, p.most = 28000, 28000 })},
		{"spaces and case", " MaxPlaybackRate = 16000 ; UseInbandFEC = 1 ", with(func(p *opusParams) {
			p.playbackRate, p.loss = 16000, opusLoss
		})},
		{"more than we want", "maxaveragebitrate=510000;maxplaybackrate=96000", plain},
		{"pauses", "usedtx=1;maxaveragebitrate=40000", with(func(p *opusParams) { p.dtx, p.most = true, 40000 })},
		{"senseless", "maxaveragebitrate=1;maxplaybackrate=0;useinbandfec=2", plain},
		{"damaged", "maxaveragebitrate;=;;maxplaybackrate=x;useinbandfec=99999999999999999999", plain},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := parseOpusFmtp(tt.fmtp); got != tt.want {
				t.Errorf("%q: %+v, want %+v", tt.fmtp, got, tt.want)
			}
		})
	}
}

func FuzzParseOpusFmtp(f *testing.F) {
	f.Add("maxaveragebitrate=28000; useinbandfec=1")
	f.Fuzz(func(t *testing.T, fmtp string) {
		p := parseOpusFmtp(fmtp)
		if p.bitrate < 6000 || p.bitrate > opusBitrate || p.playbackRate < 8000 || p.playbackRate > opusRate ||
			p.loss > 100 || p.most < p.bitrate || p.most > opusMost {
			t.Errorf("%q: %+v", fmtp, p)
		}
	})
}

func TestTuneLeavesOthersAlone(t *testing.T) {
	if err := Tune(&g711Encoder{law: encodeULaw}, "maxaveragebitrate=6000"); err != nil {
		t.Error(err)
	}
}
