package app

import (
	"context"
	"errors"
	"maps"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/peregrine-softphone/peregrine/presence"
)

// The settings a user can set, as in docs/control.md.
const (
	SettingInput      = "audio.input"           // default, device:NAME, tone:HZ, file:PATH, loop, none
	SettingOutput     = "audio.output"          // default, device:NAME, file:PATH, loop, none
	SettingRinger     = "audio.ringer"          // as audio.output; "same": the speaker
	SettingEcho       = "audio.echo"            // on, off: take the speaker out of the microphone
	SettingNoise      = "audio.noise"           // on, off: take steady noise out of the microphone
	SettingGain       = "audio.gain"            // on, off: bring the microphone to an even loudness
	SettingRingtone   = "ringtone"              // a WAV file; empty: the built-in one
	SettingTones      = "tones"                 // a country as in ISO 3166, "auto": that of the system
	SettingAdaptation = "adaptation"            // on, off: fit bitrate and codec to the network
	SettingRecFormat  = "recording.format"      // wav, opus
	SettingRecFolder  = "recording.folder"      // where recordings go; empty: "Recordings" in the profile
	SettingAutoAnswer = "autoanswer"            // on, off
	SettingDND        = "dnd"                   // on, off: turn calls away, quietly
	SettingStrangers  = "strangers"             // ring, ask, refuse: people the user does not know
	SettingTransfers  = "transfers"             // ask, allow, refuse: transfers the other side asks for
	SettingShield     = "shield"                // on, off: take only what came by a server, the LAN or a trusted peer
	SettingTrusted    = "shield.trusted"        // addresses and prefixes of peers that may come past the server
	SettingCodecs     = "codecs"                // order of preference: "opus,G722,PCMU"
	SettingOnPhone    = "presence.on_the_phone" // on, off: tell buddies while in a call
	SettingStatus     = "presence.status"       // what the user chose: online, away, busy, …
	SettingNote       = "presence.note"         // the words beside it
	SettingPort       = "sip.port"              // 0: any free port; takes effect at the next start
	SettingTheme      = "theme"                 // system, light, dark
)

// defaultCodecs are offered unless the user names others. A caller with nothing but another one is answered by that;
// more of them in each INVITE would carry it beyond the size that goes by UDP (RFC 3261 18.1.1).
const defaultCodecs = "opus,G722,PCMU,PCMA"

// Values of SettingStrangers and SettingTransfers.
const (
	strangersRing   = "ring"
	strangersAsk    = "ask"
	strangersRefuse = "refuse"
	transfersAsk    = "ask"
	transfersAllow  = "allow"
	transfersRefuse = "refuse"
)

// setting describes one key: its value when nobody set it, and what values it takes.
type setting struct {
	key, initial string
	check        func(string) bool
	want         string // for the sentence when check says no
}

func settingTable() []setting {
	onOff := oneOf("on", "off")
	return []setting{
		{
			SettingInput,
			"default",
			deviceSpec("default", "device:", "tone:", "file:", "loop", "none"),
			"default, device:NAME, tone:HZ, file:PATH, loop or none",
		},
		{
			SettingOutput,
			"default",
			deviceSpec("default", "device:", "file:", "loop", "none"),
			"default, device:NAME, file:PATH, loop or none",
		},
		{
			SettingRinger,
			"same",
			deviceSpec("same", "default", "device:", "file:", "none"),
			"same, default, device:NAME, file:PATH or none",
		},
		{SettingEcho, "on", onOff, "on or off"},
		{SettingNoise, "on", onOff, "on or off"},
		{SettingGain, "on", onOff, "on or off"},
		{SettingRingtone, "", isPath, "a WAV file, or empty"},
		{SettingTones, "auto", isCountry, "auto, or two letters of a country"},
		{SettingAdaptation, "on", onOff, "on or off"},
		{SettingRecFormat, "wav", oneOf("wav", "opus"), "wav or opus"},
		{SettingRecFolder, "", isPath, "a folder, or empty"},
		{SettingAutoAnswer, "off", onOff, "on or off"},
		{
			SettingCodecs,
			defaultCodecs,
			func(v string) bool { return v != "" && len(v) < 200 },
			"codec names, the best first, with commas between",
		},
		{SettingDND, "off", onOff, "on or off"},
		{
			SettingStrangers, strangersRing, oneOf(strangersRing, strangersAsk, strangersRefuse),
			"ring, ask or refuse",
		},
		{SettingTransfers, transfersAsk, oneOf(transfersAsk, transfersAllow, transfersRefuse), "ask, allow or refuse"},
		{SettingShield, "on", onOff, "on or off"},
		{
			SettingTrusted, "", func(v string) bool { _, err := parsePrefixes(v); return err == nil },
			"addresses like 192.0.2.7 or 10.0.0.0/8, with commas between",
		},
		{SettingOnPhone, "on", onOff, "on or off"},
		{SettingStatus, "online", isStatus, "online, away, busy, on_the_phone, lunch or offline"},
		{SettingNote, "", func(v string) bool { return len(v) <= presence.MaxNote }, "at most two sentences"},
		{SettingPort, "0", isPort, "a port number, or 0 for any"},
		{SettingTheme, "system", oneOf("system", "light", "dark"), "system, light or dark"},
	}
}

func oneOf(words ...string) func(string) bool {
	return func(v string) bool { return slices.Contains(words, v) }
}

// isStatus accepts what a user can be; nobody can be unknown.
func isStatus(v string) bool {
	status, ok := presence.ParseStatus(v)
	return ok && status != presence.Unknown
}

func isPath(v string) bool { return len(v) < 4096 && !strings.ContainsRune(v, 0) }

func isCountry(v string) bool {
	return v == "auto" || len(v) == 2 && strings.Trim(v, "abcdefghijklmnopqrstuvwxyz") == ""
}

func isPort(v string) bool {
	n, err := strconv.Atoi(v)
	return err == nil && n >= 0 && n < 65536
}

// maxTrusted bounds the list of trusted peers.
const maxTrusted = 64

// parsePrefixes reads addresses and prefixes with commas between.
func parsePrefixes(v string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for part := range strings.SplitSeq(v, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		p, err := netip.ParsePrefix(part)
		if err != nil {
			a, aerr := netip.ParseAddr(part)
			if aerr != nil {
				return nil, aerr
			}
			p = netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen())
		}
		if out = append(out, p.Masked()); len(out) > maxTrusted {
			return nil, errors.New("too many")
		}
	}
	return out, nil
}

// deviceSpec accepts the given words, and the given prefixes (they end in a colon) with something behind.
func deviceSpec(words ...string) func(string) bool {
	return func(v string) bool {
		for _, w := range words {
			if v == w && !strings.HasSuffix(w, ":") {
				return true
			}
			if strings.HasSuffix(w, ":") && strings.HasPrefix(v, w) && len(v) > len(w) && len(v) < 4096 {
				return true
			}
		}
		return false
	}
}

// settingsFile is the state of the settings: what settings.json holds, keys of other versions included.
type settingsFile struct {
	path   string
	table  []setting
	values map[string]string
}

// openSettings reads the settings of a profile. The error, if any, wraps errDamaged or is one of the
// file system; the settings are usable either way.
func openSettings(profile string) (*settingsFile, error) {
	s := &settingsFile{path: filepath.Join(profile, fileSettings), table: settingTable(), values: map[string]string{}}
	err := loadJSON(s.path, &s.values)
	if s.values == nil { // the file says null
		s.values = map[string]string{}
	}
	return s, err
}

// get gives the value of key, and false when there is no such key. A value that its check refuses,
// written by another program, counts as not set.
func (s *settingsFile) get(key string) (string, bool) {
	for _, d := range s.table {
		if d.key != key {
			continue
		}
		if v, ok := s.values[key]; ok && d.check(v) {
			return v, true
		}
		return d.initial, true
	}
	return "", false
}

// value gives the value of a key of the table.
func (s *settingsFile) value(key string) string {
	v, _ := s.get(key)
	return v
}

func (s *settingsFile) set(key, value string) error {
	return s.setAll(map[string]string{key: value})
}

// setAll sets several keys at once, all or none.
func (s *settingsFile) setAll(values map[string]string) error {
	next := maps.Clone(s.values)
	for key, value := range values {
		if err := s.accept(key, value); err != nil {
			return err
		}
		next[key] = value
	}
	if err := saveJSON(s.path, next); err != nil {
		return saveFailed(err)
	}
	s.values = next
	return nil
}

// accept tells in words why a setting cannot have a value.
func (s *settingsFile) accept(key, value string) error {
	i := slices.IndexFunc(s.table, func(d setting) bool { return d.key == key })
	if i < 0 {
		keys := make([]string, len(s.table))
		for i, d := range s.table {
			keys[i] = d.key
		}
		return userErrorf("There is no setting %q. The settings are %s.", key, strings.Join(keys, ", "))
	}
	if !s.table[i].check(value) {
		return userErrorf("%s cannot be %q. It can be %s.", key, value, s.table[i].want)
	}
	return nil
}

// all gives every key with its value in force.
func (s *settingsFile) all() Settings {
	out := make(Settings, len(s.table))
	for _, d := range s.table {
		out[d.key] = s.value(d.key)
	}
	return out
}

// Set changes a setting and saves it. Audio settings take effect in live calls at once.
func (e *Engine) Set(_ context.Context, key, value string) error {
	e.mu.Lock()
	old := e.settings.value(key)
	err := e.settings.set(key, value)
	e.mu.Unlock()
	if err != nil {
		return err
	}
	if old != value {
		e.settingChanged(key)
		e.changed()
	}
	return nil
}

// Get gives the value of a setting in force.
func (e *Engine) Get(_ context.Context, key string) (string, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	v, ok := e.settings.get(key)
	if !ok {
		return "", userErrorf("There is no setting %q.", key)
	}
	return v, nil
}

// setting gives the value of a key of the table.
func (e *Engine) setting(key string) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	v := e.settings.value(key)
	return v
}
