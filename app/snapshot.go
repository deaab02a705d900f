package app

import (
	"time"
)

// Snapshot is the whole state a front-end shows, at one moment. It is immutable: the engine never
// changes one it has given out, and a front-end must not either. Its JSON form is what
// `peregrinectl watch` prints; the keys and the state words are a contract (docs/control.md).
type Snapshot struct {
	Revision uint64    `json:"revision"` // grows by one with every change
	Profile  string    `json:"profile"`  // folder of the profile
	Self     Self      `json:"self"`
	Accounts []Account `json:"accounts"` // in the order they were added
	Buddies  []Buddy   `json:"buddies"`  // in the order of buddies.xml
	Calls    []Call    `json:"calls"`    // live calls, oldest first, then the last few ended ones
	Chats    []Chat    `json:"chats"`    // newest activity first
	Network  Network   `json:"network"`
	Audio    Audio     `json:"audio"`
	Settings Settings  `json:"settings"`
	Notices  []Notice  `json:"notices"`  // what the user should know, oldest first
	Requests []Request `json:"requests"` // what strangers want and the user has not decided, oldest first
	Recent   []Record  `json:"recent"`   // calls that are over, newest first, at most 200; History has all
	Missed   int       `json:"missed"`   // missed calls the user has not looked at
	Shield   Shield    `json:"shield"`
}

// Shield is what has been turned away since the start.
type Shield struct {
	Silenced uint64 `json:"silenced"` // packets of strangers that got no answer
	Limited  uint64 `json:"limited"`  // requests beyond the rate of their source
	Spoofed  uint64 `json:"spoofed"`  // messages for a call or request from where it is not
}

// Self is the user's own identity and presence.
type Self struct {
	Address     string   `json:"address"`      // address of the default account; empty: no account yet
	DisplayName string   `json:"display_name"` // may be empty
	Status      Presence `json:"status"`       // what buddies see now
	Chosen      Presence `json:"chosen"`       // what the user set; differs from Status during a call
	Note        string   `json:"note"`
	Watchers    int      `json:"watchers"` // active subscriptions to our presence
	DND         bool     `json:"dnd"`      // do not disturb: calls are turned away with 480, quietly
}

// Presence is one of the six statuses of the thesis, or unknown.
type Presence string

// The presence words of the control contract.
const (
	PresenceOnline     Presence = "online"
	PresenceAway       Presence = "away"
	PresenceBusy       Presence = "busy"
	PresenceOnThePhone Presence = "on_the_phone"
	PresenceLunch      Presence = "lunch"
	PresenceOffline    Presence = "offline"
	PresenceUnknown    Presence = "unknown"
)

// AccountState is a word of the control contract.
type AccountState string

// The account words of the control contract.
const (
	AccountRegistering AccountState = "registering"
	AccountRegistered  AccountState = "registered" // also a LAN account that listens
	AccountFailed      AccountState = "failed"
	AccountOffline     AccountState = "offline" // no network
)

// AccountKind tells how an account reaches people.
type AccountKind string

// The kinds of account.
const (
	AccountSIP  AccountKind = "sip"  // registers at a server
	AccountLAN  AccountKind = "lan"  // no server: sip:name@address on the local network
	AccountDemo AccountKind = "demo" // registers at the demo domain inside this program
)

// Account is one identity and the state of its registration.
type Account struct {
	Address     string       `json:"address"` // sip:alice@info.test; of a LAN account, with the present IP address
	Kind        AccountKind  `json:"kind"`
	DisplayName string       `json:"display_name"`
	State       AccountState `json:"state"`
	Reason      string       `json:"reason,omitempty"` // a sentence with the next step, when State is failed
	Detail      string       `json:"detail,omitempty"` // code and phrase of the server, for "Details"
	Transport   string       `json:"transport"`        // udp, tcp or tls; empty: found by DNS
	Proxy       string       `json:"proxy,omitempty"`
	AuthUser    string       `json:"auth_user,omitempty"` // when it is not the address's user part
	Stored      string       `json:"password_store"`      // where its password is kept: keyring or file
	Contact     string       `json:"contact,omitempty"`   // where we are reachable now
	ExpiresIn   int          `json:"expires_in"`          // seconds until the registration lapses; 0: none
	RetryIn     int          `json:"retry_in,omitempty"`  // seconds until a failed one is tried again; 0: not planned
	Default     bool         `json:"default"`             // the one that calls go out by when nothing says otherwise
	Codecs      string       `json:"codecs,omitempty"`    // its own order; empty: the setting "codecs"
	Identity    string       `json:"identity,omitempty"`  // address shown to those it calls, when the server agrees
	Server      string       `json:"server,omitempty"`    // where it is registered: "tls 192.0.2.1:5061"
	Verify      Verify       `json:"verify,omitempty"`    // how the server's certificate is judged; empty: system
	CAFile      string       `json:"ca_file,omitempty"`   // of Verify "ca"
	Pin         string       `json:"pin,omitempty"`       // of Verify "pin": "sha256/BASE64"; empty: not seen yet
	Voicemail   Voicemail    `json:"voicemail,omitzero"`  // RFC 3842
	MediaPolicy
}

// Verify is how the certificate of a TLS server is judged.
type Verify string

// The ways.
const (
	VerifySystem Verify = "system" // by the authorities the system trusts
	VerifyCA     Verify = "ca"     // by those in a file of the user
	VerifyPin    Verify = "pin"    // it has the key seen at the first connection
)

// Voicemail is what the mailbox of an account holds. The zero value: not known.
type Voicemail struct {
	Waiting bool   `json:"waiting"`
	New     int    `json:"new"` // -1: the server does not count
	Old     int    `json:"old"`
	Address string `json:"address,omitempty"` // call it to listen; empty: not known
}

// Buddy is a person in the list, with the presence last heard.
type Buddy struct {
	Address string    `json:"address"`
	Name    string    `json:"name"`  // shown name, never empty
	Group   string    `json:"group"` // may be empty
	Status  Presence  `json:"status"`
	Note    string    `json:"note,omitempty"`
	Since   time.Time `json:"since,omitzero"`   // when Status was learnt
	Reason  string    `json:"reason,omitempty"` // why the status is unknown, in a sentence
	Unread  int       `json:"unread"`
	Lamp    Lamp      `json:"lamp,omitempty"`       // busy lamp; empty: not watched
	Shared  bool      `json:"lamp_shared,omitzero"` // may see whether we are in a call (RFC 4235)
}

// Lamp is whether somebody's line is in use (RFC 4235).
type Lamp string

// The lamp words of the control contract.
const (
	LampUnknown Lamp = "unknown"
	LampIdle    Lamp = "idle"
	LampRinging Lamp = "ringing"
	LampBusy    Lamp = "busy"
)

// CallState is a word of the control contract.
type CallState string

// The call words of the control contract.
const (
	CallCalling     CallState = "calling"  // INVITE sent
	CallRinging     CallState = "ringing"  // the other side rings
	CallIncoming    CallState = "incoming" // rings here
	CallEstablished CallState = "established"
	CallHeld        CallState = "held"
	CallEnded       CallState = "ended"
)

// Call is one call, live or just ended.
type Call struct {
	ID         string    `json:"id"` // short: "1", "2", …
	Peer       string    `json:"peer"`
	PeerName   string    `json:"peer_name"` // buddy's name, else display name, else user part
	Incoming   bool      `json:"incoming"`
	State      CallState `json:"state"`
	HeldBy     string    `json:"held_by,omitempty"` // "us", "peer" or "both" while held
	Muted      bool      `json:"muted"`
	Codec      string    `json:"codec,omitempty"`      // "opus", "PCMU", …: in use now
	Codecs     []string  `json:"codecs,omitempty"`     // what both sides can do, best first
	Encryption string    `json:"encryption"`           // how its sound is: "none", "sdes" or "dtls"
	Cipher     string    `json:"cipher,omitempty"`     // of SRTP: "AES_CM_128_HMAC_SHA1_80", …
	Path       string    `json:"path,omitempty"`       // by ICE: "direct", "nat" or "relay"; empty: without ICE
	Recording  string    `json:"recording,omitempty"`  // the file its sound is written to now
	Chosen     bool      `json:"codec_chosen"`         // by the user: no network changes it
	Adaptation string    `json:"adaptation,omitempty"` // what was changed for the network's sake, in a sentence
	StartedAt  time.Time `json:"started_at,omitzero"`  // first INVITE
	AnsweredAt time.Time `json:"answered_at,omitzero"` // zero: not answered
	EndedAt    time.Time `json:"ended_at,omitzero"`
	Reason     string    `json:"reason,omitempty"`  // why it ended, in a sentence
	Detail     string    `json:"detail,omitempty"`  // code and phrase
	Network    string    `json:"network,omitempty"` // "Network gone, …", "Back on eth0, 41 ms"; empty: normal
	Quality    Quality   `json:"quality"`
	HandOffs   []HandOff `json:"hand_offs"`
	Account    string    `json:"account"`               // address of the account it goes by
	Secure     bool      `json:"secure"`                // its signalling goes by TLS to the next hop
	EarlySound bool      `json:"early_sound"`           // the other side sends sound before it answers
	Conference bool      `json:"conference"`            // mixed with the other calls that say so
	Transfer   *Transfer `json:"transfer,omitempty"`    // we hand it on
	ReferredBy string    `json:"referred_by,omitempty"` // who had it made, by a transfer
	Waiting    bool      `json:"waiting"`               // comes in while the user talks to somebody else
}

// TransferState is a word of the control contract.
type TransferState string

// The transfer words of the control contract.
const (
	TransferAsked   TransferState = "asked"   // the other side has been asked
	TransferTrying  TransferState = "trying"  // it calls the target
	TransferRinging TransferState = "ringing" // the target rings
	TransferDone    TransferState = "done"    // the target answered; this call ends
	TransferFailed  TransferState = "failed"  // Reason says why; this call goes on
)

// Transfer is how handing a call on goes.
type Transfer struct {
	To     string        `json:"to"`
	Name   string        `json:"name"`
	State  TransferState `json:"state"`
	Reason string        `json:"reason,omitempty"`
	Detail string        `json:"detail,omitempty"`
}

// RequestKind is a word of the control contract.
type RequestKind string

// The kinds of request.
const (
	RequestCall     RequestKind = "call"     // a stranger called and was not put through
	RequestMessage  RequestKind = "message"  // a stranger wrote
	RequestTransfer RequestKind = "transfer" // the other side of a call asks us to call somebody
	RequestServer   RequestKind = "server"   // a call came past the account's server
)

// Request is what somebody wants and the user decides about.
type Request struct {
	ID    string      `json:"id"`
	Kind  RequestKind `json:"kind"`
	From  string      `json:"from"`
	Name  string      `json:"name"`
	At    time.Time   `json:"at"`             // of the newest
	Count int         `json:"count"`          // how often
	Text  string      `json:"text,omitempty"` // of a message, the newest; of a transfer, whom to call
	Call  string      `json:"call,omitempty"` // of a transfer: the call it came in
}

// Record is a call that is over, as the history keeps it.
type Record struct {
	ID         string    `json:"id"`
	Peer       string    `json:"peer"`
	PeerName   string    `json:"peer_name"`
	Account    string    `json:"account"`
	Incoming   bool      `json:"incoming"`
	Missed     bool      `json:"missed"` // came in and nobody took it
	Seen       bool      `json:"seen"`   // the user has looked at it
	StartedAt  time.Time `json:"started_at"`
	AnsweredAt time.Time `json:"answered_at,omitzero"` // zero: not answered
	EndedAt    time.Time `json:"ended_at"`
	Reason     string    `json:"reason,omitempty"`
	Detail     string    `json:"detail,omitempty"`
}

// Quality is how the call's sound does, updated about once a second.
type Quality struct {
	PacketsSent     uint64  `json:"packets_sent"`
	PacketsReceived uint64  `json:"packets_received"`
	Lost            uint64  `json:"lost"`         // packets that never came or came too late
	LossPercent     float64 `json:"loss_percent"` // over the last ten seconds
	JitterMS        float64 `json:"jitter_ms"`    // RFC 3550 6.4.1
	RTTMS           float64 `json:"rtt_ms"`       // from RTCP; 0: not known yet
	DelayMS         float64 `json:"delay_ms"`     // of the jitter buffer
	MOS             float64 `json:"mos"`          // estimated, 1 to 4.5; 0: not known yet
	Bars            int     `json:"bars"`         // 0 (not known) to 4
	LevelIn         float64 `json:"level_in"`     // what we send, 0 to 1
	LevelOut        float64 `json:"level_out"`    // what we hear, 0 to 1

	RemoteLossPercent float64 `json:"remote_loss_percent"` // of what we send, as the other side last reported
	ConcealedMS       float64 `json:"concealed_ms"`        // sound made up for missing packets
	TargetDelayMS     float64 `json:"target_delay_ms"`     // what the jitter buffer wants DelayMS to be
	BitrateKbps       float64 `json:"bitrate_kbps"`        // of the sound we send, without headers, last second
}

// HandOff is one move of a call to another address, with its times.
type HandOff struct {
	At         time.Time `json:"at"`   // when the system told of the change
	From       string    `json:"from"` // local IP address before
	To         string    `json:"to"`
	Link       string    `json:"link"`         // name of the interface now used
	FirstOutMS float64   `json:"first_out_ms"` // event to the first packet sent by the new path; -1: not yet
	FirstInMS  float64   `json:"first_in_ms"`  // event to the first packet heard; -1: not yet
	GapOutMS   float64   `json:"gap_out_ms"`   // longest silence we sent around the move
	GapInMS    float64   `json:"gap_in_ms"`    // longest silence we heard around the move
	InviteMS   float64   `json:"invite_ms"`    // event to the 200 of the re-INVITE; -1: not yet or failed
	RegisterMS float64   `json:"register_ms"`  // event to the 200 of the REGISTER; -1: not yet or failed
}

// MessageState is a word of the control contract.
type MessageState string

// The message words of the control contract.
const (
	MessageWaiting   MessageState = "waiting"   // not yet taken by the other side
	MessageSent      MessageState = "sent"      // 200: the other side has it
	MessageAccepted  MessageState = "accepted"  // 202: a server keeps it for the other side
	MessageDelivered MessageState = "delivered" // receipt
	MessageRead      MessageState = "read"      // receipt
	MessageFailed    MessageState = "failed"    // the user may try again
)

// Message is one instant message, sent or received.
type Message struct {
	ID       string       `json:"id"`
	Peer     string       `json:"peer"`
	Outgoing bool         `json:"outgoing"`
	Text     string       `json:"text"`
	At       time.Time    `json:"at"`
	State    MessageState `json:"state"`            // of a received one: read once it was looked at, else delivered
	Reason   string       `json:"reason,omitempty"` // why it waits or failed, in a sentence
	Detail   string       `json:"detail,omitempty"` // code and phrase
}

// Chat is the conversation with one address; it outlives its window.
type Chat struct {
	Peer     string  `json:"peer"`
	PeerName string  `json:"peer_name"`
	Unread   int     `json:"unread"`
	Count    int     `json:"count"`    // messages in all
	Revision uint64  `json:"revision"` // changes whenever a message of this chat does: ask Messages again
	Last     Message `json:"last"`
	Stranger bool    `json:"stranger,omitempty"` // a request of kind message stands for it: nothing rings
}

// Network is what the user is told about the network as a whole.
type Network struct {
	Up      bool      `json:"up"`
	Link    string    `json:"link"`    // interface used for the default account, "eth0"
	Address string    `json:"address"` // our IP address on it
	Since   time.Time `json:"since,omitzero"`
}

// Audio is what the user is told about microphone and speaker.
type Audio struct {
	Input   string  `json:"input"`             // the setting audio.input
	Output  string  `json:"output"`            // the setting audio.output
	Problem string  `json:"problem,omitempty"` // a sentence: no sound server, device gone, …
	Test    string  `json:"test,omitempty"`    // a sound test: "recording", "playing"; empty: none
	Level   float64 `json:"level,omitempty"`   // of the test's sound, 0 to 1
	Devices uint64  `json:"devices"`           // changes when microphones or speakers came or went: ask Devices again
}

// Settings are the values of `set KEY VALUE`, by key.
type Settings map[string]string

// Notice is a sentence for the user that belongs to no call or chat.
type Notice struct {
	ID     string    `json:"id"`
	At     time.Time `json:"at"`
	Level  string    `json:"level"` // "info", "attention"
	Text   string    `json:"text"`
	Detail string    `json:"detail,omitempty"`
}

// Device is a microphone or speaker the user can choose.
type Device struct {
	Setting string `json:"setting"` // value for audio.input or audio.output: "device:NAME"
	Name    string `json:"name"`
	Kind    string `json:"kind"` // "input" or "output"
	Default bool   `json:"default"`
}

// AccountSpec is what AddAccount needs.
type AccountSpec struct {
	Address       string      `json:"address"` // "alice@info.test", with or without sip:
	Kind          AccountKind `json:"kind,omitempty"`
	Password      string      `json:"password,omitempty"`
	PasswordStore string      `json:"password_store,omitempty"` // "keyring" (default) or "file"
	AuthUser      string      `json:"auth_user,omitempty"`      // default: the address's user part
	Proxy         string      `json:"proxy,omitempty"`
	Transport     string      `json:"transport,omitempty"` // udp, tcp, tls; empty: by DNS
	DisplayName   string      `json:"display_name,omitempty"`
	Codecs        string      `json:"codecs,omitempty"`   // own order of codecs; empty: the setting
	Identity      string      `json:"identity,omitempty"` // address to be shown to those called (RFC 3325)
	Verify        Verify      `json:"verify,omitempty"`   // TLS; empty: system, or ca when there is a CAFile
	CAFile        string      `json:"ca_file,omitempty"`  // PEM
	MediaPolicy
	TURNPassword string `json:"turn_password,omitempty"`
}

// CallOptions are the rarer wishes of a caller. The zero value is an ordinary voice call.
type CallOptions struct {
	Video bool   `json:"video,omitempty"`
	From  string `json:"from,omitempty"` // address of the account to call by; empty: the one that fits
}

// UserError is an error that a person can read: a sentence that says what to do next.
// Detail holds codes and headers. Every verb of the engine returns either nil or something that
// errors.As finds a UserError in.
type UserError struct {
	Sentence string // "The server did not accept the password. Check it and try again."
	Detail   string // "401 Unauthorized"; may be empty
	Err      error  // cause; may be nil
}

// Error implements error.
func (e *UserError) Error() string { return e.Sentence }

// Unwrap gives the cause.
func (e *UserError) Unwrap() error { return e.Err }
