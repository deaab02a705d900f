// Package trust judges the certificates of TLS servers for one account: by the authorities of the system, by a file
// of the user's own authorities, or by the key itself. Package sip puts a Policy into an account, package
// sip/transport asks it for the configuration of each connection.
package trust

// Mode says who vouches for a server.
type Mode int

// The modes of a Policy.
const (
	System Mode = iota // the authorities this computer trusts
	CA                 // those of a file alone
	Pin                // nobody: the server's key is known, or taken at first use
)

// Policy says when a server is the right one. The zero value asks the system's authorities. Policies are comparable:
// connections are shared among equal ones only.
type Policy struct {
	Mode   Mode
	CAFile string // PEM; of mode CA
	// Pin is "sha256/" and the base64 of the SHA-256 of the server's SubjectPublicKeyInfo, of mode Pin. Empty: the first
	// key is taken; whoever made the Policy should then put Conn.PeerKey into it.
	Pin string
}
