//nolint:lll // tables of people and of what they said
package uitest

import (
	"fmt"
	"maps"
	"time"

	"github.com/peregrine-softphone/peregrine/app"
)

const farid = "sip:farid@info.test"

// another returns a second call, with Farid.
func another(now time.Time) app.Call {
	c := liveCall(now.Add(-10 * time.Minute))
	c.ID, c.Peer, c.PeerName, c.HandOffs, c.Secure = "6", farid, "Farid Quinn", nil, true
	return c
}

// Waiting is a call during which another one comes in.
func Waiting(now time.Time) Fixture {
	f := Call(now)
	f.Name = "waiting"
	c := Ringing(now)
	c.Waiting, c.Secure = true, true
	f.Snapshot.Calls[len(f.Snapshot.Calls)-1].Secure = true
	f.Snapshot.Calls = append(f.Snapshot.Calls, c)
	return f
}

// Secured is a call that is encrypted, goes through a router, was fitted to the network and is recorded.
func Secured(now time.Time) Fixture {
	f := Call(now)
	f.Name = "secured"
	c := &f.Snapshot.Calls[len(f.Snapshot.Calls)-1]
	c.Encryption, c.Cipher, c.Path, c.Secure = "dtls", "AEAD_AES_128_GCM", "nat", true
	c.Codecs = []string{"opus", "G722", "PCMU", "PCMA"}
	c.Adaptation = "Switched to Opus: the network is slow."
	c.Recording = "/home/alice/Recordings/2026-11-24 14-05 Bob Keller.wav"
	c.Quality.RemoteLossPercent, c.Quality.ConcealedMS, c.Quality.TargetDelayMS, c.Quality.BitrateKbps = 1.4, 160, 40, 24
	return f
}

// Unplugged is a window whose chosen microphone is not plugged in, with settings of all kinds.
func Unplugged(now time.Time) Fixture {
	f := Buddies(now)
	f.Name = "unplugged"
	f.Snapshot.Profile = "/home/alice/.config/peregrine"
	f.Snapshot.Audio.Input = "device:USB Microphone"
	maps.Copy(f.Snapshot.Settings, map[string]string{
		"audio.input": "device:USB Microphone", "audio.output": "device:Headset", "audio.ringer": "same", "audio.echo": "on",
		"audio.noise": "on", "audio.gain": "off", "tones": "auto", "adaptation": "on", "recording.format": "wav",
		"codecs": "opus,G722,PCMU,PCMA", "ringtone": "/home/alice/Music/bells.wav",
	})
	return f
}

// Conference is one conversation with two people, and a call on hold.
func Conference(now time.Time) Fixture {
	f := Call(now)
	f.Name = "conference"
	last := &f.Snapshot.Calls[len(f.Snapshot.Calls)-1]
	last.Conference = true
	second := another(now)
	second.Conference, second.Quality.Bars = true, 3
	held := liveCall(now.Add(-20 * time.Minute))
	held.ID, held.Peer, held.PeerName, held.State, held.HeldBy, held.HandOffs = "5", chloe, "Chloé Nguyen", app.CallHeld, "us", nil
	f.Snapshot.Calls = append(f.Snapshot.Calls, second, held)
	return f
}

// Transferring is a call that is handed on, one whose transfer failed, and one whose other side asks
// us to call somebody; a fourth one plays an announcement before it is answered.
func Transferring(now time.Time) Fixture {
	f := Call(now)
	f.Name = "transferring"
	first := &f.Snapshot.Calls[len(f.Snapshot.Calls)-1]
	first.State, first.HeldBy, first.HandOffs = app.CallHeld, "us", nil
	first.Transfer = &app.Transfer{To: chloe, Name: "Chloé Nguyen", State: app.TransferRinging}
	failed := another(now)
	failed.State, failed.HeldBy = app.CallHeld, "us"
	failed.Transfer = &app.Transfer{To: "sip:grace@info.test", Name: "Grace Rossi", State: app.TransferFailed, Reason: "Grace is busy.", Detail: "486 Busy Here"}
	asks := liveCall(now.Add(-time.Minute))
	asks.ID, asks.Peer, asks.PeerName, asks.HandOffs = "9", "sip:jamal@info.test", "Jamal Úlfsson", nil
	early := app.Call{
		ID: "10", Peer: "sip:hiroshi@info.test", PeerName: "Hiroshi Sato", State: app.CallRinging, EarlySound: true, Secure: true,
		StartedAt: now.Add(-4 * time.Second), Encryption: "none",
	}
	f.Snapshot.Calls = append(f.Snapshot.Calls, failed, asks, early)
	f.Snapshot.Requests = []app.Request{{
		ID: "t1", Kind: app.RequestTransfer, From: "sip:jamal@info.test", Name: "Jamal Úlfsson", At: now, Count: 1, Text: chloe, Call: "9",
	}}
	return f
}

// Requests is what strangers want, one of each kind.
func Requests(now time.Time) Fixture {
	f := Buddies(now)
	f.Name = "requests"
	f.Snapshot.Requests = []app.Request{
		{ID: "r1", Kind: app.RequestServer, From: "sip:100@192.0.2.7", Name: "100", At: now.Add(-3 * time.Hour), Count: 4, Text: "192.0.2.7"},
		{ID: "r2", Kind: app.RequestMessage, From: "sip:zoe@enst.test", Name: "Zoe Martin", At: now.Add(-40 * time.Minute), Count: 1, Text: "Hello, Bob gave me your address. May I call you about the review?"},
		{ID: "r3", Kind: app.RequestCall, From: "sip:+49891234567@info.test", Name: "+49 89 1234567", At: now.Add(-5 * time.Minute), Count: 2},
	}
	f.Blocked = []string{"sip:spam@example.net", "sip:+4915550001@info.test"}
	for i, l := range []app.Lamp{app.LampBusy, app.LampIdle, app.LampRinging, app.LampUnknown} {
		f.Snapshot.Buddies[i].Lamp = l
	}
	f.Snapshot.Buddies[0].Shared = true
	f.Snapshot.Self.DND = true
	f.Snapshot.Accounts[0].Voicemail = app.Voicemail{Waiting: true, New: 3, Old: 1, Address: "sip:mailbox@info.test"}
	return f
}

// Accounts are three SIP accounts: a good one by TLS, one that is tried again, and one whose server
// shows another key than before. It has a SIP trace too.
func Accounts(now time.Time) Fixture {
	f := Buddies(now)
	f.Name = "accounts"
	f.Snapshot.Accounts = []app.Account{
		{
			Address: "sip:alice@info.test", Kind: app.AccountSIP, DisplayName: "Alice Keller", State: app.AccountRegistered, Default: true,
			Transport: "tls", Server: "tls 192.0.2.1:5061", Contact: "sip:alice@192.0.2.10:40312;transport=tls;ob", ExpiresIn: 512,
			Codecs: "G722,opus", Identity: "sip:+493012345@info.test",
		},
		{
			Address: "sip:alice@enst.test", Kind: app.AccountSIP, DisplayName: "Alice", State: app.AccountFailed, Transport: "tcp", RetryIn: 12,
			Reason: "The server enst.test does not answer. Peregrine keeps trying.", Detail: "no response in 8 s",
		},
		{
			Address: "sip:keller@pbx.example", Kind: app.AccountSIP, State: app.AccountFailed, Transport: "tls", Verify: app.VerifyPin,
			Pin: "sha256/dGhlIHNhbXBsZSBub25jZSBvZiBhIGtleSBwaW4hIQ=", Reason: "pbx.example shows another key than before. Ask whoever runs it whether that is meant; only then let the account forget the old one.",
			Detail: "server key has changed",
		},
		{Address: "sip:alice@192.0.2.10", Kind: app.AccountLAN, DisplayName: "Alice", State: app.AccountRegistered},
	}
	f.Trace = Trace(now)
	return f
}

// Trace is a SIP trace of a registration and a call.
func Trace(now time.Time) []app.TraceEntry {
	at := now.Add(-20 * time.Second)
	var list []app.TraceEntry
	add := func(out bool, text string) {
		at = at.Add(37 * time.Millisecond)
		list = append(list, app.TraceEntry{At: at, Out: out, Transport: "tls", Local: "192.0.2.10:40312", Remote: "192.0.2.1:5061", Text: text})
	}
	request := func(method, to string, n int) string {
		return fmt.Sprintf("%s sip:%s SIP/2.0\r\nVia: SIP/2.0/TLS 192.0.2.10:40312;branch=z9hG4bK-%d;rport\r\nMax-Forwards: 70\r\n"+
			"From: \"Alice Keller\" <sip:alice@info.test>;tag=8yRa\r\nTo: <sip:%s>\r\nCall-ID: 4fbW0qKp\r\nCSeq: %d %s\r\n"+
			"Contact: <sip:alice@192.0.2.10:40312;transport=tls;ob>\r\nAuthorization: Digest username=\"alice\",realm=\"info.test\",nonce=\"…\",response=\"…\"\r\n"+
			"User-Agent: Peregrine\r\nContent-Length: 0\r\n\r\n", method, to, n, to, n, method)
	}
	answer := func(status, method string, n int) string {
		return fmt.Sprintf("SIP/2.0 %s\r\nVia: SIP/2.0/TLS 192.0.2.10:40312;branch=z9hG4bK-%d;rport=40312;received=192.0.2.10\r\n"+
			"From: \"Alice Keller\" <sip:alice@info.test>;tag=8yRa\r\nTo: <sip:alice@info.test>;tag=kJ2p\r\nCall-ID: 4fbW0qKp\r\nCSeq: %d %s\r\n"+
			"Server: kamailio\r\nContent-Length: 0\r\n\r\n", status, n, n, method)
	}
	add(true, request("REGISTER", "info.test", 1))
	add(false, answer("401 Unauthorized", "REGISTER", 1))
	add(true, request("REGISTER", "info.test", 2))
	add(false, answer("200 OK", "REGISTER", 2))
	add(true, request("INVITE", "bob@info.test", 3))
	add(false, answer("100 Trying", "INVITE", 3))
	add(false, answer("180 Ringing", "INVITE", 3))
	add(false, answer("200 OK", "INVITE", 3))
	add(true, request("ACK", "bob@info.test", 3))
	add(true, request("INVITE", "grace@info.test", 4))
	add(false, answer("486 Busy Here", "INVITE", 4))
	add(true, request("ACK", "grace@info.test", 4))
	return list
}
