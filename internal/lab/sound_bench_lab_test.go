//go:build lab

package lab

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/peregrine-softphone/peregrine/internal/lab/linkemu"
	"github.com/peregrine-softphone/peregrine/internal/lab/score"
)

// pathDelay of the uplink, each way: jitter of ±60 ms needs as much.
const pathDelay = 60 * time.Millisecond

// weather is one row of the benchmark.
type weather struct {
	name    string
	link    linkemu.Impairment
	settles time.Duration // before it is judged: the programs have had time to learn
	lasts   time.Duration
}

// weathers come one after the other in one call. What follows jitter is judged from ten seconds after it.
var weathers = []weather{
	{"loss 0 %", linkemu.Impairment{}, 5 * time.Second, 15 * time.Second},
	{"loss 2 %", linkemu.Impairment{Loss: 0.02}, 2 * time.Second, 20 * time.Second},
	{"loss 5 %", linkemu.Impairment{Loss: 0.05}, 2 * time.Second, 15 * time.Second},
	{"loss 10 %", linkemu.Impairment{Loss: 0.1}, 2 * time.Second, 15 * time.Second},
	{"loss 20 %", linkemu.Impairment{Loss: 0.2}, 2 * time.Second, 15 * time.Second},
	{"jitter ±20 ms", linkemu.Impairment{Jitter: 20 * time.Millisecond}, 5 * time.Second, 15 * time.Second},
	{"10 s after it", linkemu.Impairment{}, 10 * time.Second, 4 * time.Second},
	{"jitter ±60 ms", linkemu.Impairment{Jitter: 60 * time.Millisecond}, 5 * time.Second, 15 * time.Second},
	{"10 s after it", linkemu.Impairment{}, 10 * time.Second, 4 * time.Second},
}

// talking is a pair of phones of one program in a call with each other, the first of them on the far side of the delay
// box. Both have sinks of PulseAudio for microphone and loudspeaker.
type talking struct {
	name string
	ear  *Ear
}

// The sinks that all pairs share: the mouth of the callers, the callees' microphone and the callers' loudspeaker.
const (
	mouthSink = "mouth"
	quietSink = "quiet"
	spareSink = "spare"
)

// BenchmarkSound is how the speech of a caller arrives at the callee's ear, from sink to sink, with Peregrine or
// baresip, as they come, at both ends. All speak at the same time into the same microphone, through the same network,
// which gets worse and better again. linphonec knows ALSA only here, spins on its way to PulseAudio and is not heard. "damaged" are frames of 20 ms of a thousand with speech that are silent or another sound at
// the ear; "delay" is from mouth to ear, that of the network (60 ms) included.
func BenchmarkSound(b *testing.B) {
	for _, codec := range codecs {
		b.Run(codec.name, func(b *testing.B) {
			for b.Loop() {
				benchmarkSound(b, codec.name, codec.baresip)
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

func benchmarkSound(b *testing.B, codec, baresipCodec string) {
	b.Helper()
	files := suiteSpeech(b)
	must(b, RealTime(true))
	b.Cleanup(func() { must(b, RealTime(false)) })
	l := newLab(b, Config{Mobiles: 2, Correspondents: 2, Dir: b.TempDir(), Link: linkemu.Impairment{Delay: pathDelay}})
	server, err := l.StartSound(b.Context(), mouthSink, quietSink, spareSink, "ear-peregrine", "ear-baresip")
	must(b, err)
	mouth := listenTo(b, server, mouthSink)
	must(b, server.RealTime())
	pairs := []*talking{{name: "peregrine"}, {name: "baresip"}}
	for i, p := range pairs {
		p.ear = listenTo(b, server, "ear-"+p.name)
		starters[p.name](b, l, server, i, codec, baresipCodec)
	}
	must(b, server.Play(mouthSink, files.Wide))
	type stretch struct{ from, to time.Time }
	var judged []stretch
	for _, w := range weathers {
		link := w.link
		link.Delay = pathDelay
		must(b, l.Shape(link))
		time.Sleep(w.settles)
		from := time.Now()
		time.Sleep(w.lasts)
		judged = append(judged, stretch{from, time.Now()})
	}
	time.Sleep(1500 * time.Millisecond) // what is said last arrives
	var table strings.Builder
	fmt.Fprintf(&table, "%s\n| %-14s |", codec, "network")
	for _, p := range pairs {
		fmt.Fprintf(&table, " %-10s damaged/1000, delay p50/p95 ms |", p.name)
	}
	for i, w := range weathers {
		fmt.Fprintf(&table, "\n| %-14s |", w.name)
		said := mouth.Between(judged[i].from, judged[i].to)
		for _, p := range pairs {
			h, err := score.Hear(said, p.ear.Between(judged[i].from, judged[i].to.Add(1500*time.Millisecond)))
			if err != nil {
				fmt.Fprintf(&table, " %44v |", err)
				continue
			}
			fmt.Fprintf(&table, " %22.0f, %9.0f / %8.0f |", h.PerMille(), milliseconds(h.Delay(50)), milliseconds(h.Delay(95)))
			if i == 0 {
				b.ReportMetric(milliseconds(h.Delay(50)-pathDelay), p.name+"-delay-ms-p50")
				b.ReportMetric(milliseconds(h.Delay(95)-pathDelay), p.name+"-delay-ms-p95")
			}
		}
	}
	fmt.Println(table.String()) // b.Log would cut it
}

// starters make a pair of phones of a program on the hosts with the index i and let the mobile one call.
var starters = map[string]func(b *testing.B, l *Lab, server *SoundServer, i int, codec, baresipCodec string){
	"peregrine": func(b *testing.B, l *Lab, server *SoundServer, i int, codec, _ string) {
		b.Helper()
		start := func(h *Host, user, mouth, ear string) *Phone {
			return newPhone(b, h, PhoneConfig{User: user, Domain: Info, Env: server.Env(), Set: map[string]string{
				"audio.input": "device:" + mouth + ".monitor", "audio.output": "device:" + ear,
				"autoanswer": "on", "codecs": codec,
			}})
		}
		alice := start(&l.Mobile(i).Host, "alice", mouthSink, spareSink)
		bob := start(l.Correspondent(i), "bob", quietSink, "ear-peregrine")
		mark := alice.Mark()
		id, err := alice.Call(b.Context(), bob.AOR)
		must(b, err)
		_, err = alice.WaitCall(within(b, 10*time.Second), mark, id, "established")
		must(b, err)
	},
	"baresip": func(b *testing.B, l *Lab, server *SoundServer, i int, _, codec string) {
		b.Helper()
		start := func(h *Host, user, mouth, ear string) *Baresip {
			env, err := server.ALSA(mouth, ear)
			must(b, err)
			p, err := h.StartBaresip(b.Context(), BaresipConfig{
				User: user, Domain: Info, Codecs: []string{codec}, Env: env, Source: "alsa,mouth", Player: "alsa,ear",
				Lines: []string{"module alsa.so"},
			})
			must(b, err)
			return p
		}
		carol := start(&l.Mobile(i).Host, "carol", mouthSink, spareSink)
		dave := start(l.Correspondent(i), "dave", quietSink, "ear-baresip")
		since := time.Now()
		must(b, carol.Dial(b.Context(), dave.AOR))
		_, err := carol.WaitEvent(within(b, 10*time.Second), since, "CALL_ESTABLISHED")
		must(b, err)
	},
}

// equalOpus makes baresip's Opus what ours is: speech, one channel, the same rate, complexity and copies.
var equalOpus = []string{
	"opus_bitrate 32000", "opus_complexity 5", "opus_application voip", "opus_inbandfec yes", "opus_packet_loss 10",
	"opus_stereo no", "opus_sprop_stereo no",
}

func listenTo(b *testing.B, server *SoundServer, sink string) *Ear {
	b.Helper()
	ear, err := server.Listen(within(b, 10*time.Second), sink)
	must(b, err)
	b.Cleanup(func() { must(b, ear.Close()) })
	return ear
}
