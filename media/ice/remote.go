package ice

import (
	"net/netip"
	"strconv"
	"strings"

	pion "github.com/pion/ice/v4"

	"github.com/peregrine-softphone/peregrine/media/sdp"
)

// Bounds of what a peer's description may say (RFC 8839 5).
const (
	maxCandidates = 64 // the rest is ignored
	maxText       = 256
	maxFoundation = 32
)

// Remote is the peer's side of ICE, as its description says it.
type Remote struct {
	credentials
	Lite bool // it only answers checks (RFC 8445 2.5)

	list [components][]pion.Candidate
}

// of lists the candidates of a component.
func (r *Remote) of(component int) []pion.Candidate { return r.list[index(component)] }

// ParseRemote reads the ICE lines of a description and its media line. It gives nil where there are none that can be
// used: no credentials, no candidate, or "ice-mismatch"; then the media goes by SDP alone. mismatch tells that the
// address of the media line is that of no candidate: something on the way has changed it, and ICE must not be used
// (RFC 8839 4.2.5).
func ParseRemote(d *sdp.Description, line *sdp.Media) (r *Remote, mismatch bool) {
	if d == nil || line == nil {
		return nil, false
	}
	r = &Remote{credentials: credentials{ufrag: credential(d, line, "ice-ufrag"), pwd: credential(d, line, "ice-pwd")}}
	_, r.Lite = d.Attribute("ice-lite")
	_, refused := line.Attribute("ice-mismatch")
	// RFC 8839 5.4: 4 to 256, and 22 to 256 characters.
	if refused || len(r.ufrag) < 4 || len(r.ufrag) > maxText || len(r.pwd) < 22 || len(r.pwd) > maxText ||
		!iceChars(r.ufrag) || !iceChars(r.pwd) {
		return nil, false
	}
	count, found := 0, false
	chosen := netip.AddrPortFrom(d.Connection(line), uint16(max(line.Port, 0))) //nolint:gosec // Parse checked it.
	for _, a := range line.Attributes {
		if !strings.EqualFold(a.Key, "candidate") {
			continue
		}
		if count++; count > maxCandidates {
			break
		}
		c, component, addr, ok := parseCandidate(a.Value)
		if !ok {
			continue
		}
		r.list[index(component)] = append(r.list[index(component)], c)
		found = found || component == rtpComponent && addr == chosen
	}
	if len(r.list[0]) == 0 {
		return nil, false
	}
	// 0.0.0.0 and port 9 stand for an address that is yet to be found (RFC 8838 11.1).
	if !found && chosen.Addr().IsValid() && !chosen.Addr().IsUnspecified() && chosen.Port() != 9 {
		return nil, true
	}
	return r, false
}

// credential reads a value of the media line or, where it has none, of the session.
func credential(d *sdp.Description, line *sdp.Media, key string) string {
	if v, ok := line.Attribute(key); ok {
		return v
	}
	v, _ := d.Attribute(key)
	return v
}

// iceChars tells whether text is made of ice-char (RFC 8839 5.1) and of a few more that some peers use.
func iceChars(text string) bool {
	for _, c := range text {
		ok := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("+/-_.=", c)
		if !ok {
			return false
		}
	}
	return true
}

// parseCandidate reads "foundation component transport priority address port typ type …" (RFC 8839 5.1). What is not
// UDP to a literal address is left out: TCP (RFC 6544), and names, of which those of mDNS would tell the peer that we
// are in its network.
func parseCandidate(value string) (c pion.Candidate, component int, addr netip.AddrPort, ok bool) {
	f := strings.Fields(value)
	if len(value) > 2*maxText || len(f) < 8 || len(f[0]) > maxFoundation || !iceChars(f[0]) ||
		!strings.EqualFold(f[2], "udp") || !strings.EqualFold(f[6], "typ") {
		return nil, 0, addr, false
	}
	component, err := strconv.Atoi(f[1])
	if err != nil || component != rtpComponent && component != rtcpComponent {
		return nil, 0, addr, false
	}
	priority, err := strconv.ParseUint(f[3], 10, 32)
	if err != nil || priority == 0 || priority > 1<<31-1 { // RFC 8839 5.1: 1 to 2^31 - 1
		return nil, 0, addr, false
	}
	ip, err := netip.ParseAddr(f[4])
	if err != nil || ip.Zone() != "" || ip.IsUnspecified() || ip.IsMulticast() {
		return nil, 0, addr, false
	}
	port, err := strconv.ParseUint(f[5], 10, 16)
	if err != nil || port == 0 {
		return nil, 0, addr, false
	}
	addr = netip.AddrPortFrom(ip.Unmap(), uint16(port))
	c, err = newCandidate(strings.ToLower(f[7]), f[0], addr, uint32(priority))
	return c, component, addr, err == nil && c != nil
}

// newCandidate makes pion's form of it. pion knows component 1 only: each of its agents does one of ours.
func newCandidate(kind, foundation string, addr netip.AddrPort, priority uint32) (pion.Candidate, error) {
	text, port := addr.Addr().String(), int(addr.Port())
	switch kind {
	case "host":
		return pion.NewCandidateHost(&pion.CandidateHostConfig{
			Network: "udp", Address: text, Port: port, Component: rtpComponent, Priority: priority,
			Foundation: foundation,
		})
	case "srflx":
		return pion.NewCandidateServerReflexive(&pion.CandidateServerReflexiveConfig{
			Network: "udp", Address: text, Port: port, Component: rtpComponent, Priority: priority,
			Foundation: foundation,
		})
	case "prflx":
		return pion.NewCandidatePeerReflexive(&pion.CandidatePeerReflexiveConfig{
			Network: "udp", Address: text, Port: port, Component: rtpComponent, Priority: priority,
			Foundation: foundation,
		})
	case "relay":
		return pion.NewCandidateRelay(&pion.CandidateRelayConfig{
			Network: "udp", Address: text, Port: port, Component: rtpComponent, Priority: priority,
			Foundation: foundation,
		})
	}
	return nil, nil //nolint:nilnil // a kind that is yet to be invented
}
