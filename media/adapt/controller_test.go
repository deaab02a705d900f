package adapt

import (
	"encoding/binary"
	"testing"
	"time"
)

func TestStateTable(t *testing.T) {
	// Every event in every state: strained, granted, refused, healed, passed, relapsed, replaced, silenced.
	want := map[State][events]State{
		Home:      {Asking, Home, Home, Home, Home, Home, Home, Home},
		Asking:    {Asking, Away, Home, Asking, Asking, Asking, Home, Asking},
		Away:      {Away, Away, Away, Probing, Away, Away, Home, Returning},
		Probing:   {Away, Probing, Probing, Probing, Returning, Away, Home, Returning},
		Returning: {Returning, Home, Away, Returning, Returning, Returning, Home, Returning},
	}
	for s := range states {
		for e := range events {
			if got := next(s, e); got != want[s][e] {
				t.Errorf("%v, event %d: %v, want %v", s, e, got, want[s][e])
			}
		}
	}
}

func TestJudge(t *testing.T) {
	ms := time.Millisecond
	for _, tt := range []struct {
		name   string
		loss   float64
		smooth float64
		queue  time.Duration
		want   verdict
	}{
		{"nothing", 0, 0, 0, clear},
		{"a little of both", 0.01, 0.01, 40 * ms, clear},
		{"some delay", 0, 0, 80 * ms, busy},
		{"long delay", 0, 0, 250 * ms, congested},
		{"radio", 0.1, 0.1, 10 * ms, lossy},
		{"a burst on a radio", 0.5, 0.2, 10 * ms, lossy},
		{"bottleneck that drops", 0.12, 0.05, 90 * ms, congested},
		{"policer", 0.5, 0.45, 0, congested},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := judge(tt.loss, tt.smooth, tt.queue); got != tt.want {
				t.Errorf("%v, want %v", got, tt.want)
			}
		})
	}
}

// TestOneReportIsNotEnough: a single bad report, true or forged, changes neither codec nor much of the bitrate.
func TestOneReportIsNotEnough(t *testing.T) {
	for _, codec := range []string{"PCMU", "opus"} {
		var c Controller
		r := Report{
			Codec: codec, Codecs: []string{"PCMU", "opus"}, Active: true, PacketMS: 20, Usual: 32000, Most: 510000,
			FEC: true, Up: Up{RTT: 40 * time.Millisecond, Load: 80000}, Down: Down{Load: 80000},
		}
		bitrate := r.Usual
		for i := range 200 {
			now := time.Duration(i) * 500 * time.Millisecond
			if i%10 == 0 {
				r.Up.Reports++
				r.Up.Loss, r.Up.RTT = 0, 40*time.Millisecond
			}
			if i == 100 {
				r.Up.Loss, r.Up.RTT = 1, time.Minute
			}
			for _, a := range c.Step(now, r) {
				switch a := a.(type) {
				case Wish:
					t.Errorf("%s: %+v after one report", codec, a)
				case SetBitrate:
					bitrate = a.BPS
				case SetFEC, SetBandwidth, SetDTX, SetConstant, SetPacketTime:
				}
			}
		}
		if bitrate != r.Usual {
			t.Errorf("%s: %d bit/s long after it", codec, bitrate)
		}
	}
}

func TestLean(t *testing.T) {
	for _, tt := range []struct {
		name   string
		codec  string
		codecs []string
		reason Reason
		budget int
		want   string
	}{
		{"opus, if there is", "PCMU", []string{"PCMU", "GSM", "opus"}, Slow, 40000, "opus"},
		{"what fits", "L16", []string{"L16", "G722", "GSM"}, Slow, 100000, "G722"},
		{"what is least", "L16", []string{"L16", "G722", "GSM"}, Slow, 10000, "GSM"},
		{"the richer that fits", "PCMA", []string{"PCMA", "GSM", "speex"}, Slow, 50000, "speex"},
		{"nothing leaner", "PCMU", []string{"PCMU", "PCMA", "G722"}, Slow, 40000, ""},
		{"no copies to be had", "PCMU", []string{"PCMU", "GSM"}, Lossy, 80000, ""},
		{"copies", "PCMU", []string{"PCMU", "OPUS"}, Lossy, 80000, "OPUS"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := Report{Codec: tt.codec, Codecs: tt.codecs, PacketMS: 20}
			if got, _ := lean(r, tt.reason, tt.budget); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

// FuzzStep: whatever is reported, nothing leaves its bounds, no direction is taken twice in a minute, and when all is
// well for long enough, all is as in the beginning.
func FuzzStep(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x00\xff\xff\xff\xff\x80\x40\x20\x10"), true)
	f.Add([]byte{200, 255, 100, 3, 200, 255, 100, 3, 200, 255, 100, 3, 0, 0, 0, 3, 0, 0, 0, 3, 0, 0, 0, 3}, true)
	f.Add([]byte{200, 255, 100, 7, 200, 255, 100, 9, 200, 255, 100, 11, 0, 0, 0, 13}, false)
	f.Fuzz(func(t *testing.T, data []byte, agrees bool) {
		p := player{t: t, agrees: agrees, codec: "PCMU", home: "PCMU"}
		for len(data) >= 4 && p.now < 2*time.Hour {
			word := binary.BigEndian.Uint32(data)
			data = data[4:]
			up := Up{Loss: float64(word&0xff) / 255, RTT: time.Duration(word>>8&0xff) * 8 * time.Millisecond}
			down := Down{Loss: float64(word>>16&0xff) / 255, Queue: time.Duration(word>>20&0xff) * 4 * time.Millisecond}
			for range 1 + word>>24&0x3f {
				p.step(up, down, word>>30&1 == 1, word>>31 == 1)
			}
		}
		for range 2 * 60 * 60 { // an hour of good weather
			p.step(Up{RTT: 30 * time.Millisecond}, Down{}, false, false)
		}
		if s := p.c.Situation(); p.codec != p.home || s.State != Home || p.constant {
			t.Errorf("ends %v with %s", s.State, p.codec)
		}
		if p.packetMS != 0 && p.packetMS != 20 {
			t.Errorf("ends with packets of %d ms", p.packetMS)
		}
	})
}

// player plays a call to a controller.
type player struct {
	t            *testing.T
	c            Controller
	now          time.Duration
	agrees       bool
	codec, home  string
	bitrate      int
	packetMS     int
	constant     bool
	reports      uint64
	owed         *Wish
	owedAt       time.Duration
	lastAway     stamp
	lastReturned stamp
}

func (p *player) step(up Up, down Down, held, pinned bool) {
	p.now += 500 * time.Millisecond
	if p.now%time.Second == 0 {
		p.reports++
	}
	if p.owed != nil && p.now >= p.owedAt {
		if p.agrees {
			p.codec = p.owed.Codec
		}
		p.c.Outcome(p.agrees)
		p.owed = nil
	}
	if pinned && !held && p.owed == nil {
		p.home = p.codec
	}
	up.Reports, up.Load = p.reports, 80000
	down.Load = 80000
	r := Report{
		Codec: p.codec, Codecs: []string{"PCMU", "opus"}, Active: !held, Pinned: pinned, PacketMS: 20,
		Usual: 32000, Most: 40000, FEC: true, Up: up, Down: down,
	}
	for _, a := range p.c.Step(p.now, r) {
		switch a := a.(type) {
		case SetBitrate:
			if p.bitrate = a.BPS; a.BPS < MinBitrate || a.BPS > r.Most {
				p.t.Fatalf("bitrate %d", a.BPS)
			}
		case SetFEC:
			if a.Percent < 0 || a.Percent > maxFEC {
				p.t.Fatalf("copies for %d %%", a.Percent)
			}
		case SetPacketTime:
			if p.packetMS = a.MS; a.MS < 10 || a.MS > 60 {
				p.t.Fatalf("packets of %d ms", a.MS)
			}
		case SetConstant:
			p.constant = a.On
		case SetBandwidth, SetDTX:
		case Wish:
			p.wish(a)
			if pinned {
				p.t.Fatalf("%+v against the user's choice", a)
			}
		}
	}
}

func (p *player) wish(w Wish) {
	last := &p.lastAway
	if w.Return {
		last = &p.lastReturned
	}
	if !last.passed(p.now, time.Minute) {
		p.t.Fatalf("%+v %v after the one before", w, p.now-last.at)
	}
	if p.owed != nil {
		p.t.Fatalf("%+v while the one before is open", w)
	}
	*last = stamp{p.now, true}
	p.owed, p.owedAt = &w, p.now+time.Second
}
