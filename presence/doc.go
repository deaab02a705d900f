// Package presence is the presence function of the client: the watcher that follows the buddies, the presence agent
// that answers those who follow us (RFC 3856, the edge presence server of the thesis, chapter 7.3) and the PIDF
// documents that go between them (RFC 3863 with the RPID activities of RFC 4480 and the person of RFC 4479).
//
// What follows and what is followed is kept apart from what is told: Watcher is a Follower and Agent a Notifier of
// presence documents, and the same machines serve other event packages, described by a Package or an Offer. Busy lamps
// (presence/dialoginfo) and mailboxes (presence/mailbox) are such; package app puts them together.
//
// It knows no SIP stack: subscriptions come and go through Subscriber and Incoming, which package app satisfies.
//
// Order of calls: NewAgent and NewWatcher, wire AgentConfig.OnSubscribed to Watcher.PeerSubscribed, start both Run
// methods, then Agent.Set with the first state, Agent.Handle for every incoming SUBSCRIBE and Watcher.Watch for every
// buddy. After a move call Agent.Refresh and Watcher.Refresh; when the network is back after an outage call
// Watcher.RetryAll as well. To end, cancel the contexts of both Run methods and wait for them before the SIP stack
// goes: they say good-bye to their peers.
//
// Specifications: RFC 3856 (yes), RFC 3863 (yes; several tuples composed to one state), RFC 4479 and RFC 4480 (person,
// activities, note; other elements ignored), RFC 6665 (the parts above the dialog; refresh and expiry are the SIP
// stack's).
package presence
