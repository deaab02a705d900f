package app

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/peregrine-softphone/peregrine/media"
	"github.com/peregrine-softphone/peregrine/media/adapt"
	"github.com/peregrine-softphone/peregrine/media/audio"
	"github.com/peregrine-softphone/peregrine/media/codec"
	"github.com/peregrine-softphone/peregrine/media/secure"
	"github.com/peregrine-softphone/peregrine/sip"
)

var _ sip.MediaSession = (*media.Session)(nil)

// systemDevices are the devices of package media/audio.
type systemDevices struct {
	log     *slog.Logger
	host    *audio.Host
	missing func(device string, missing bool)
}

var _ Devices = systemDevices{}

func (d systemDevices) options(loop *audio.Loop) audio.Options {
	return audio.Options{Logger: d.log, Loop: loop, Stream: "Call", Host: d.host, Missing: d.missing}
}

func (d systemDevices) OpenRecorder(spec string, loop *audio.Loop) (audio.Recorder, error) {
	return audio.OpenRecorder(spec, d.options(loop))
}

func (d systemDevices) OpenPlayer(spec string, loop *audio.Loop) (audio.Player, error) {
	return audio.OpenPlayer(spec, d.options(loop))
}

func (d systemDevices) List(ctx context.Context) ([]audio.DeviceInfo, error) {
	return d.host.Devices(ctx)
}

// newSession makes the media of a call from the settings. toward is where its signalling goes; the zero
// value stands for the Internet at large.
func (e *Engine) newSession(c *call, toward netip.Addr) (*media.Session, error) {
	return media.New(e.mediaConfig(c, toward))
}

func (e *Engine) mediaConfig(c *call, toward netip.Addr) media.Config {
	policy, keys, byTLS := e.securityOf(c)
	certificate, err := e.certificate()
	if err != nil { // keys by SDES remain
		e.log.Warn("no certificate for media", "err", err)
	}
	return media.Config{
		Logger: e.log, LocalAddr: func(remote netip.Addr) netip.Addr { return e.mediaAddress(remote, toward) },
		Codecs: e.codecsFor(c), ICE: e.iceOf(c, toward),
		Security: policy, Keys: keys, Certificate: certificate,
		SecureSignalling: func() bool { return c.secured(byTLS) }, Recorder: recorder{e, c.sound},
		Player: player{e, c.sound}, Adapt: e.setting(SettingAdaptation) == "on",
		OnWish: func(w adapt.Wish) { e.wished(c, w) },
		OnChange: func() {
			e.mu.Lock()
			e.refreshMediaLocked(c)
			e.mu.Unlock()
			e.mover.callChanged(c)
		},
	}
}

// fits reports whether a call to us can be answered, and by codecs only that the settings do not name: better those
// than no call. An error says that it cannot, whatever the user does.
func (e *Engine) fits(s *sip.Call) (anyCodec bool, err error) {
	offer := s.Offered()
	if len(offer) == 0 {
		return false, nil // it wants our offer
	}
	c := &call{account: s.Account().ID()}
	c.way.Store(s)
	cfg := e.mediaConfig(c, netip.Addr{})
	if err = media.Judge(cfg, offer); errors.Is(err, media.ErrNoCommonCodec) {
		cfg.Codecs, anyCodec = codec.Available(), true
		err = media.Judge(cfg, offer)
	}
	return anyCodec, err
}

// securityOf is the policy of a call's account, and whether requests outside a call go to its server by TLS.
func (e *Engine) securityOf(c *call) (policy secure.Policy, keys secure.Exchange, byTLS bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	policy = secure.Preferred
	for _, a := range e.accounts {
		if a.id() != c.account {
			continue
		}
		switch a.entry.Security {
		case SecurityOff:
			policy = secure.Off
		case SecurityRequired:
			policy = secure.Required
		case SecurityPreferred, "":
		}
		switch a.entry.Keys {
		case KeysSDES:
			keys = secure.SDES
		case KeysDTLS:
			keys = secure.DTLS
		case KeysAuto, "":
		}
		byTLS = a.sip != nil && a.sip.State().Transport == "tls"
	}
	return policy, keys, byTLS
}

// secured reports whether keys may stand in the call's descriptions. byTLS counts until a way is known: should the
// first request go another one, package sip takes the keys out. It takes no lock of the engine.
func (c *call) secured(byTLS bool) bool {
	s := c.way.Load()
	if s == nil || s.State() == sip.Calling && !s.Secure() {
		return byTLS
	}
	return s.Secure()
}

// mediaAddress is the address to write into SDP: the one that leads to the peer's media, or as long as
// that is unknown, to where the call's signalling goes.
func (e *Engine) mediaAddress(remote, toward netip.Addr) netip.Addr {
	if !remote.IsValid() {
		remote = toward
	}
	if !remote.IsValid() {
		remote = netip.AddrFrom4(
			[4]byte{198, 51, 100, 1},
		) // documentation (RFC 5737): the way to the Internet at large
	}
	local, err := e.source(netip.AddrPortFrom(remote, defaultPort))
	if err != nil {
		return netip.Addr{}
	}
	return local
}

// codecsFor are the codecs of a call, best first.
func (e *Engine) codecsFor(c *call) []codec.Codec {
	if c.anyCodec {
		return codec.Available()
	}
	return codecOrder(e.codecsOf(c))
}

// codecsOf is the order of codecs for a call: that of its account, else that of the settings.
func (e *Engine) codecsOf(c *call) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, a := range e.accounts {
		if a.id() == c.account && a.entry.Codecs != "" {
			return a.entry.Codecs
		}
	}
	return e.settings.value(SettingCodecs)
}

// codecOrder puts the codecs of this build in the order of the setting; those it does not name are not offered. A name
// stands for the codec at every clock rate it has, "speex/8000" for one.
func codecOrder(order string) []codec.Codec {
	if named := namedCodecs(order); len(named) > 0 {
		return named
	}
	return codec.Available()
}

func namedCodecs(order string) []codec.Codec {
	have := codec.Available()
	var out []codec.Codec
	for name := range strings.SplitSeq(order, ",") {
		title, rate, _ := strings.Cut(strings.TrimSpace(name), "/")
		for _, c := range have {
			if strings.EqualFold(c.Name, title) && (rate == "" || rate == strconv.Itoa(c.ClockRate)) &&
				!slices.ContainsFunc(out, c.Same) {
				out = append(out, c)
			}
		}
	}
	return out
}

// Devices lists microphones and speakers. For a while after it was called Audio.Devices of the snapshot changes when
// one comes or goes.
func (e *Engine) Devices(ctx context.Context) ([]Device, error) {
	list, err := e.cfg.Devices.List(ctx)
	e.devicesShown(list)
	if err != nil {
		return nil, problem(
			err,
			"No microphone or speaker was found. Is a sound server running? Calls work without sound until then.",
		)
	}
	out := []Device{}
	add := func(d audio.DeviceInfo, kind string) {
		out = append(out, Device{Setting: "device:" + d.Name, Name: d.Name, Kind: kind, Default: d.Default})
	}
	for _, d := range list {
		if d.Input {
			add(d, "input")
		}
		if d.Output {
			add(d, "output")
		}
	}
	return out, nil
}
