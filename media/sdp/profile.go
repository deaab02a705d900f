package sdp

import "strings"

// Profile is what the protocol of an m= line says of its encryption.
type Profile uint8

// The profiles. Those with feedback (RFC 4585, RFC 5124) count as those without: the feedback messages are optional
// (RFC 4585 3.5).
const (
	OtherProfile Profile = iota // none that we do
	PlainRTP                    // RTP/AVP: plain, or with keys in attributes all the same (RFC 8643)
	SecureRTP                   // RTP/SAVP: encrypted, keys in the description (RFC 3711 12, RFC 4568)
	SecureDTLS                  // UDP/TLS/RTP/SAVP: encrypted, keys by DTLS (RFC 5764 8)
)

// Profile is what the line's protocol says.
func (m *Media) Profile() Profile {
	switch proto := strings.ToUpper(m.Proto); proto {
	case "RTP/AVP", "RTP/AVPF":
		return PlainRTP
	case "RTP/SAVP", "RTP/SAVPF":
		return SecureRTP
	case "UDP/TLS/RTP/SAVP", "UDP/TLS/RTP/SAVPF":
		return SecureDTLS
	}
	return OtherProfile
}

// Values lists the values of an attribute of the line, in its order.
func (m *Media) Values(key string) []string { return values(m.Attributes, key) }

// Inherited lists the values of an attribute that counts for all lines when it stands above them: those of the line, or
// else those of the session.
func (d *Description) Inherited(m *Media, key string) []string {
	if list := m.Values(key); len(list) > 0 {
		return list
	}
	return values(d.Attributes, key)
}

func values(attributes []Attribute, key string) []string {
	var list []string
	for _, a := range attributes {
		if strings.EqualFold(a.Key, key) {
			list = append(list, a.Value)
		}
	}
	return list
}
