package sdp

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Format is one payload type of an audio or video line.
type Format struct {
	PayloadType uint8
	Name        string // encoding name; compared without regard to case
	ClockRate   int    // ticks per second
	Channels    int    // 0 and 1 are the same
	Fmtp        string // parameters, "" for none
}

// TelephoneEvent is the encoding name of RFC 4733.
const TelephoneEvent = "telephone-event"

// ComfortNoise is the encoding name of RFC 3389.
const ComfortNoise = "CN"

// Same reports whether f and g are the same encoding, whatever their payload types and parameters.
func (f Format) Same(g Format) bool {
	return strings.EqualFold(f.Name, g.Name) && f.ClockRate == g.ClockRate && max(f.Channels, 1) == max(g.Channels, 1)
}

func (f Format) key() string {
	return fmt.Sprintf("%s/%d/%d", strings.ToLower(f.Name), f.ClockRate, max(f.Channels, 1))
}

func (f Format) rtpmap() string {
	s := fmt.Sprintf("%d %s/%d", f.PayloadType, f.Name, f.ClockRate)
	if f.Channels > 1 {
		s += "/" + strconv.Itoa(f.Channels)
	}
	return s
}

// static returns the encoding of a payload type that needs no rtpmap (RFC 3551 table 4 and 5).
func static(payloadType uint8) (Format, bool) {
	var name string
	clock, channels := 8000, 1
	switch payloadType {
	case 0:
		name = "PCMU"
	case 3:
		name = "GSM"
	case 4:
		name = "G723"
	case 5:
		name = "DVI4"
	case 6:
		name, clock = "DVI4", 16000
	case 7:
		name = "LPC"
	case 8:
		name = "PCMA"
	case 9:
		name = "G722"
	case 10:
		name, clock, channels = "L16", 44100, 2
	case 11:
		name, clock = "L16", 44100
	case 12:
		name = "QCELP"
	case 13:
		name = ComfortNoise
	case 15:
		name = "G728"
	case 18:
		name = "G729"
	case 26:
		name, clock = "JPEG", 90000
	case 31:
		name, clock = "H261", 90000
	case 34:
		name, clock = "H263", 90000
	default:
		return Format{}, false
	}
	return Format{PayloadType: payloadType, Name: name, ClockRate: clock, Channels: channels}, true
}

// RTPFormats returns the formats of an RTP media line in its order. Payload types without a usable mapping are left
// out, as are repetitions.
func (m *Media) RTPFormats() []Format { return m.rtpFormats(nil) }

// rtpFormats is RTPFormats with a meaning for dynamic payload types that have no rtpmap of their own.
func (m *Media) rtpFormats(fallback []Format) []Format {
	maps, params := map[uint8]Format{}, map[uint8]string{}
	for _, a := range m.Attributes {
		number, value, ok := strings.Cut(a.Value, " ")
		pt, err := strconv.ParseUint(number, 10, 7) // RTP payload types have 7 bits
		if !ok || err != nil {
			continue
		}
		switch strings.ToLower(a.Key) {
		case "rtpmap":
			if f, ok := parseRtpmap(uint8(pt), strings.TrimSpace(value)); ok {
				maps[f.PayloadType] = f
			}
		case "fmtp":
			params[uint8(pt)] = strings.TrimSpace(value)
		}
	}
	var list []Format
	seen := map[uint8]bool{}
	for _, text := range m.Formats {
		n, err := strconv.ParseUint(text, 10, 7)
		pt := uint8(n)
		if err != nil || seen[pt] {
			continue
		}
		seen[pt] = true
		f, ok := maps[pt]
		if !ok {
			f, ok = static(pt)
		}
		if i := slices.IndexFunc(fallback, func(g Format) bool { return g.PayloadType == pt }); !ok && i >= 0 {
			f, ok = fallback[i], true
		}
		if !ok {
			continue
		}
		f.Fmtp = params[pt]
		list = append(list, f)
	}
	return list
}

// parseRtpmap reads "opus/48000/2".
func parseRtpmap(pt uint8, value string) (Format, bool) {
	parts := strings.Split(value, "/")
	if len(parts) < 2 || parts[0] == "" {
		return Format{}, false
	}
	clock, err := strconv.Atoi(strings.TrimSpace(parts[1]))
	if err != nil || clock < 1000 || clock > 1_000_000 {
		return Format{}, false
	}
	f := Format{PayloadType: pt, Name: parts[0], ClockRate: clock, Channels: 1}
	if len(parts) > 2 {
		n, err := strconv.Atoi(strings.TrimSpace(parts[2]))
		if err != nil || n < 1 || n > 255 {
			return Format{}, false
		}
		f.Channels = n
	}
	return f, true
}
