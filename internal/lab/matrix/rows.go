package matrix

// Reasons for a "no".
const (
	noReplaces = "baresip 1.0 knows nothing of Replaces: it takes the headers of Refer-To for a part of the address."
	noHang     = "Twinkle 1.10 hangs at an INVITE with Replaces for a call it is in; " +
		"as the one handed on, it is shown to send one."
	noPresence = "linphonec 5.1 has presence through a server only and does not subscribe to a phone; " +
		"twinkle-console watches nobody, and answers the event with 489."
	noPrack = "neither baresip 1.0 nor linphonec 5.1 sends a reliable provisional response " +
		"unless the other side insists; Twinkle and sipp do."
	noTimer = "baresip 1.0 and Twinkle 1.10 have no session timers; " +
		"those of linphonec 5.1 are off and cannot be switched on from its console."
	noLamp = "they tell no lamp: baresip 1.0 answers the event \"dialog\" with 400 Bad Presence, " +
		"linphonec 5.1 not at all, Twinkle 1.10 with 489; Kamailio tells it for them."
	noMailbox    = "it has no mailbox."
	noRedirects  = "a redirection is the server's; this program was not tried behind one."
	noUpdate     = "no program here sends UPDATE by itself, and Twinkle 1.10 does not know it."
	noForks      = "one program answers once; sipp answers three times."
	noOpus       = "Twinkle 1.10 has no Opus."
	noSpeex      = "Debian's baresip 1.0 is built without Speex."
	noSRTP       = "Twinkle 1.10 knows ZRTP only, which we do not."
	noOSRTP      = "linphonec 5.1 takes keys in RTP/AVP for nothing: such a call is plain. Its own calls are encrypted."
	noICE        = "Twinkle 1.10 has no ICE."
	noL16        = "linphonec 5.1 has L16 at 44.1 kHz only, ours is 16 kHz."
	noLAN        = "not tried without a server."
	noOtherCodec = "not tried: the lab gives Twinkle one codec."
	noMove       = "the moving calls of the suite are with baresip; " +
		"to the other side a move is a re-INVITE like that of hold."
	noConference = "not tried: to the other side a conference is a call like any other."
	noLeaving    = "not needed: it knows Replaces."
	noFlood      = "not tried: the flood is ours to bear, whoever we talk to."
)

// Rows gives the table.
//
//nolint:funlen // a table
func Rows() []Row {
	row := func(feature, rfc string, cells map[Peer]Cell) Row {
		r := Row{Feature: feature, RFC: rfc}
		for p, c := range cells {
			r.Cells[p] = c
		}
		return r
	}
	type in = map[Peer]Cell
	return []Row{
		row("register, UDP", "3261", in{Kamailio: by("TestMessages/B.1_one_domain")}),
		row("register, TCP", "3261", in{Kamailio: by("TestTCPAccount")}),
		row("register, TLS: authority, name, key, sips", "5922", in{Kamailio: by("TestTLS")}),
		row("cut connection recovered", "5626", in{Kamailio: by("TestTLS/own_authority")}),
		row("dead first server", "3263", in{Kamailio: by("TestFailover")}),
		row("server and calls by IPv6", "3263", in{Kamailio: by("TestIPv6")}),
		row("long requests leave UDP", "3261 18.1.1", in{Kamailio: by("TestLongMessageLeavesUDP")}),
		row("wrong password, no such server", "", in{Kamailio: by("TestBadAccounts")}),
		row("killed and started again", "", in{Kamailio: by("TestKilledLeavesOneBinding"), Baresip: by("TestKilled")}),
		row("call, G.711", "3261, 3264", in{
			Baresip: by("TestCallsWithBaresip/PCMU"), Linphone: by("TestCallsWithLinphone/PCMU"),
			Twinkle: by("TestTwinkle/call"),
		}),
		row("called, G.711", "3261, 3264", in{
			Baresip: by("TestCallsWithBaresip/PCMU"), Linphone: by("TestCallsWithLinphone/PCMU"),
			Twinkle: by("TestTwinkle/called"),
		}),
		row("call, Opus", "7587", in{
			Baresip: by("TestCallsWithBaresip/opus"), Linphone: by("TestCallsWithLinphone/opus"), Twinkle: no(noOpus),
		}),
		row("calls both ways, PCMA", "3551", in{
			Baresip: by("TestCallsWithBaresip/PCMA"), Linphone: by("TestCallsWithLinphone/PCMA"),
			Twinkle: no(noOtherCodec),
		}),
		row("calls both ways, G.722", "3551", in{
			Baresip: by("TestCallsWithBaresip/G722"), Linphone: by("TestCallsWithLinphone/G722"),
			Twinkle: no(noOtherCodec),
		}),
		row("calls both ways, GSM", "3551", in{
			Baresip: by("TestCallsWithBaresip/GSM"), Linphone: by("TestCallsWithLinphone/GSM"),
			Twinkle: no(noOtherCodec),
		}),
		row("calls both ways, Speex wideband", "5574", in{
			Baresip: no(noSpeex), Linphone: by("TestCallsWithLinphone/speex"), Twinkle: no(noOtherCodec),
		}),
		row("calls both ways, L16 at 16 kHz", "3551", in{
			Baresip: by("TestCallsWithBaresip/L16"), Linphone: no(noL16), Twinkle: no(noOtherCodec),
		}),
		row("encrypted both ways, SDES by TLS", "4568", in{
			Baresip: by("TestSecureBaresip/SDES_mandatory"), Linphone: by("TestSecureLinphone/SDES_mandatory"),
			Twinkle: no(noSRTP),
		}),
		row("encrypted both ways, DTLS", "5764", in{
			Baresip: by("TestSecureBaresip/DTLS_required"), Linphone: by("TestSecureLinphone/DTLS_mandatory"),
			Twinkle: no(noSRTP),
		}),
		row("encryption offered, plain call possible", "8643", in{
			Baresip: by("TestSecureBaresip/SDES"), Linphone: no(noOSRTP), Twinkle: no(noSRTP),
		}),
		row("who does not encrypt is refused", "", in{Baresip: by("TestSecureRequired")}),
		row("ICE through a NAT, STUN", "8839", in{
			Baresip:  by("TestICEWithOthers/baresip/symmetric=false"),
			Linphone: by("TestICEWithOthers/linphonec/symmetric=true"), Twinkle: no(noICE),
		}),
		row("relay by TURN", "8656", in{
			Baresip: by("TestICERelayWithOthers/baresip"), Linphone: by("TestICERelayWithOthers/linphonec"),
			Twinkle: no(noICE),
		}),
		row("a codec for a narrow network, and back", "", in{Baresip: by("TestAdaptation/baresip_both")}),
		row("calls and messages, ours by TCP", "3261", in{
			Kamailio: by("TestTCPAccount"), Baresip: by("TestTCPAccount"),
		}),
		row("calls and messages, ours by TLS", "3261", in{
			Kamailio: by("TestTLS/own_authority"), Baresip: by("TestTLS/own_authority"),
		}),
		row("calls and messages without any server", "", in{
			Baresip: by("TestLANWithForeigners"), Linphone: by("TestLANWithForeigners"), Twinkle: no(noLAN),
		}),
		row("INVITE without SDP", "3261", in{Sipp: by("TestScriptedCalls/INVITE_without_SDP")}),
		row("hold and resume, both ways", "3264", in{
			Baresip: by("TestHold/baresip"), Linphone: by("TestHold/linphonec"), Twinkle: by("TestTwinkle/hold"),
		}),
		row("change of codec", "3264", in{
			Baresip: by("TestCodecChangeRefused"), Linphone: by("TestCodecChange/linphonec"), Twinkle: no(noOtherCodec),
		}),
		row("DTMF", "4733", in{
			Baresip: by("TestDTMFAndMute"), Linphone: by("TestDTMFToLinphone"), Twinkle: by("TestTwinkle/DTMF"),
		}),
		row("blind transfer, ours", "3515, 5589", in{
			Baresip:  by("TestTransfers/baresip_to_linphonec/blind"),
			Linphone: by("TestTransfers/linphonec_to_baresip/blind"),
			Twinkle:  by("TestTwinkleTransfers/blind"),
		}),
		row("attended transfer, ours: handed on", "3891, 5589", in{
			Baresip: no(noReplaces), Linphone: by("TestAttendedTransfer"), Twinkle: by("TestTwinkleTransfers/attended"),
		}),
		row("attended transfer, ours: the target", "3891, 5589", in{
			Baresip: no(noReplaces), Linphone: by("TestAttendedTransfer"), Twinkle: no(noHang),
		}),
		row("the same without Replaces", "5589 7.6", in{
			Baresip: by("TestAttendedTransferWithout"), Linphone: no(noLeaving), Twinkle: no(noLeaving),
		}),
		row("transfer asked of us", "3515", in{
			Baresip: by("TestTransferAskedByBaresip"), Linphone: by("TestTransferAskedOfUs"),
			Twinkle: by("TestTwinkleTransfers/blind,_asked_of_us"),
		}),
		row("attended transfer asked of us", "3891", in{
			Baresip: no(noReplaces), Linphone: by("TestForeignAttendedTransfer/we_are_handed_on"),
			Twinkle: by("TestTwinkleTransfers/attended,_asked_of_us"),
		}),
		row("our call taken over", "3891", in{
			Baresip: no(noReplaces), Linphone: by("TestForeignAttendedTransfer/we_are_the_target"),
			Twinkle: by("TestTwinkleTransfers/we_are_taken_over"),
		}),
		row("conference by local mixing, ours", "", in{
			Baresip: by("TestConference"), Linphone: no(noConference), Twinkle: by("TestTwinkleConference/ours"),
		}),
		row("conference of the other side", "", in{Twinkle: by("TestTwinkleConference/its_own")}),
		row("early media", "3960", in{Sipp: by("TestScriptedSessions/announcement")}),
		row("PRACK, we call", "3262", in{
			Baresip: no(noPrack), Linphone: no(noPrack), Twinkle: by("TestTwinkleReliable/we_call"),
			Sipp: by("TestScriptedSessions/183_and_180_by_PRACK"),
		}),
		row("PRACK, we are called", "3262", in{
			Baresip: no(noPrack), Linphone: no(noPrack), Twinkle: by("TestTwinkleReliable/we_are_called"),
			Sipp: by("TestScriptedSessions/PRACK_wanted_of_us"),
		}),
		row("UPDATE", "3311", in{
			Baresip: no(noUpdate), Linphone: no(noUpdate), Twinkle: no(noUpdate),
			Sipp: by("TestScriptedSessions/hold_by_UPDATE"),
		}),
		row("session timer", "4028", in{
			Baresip: no(noTimer), Linphone: no(noTimer), Twinkle: no(noTimer), Sipp: by("TestSessionTimers"),
		}),
		row("422, interval too small", "4028", in{
			Baresip: no(noTimer), Linphone: no(noTimer), Twinkle: no(noTimer), Sipp: by("TestScriptedSessions/422"),
		}),
		row("302 to our present address", "3261 8.3", in{
			Kamailio: by("TestMobilityC1/foreign_caller"), Baresip: by("TestMobilityC1/foreign_caller"),
			Linphone: no(noRedirects), Twinkle: no(noRedirects),
		}),
		row("302 followed by us", "3261 8.1.3.4", in{
			Kamailio: by("TestMobilityC1/our_caller"), Sipp: by("TestScriptedCalls/302_to_another_address"),
		}),
		row("302 in a circle", "3261 8.1.3.4", in{Sipp: by("TestScriptedCalls/302_in_a_circle")}),
		row("forked answers", "3261 13.2.2.4", in{
			Baresip: no(noForks), Linphone: no(noForks), Twinkle: no(noForks),
			Sipp: by("TestScriptedCalls/forked_answers"),
		}),
		row("200 crosses CANCEL", "3261 9.1", in{Sipp: by("TestScriptedCalls/200_crosses_CANCEL")}),
		row("200 again and again", "3261 13.2.2.4", in{Sipp: by("TestScriptedCalls/200_again_and_again")}),
		row("glare", "3261 14.1", in{Sipp: by("TestScriptedCalls/glare,_our_call")}),
		row("every change refused", "3261 14.1", in{Sipp: by("TestScriptedCalls/changes_refused")}),
		row("messages, both ways", "3428", in{
			Kamailio: by("TestMessages"), Baresip: by("TestMessages/B.1_one_domain/baresip"),
			Linphone: by("TestMessages/B.1_one_domain/linphonec"), Twinkle: by("TestTwinkle/messages"),
		}),
		row("messages between domains", "3428", in{
			Kamailio: by("TestMessages/B.2_two_domains"), Baresip: by("TestMessages/B.2_two_domains/baresip"),
			Linphone: by("TestMessages/B.2_two_domains/linphonec"),
		}),
		row("presence from phone to phone", "3856", in{
			Baresip: by("TestPresenceA1"), Linphone: no(noPresence), Twinkle: no(noPresence),
		}),
		row("presence between domains", "3856", in{
			Kamailio: by("TestPresenceA4"), Baresip: by("TestPresenceA4"),
			Linphone: no(noPresence), Twinkle: no(noPresence),
		}),
		row("presence asked once", "6665 4.4.3", in{Sipp: by("TestPresenceFetch")}),
		row("busy lamp", "4235", in{
			Kamailio: by("TestLampPBX"), Baresip: no(noLamp), Linphone: no(noLamp), Twinkle: no(noLamp),
		}),
		row("a phone without lamps is left alone", "6665", in{
			Baresip: by("TestLampForeign"), Linphone: by("TestLampForeign"), Twinkle: by("TestTwinkleLamp"),
		}),
		row("message waiting", "3842", in{
			Kamailio: by("TestLampPBX"), Baresip: no(noMailbox), Linphone: no(noMailbox), Twinkle: no(noMailbox),
		}),
		row("our call survives our moves", "", in{
			Kamailio: by("TestMobilityC2"), Baresip: by("TestCallSurvivesEveryMove"),
			Linphone: no(noMove), Twinkle: no(noMove),
		}),
		row("the other side moves", "", in{Linphone: by("TestPeerMoves")}),
		row("malformed and odd requests", "4475", in{Sipp: by("TestOddRequests")}),
		row("garbage during a call", "", in{Baresip: by("TestGarbageDuringACall")}),
		row("stolen and replayed messages", "", in{
			Kamailio: by("TestStolenIdentifiers"), Baresip: by("TestStolenIdentifiers"),
		}),
		row("2,000 requests a second", "", in{
			Kamailio: by("TestFlood"), Baresip: by("TestFlood"), Linphone: by("TestFlood"), Twinkle: no(noFlood),
		}),
		row("a thousand calls", "", in{Kamailio: by("TestSoak"), Baresip: by("TestSoak")}),
	}
}
