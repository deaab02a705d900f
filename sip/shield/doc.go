// Package shield decides what a user agent does with a request of somebody it did not call: whether it may ring, is
// answered, or falls on silence. It is for package sip and whoever writes another SIP endpoint.
//
// It is pure: no sockets, no goroutines, no clock of its own; every table is bounded and forgets. Order of calls: Look
// reads what is needed from a packet before it is parsed; Judge gives the Verdict for an Origin and what was
// addressed; Buckets and Slots bound how much one source and all together may ask; Scanner knows those who never
// mean well. Buckets, Slots and Recent may be used from any goroutine.
//
// Silence is the strongest answer there is over UDP: a scanner learns nothing from it, not even that somebody
// listens, and a forged source is not hit by our reply.
package shield

// Origin says where a request came from, as far as addresses can tell.
type Origin int

// The origins, from the least trusted.
const (
	// FromStranger is everybody else.
	FromStranger Origin = iota
	// FromLAN is a neighbour (loopback, private, link-local or on-link address) who asks for an account without a
	// server.
	FromLAN
	// FromTrusted is an address the user trusts (Policy.Trusted).
	FromTrusted
	// FromServer is the account's own server.
	FromServer
)

func (o Origin) String() string {
	switch o {
	case FromStranger:
		return "stranger"
	case FromLAN:
		return "lan"
	case FromTrusted:
		return "trusted"
	case FromServer:
		return "server"
	}
	return "unknown"
}

// Addressed says whom a request is for.
type Addressed int

// What a request may be addressed to.
const (
	// ToNobody is a user we do not have.
	ToNobody Addressed = iota
	// ToHost is this computer: a Request-URI without a user.
	ToHost
	// ToAOR is an account's public address, which anybody can guess.
	ToAOR
	// ToContact is an account's Contact, whose user nobody can guess; of an account without a server, its user name.
	ToContact
)

func (a Addressed) String() string {
	switch a {
	case ToNobody:
		return "nobody"
	case ToHost:
		return "host"
	case ToAOR:
		return "aor"
	case ToContact:
		return "contact"
	}
	return "unknown"
}

// Verdict is what to do with a request.
type Verdict int

// The verdicts.
const (
	// Silence drops the request without a trace on the wire.
	Silence Verdict = iota
	// Suspect is Silence, but the user may be told: somebody knows an address only our server should.
	Suspect
	// Probe answers honestly, a few times: a neighbour may have mistyped a name, or be trying all of them.
	Probe
	// Pass lets it through, to the buckets.
	Pass
)

func (v Verdict) String() string {
	switch v {
	case Silence:
		return "silence"
	case Suspect:
		return "suspect"
	case Probe:
		return "probe"
	case Pass:
		return "pass"
	}
	return "unknown"
}

// verdicts is the whole policy for requests outside dialogs.
//
//	          | nobody  | host    | AOR     | Contact
//	stranger  | silence | silence | silence | suspect
//	LAN       | probe   | pass    | pass    | pass
//	trusted   | pass    | pass    | pass    | pass
//	server    | pass    | pass    | pass    | pass
//
//nolint:gochecknoglobals // constant table
var verdicts = [...][4]Verdict{
	FromStranger: {ToNobody: Silence, ToHost: Silence, ToAOR: Silence, ToContact: Suspect},
	FromLAN:      {ToNobody: Probe, ToHost: Pass, ToAOR: Pass, ToContact: Pass},
	FromTrusted:  {ToNobody: Pass, ToHost: Pass, ToAOR: Pass, ToContact: Pass},
	FromServer:   {ToNobody: Pass, ToHost: Pass, ToAOR: Pass, ToContact: Pass},
}

// Judge looks a request outside dialogs up in the table.
func Judge(o Origin, to Addressed) Verdict {
	if o < FromStranger || o > FromServer || to < ToNobody || to > ToContact {
		return Silence
	}
	return verdicts[o][to]
}
