package app

import "slices"

// MediaPolicy is how the sound of an account's calls travels.
type MediaPolicy struct {
	Security MediaSecurity `json:"security,omitempty"` // empty: preferred
	Keys     KeyExchange   `json:"keys,omitempty"`     // empty: auto
	ICE      bool          `json:"ice,omitempty"`      // look for the best path with the other side (RFC 8445)
	STUN     string        `json:"stun,omitempty"`     // server, "host" or "host:port", port 3478; with ICE
	TURN     string        `json:"turn,omitempty"`     // server, as "turn:host:port?transport=tcp" (RFC 7065); with ICE
	TURNUser string        `json:"turn_user,omitempty"`
}

// MediaSecurity is whether calls are encrypted (SRTP, RFC 3711).
type MediaSecurity string

// The policies.
const (
	SecurityOff       MediaSecurity = "off"
	SecurityPreferred MediaSecurity = "preferred" // offered; a call without is made too (RFC 8643)
	SecurityRequired  MediaSecurity = "required"  // a call without is refused
)

// KeyExchange is how the keys of SRTP come about.
type KeyExchange string

// The ways.
const (
	KeysAuto KeyExchange = "auto" // SDES where signalling is by TLS, DTLS too
	KeysSDES KeyExchange = "sdes" // in the signalling (RFC 4568), by TLS only
	KeysDTLS KeyExchange = "dtls" // between the two ends (RFC 5764)
)

// checkMedia says in a sentence what is wrong with a policy.
func checkMedia(p MediaPolicy) error {
	if !slices.Contains([]MediaSecurity{"", SecurityOff, SecurityPreferred, SecurityRequired}, p.Security) {
		return userErrorf("Encryption of calls can be off, preferred or required, not %q.", string(p.Security))
	}
	if !slices.Contains([]KeyExchange{"", KeysAuto, KeysSDES, KeysDTLS}, p.Keys) {
		return userErrorf("Keys can be exchanged by auto, sdes or dtls, not %q.", string(p.Keys))
	}
	return p.checkServers()
}
