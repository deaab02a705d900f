// Package lab builds Peregrine's interop lab: real SIP software in Linux network namespaces, with a
// mobile host that moves between networks while it talks. It is for the interop suite (the tests of
// this package under the build tag lab) and for developers (cmd/peregrine-lab).
//
// The world it builds, each box a namespace, every name with the lab's own prefix:
//
//	core: router, DNS 10.77.0.53, Kamailio info.test 10.77.0.10 and enst.test 10.77.0.20
//	 |         |            \
//	[delay]   [delay]        ch, ch2, …: correspondents 10.77.3.10, .11, …
//	 |         |
//	ap1       ap2            routers of two Wi-Fi networks, 10.77.1.0/24 and 10.77.2.0/24
//	 \         /
//	  air: one bridge per network
//	    |
//	mh, mh2, …: mobile hosts .100, .101, … with two radios wlan0 and wlan1
//
// The two proxies are plain: digest for REGISTER (401) and for requests of their own users (407),
// 404 for an absent user, no presence function, dialogs record-routed. Port 5070 of each does the
// same but answers a new INVITE with 302 and the registered contact. Users are alice, bob, carol, dave and u0, u1,
// …; a password is the user's name followed by "pw".
//
// Order of calls: Start, then hosts (Mobile, Correspondent), then peers on hosts (StartBaresip,
// StartLinphone, StartTwinkle, StartSipp, StartPhone), Capture around a move, Move or Link, Close. Close ends every
// process in the lab's namespaces and deletes the namespaces; it may be called more than once. No
// traffic leaves the namespaces: nothing connects them to the machine's own network.
//
// Everything needs root and Linux; the subpackages score (sound), wire (packets) and linkemu
// (delay box) do not need a lab.
package lab
