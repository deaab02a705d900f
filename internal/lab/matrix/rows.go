package matrix

// Reasons for a "no".
const (
	noReplaces  = "baresip 1.0 knows nothing of Replaces: it takes the headers of Refer-To for a part of the address."
	noPresence  = "linphonec 5.1 has presence through a server only; it does not subscribe to a phone."
	noPrack     = "neither baresip 1.0 nor linphonec 5.1 sends a reliable provisional response unless the other side insists; sipp does."
	noTimer     = "baresip 1.0 has no session timers; those of linphonec 5.1 are off and cannot be switched on from its console."
	noLamp      = "baresip 1.0 and linphonec 5.1 do not offer the event \"dialog\"; Kamailio does so for them."
	noRedirects = "a redirection is the server's; the foreign phones make none."
	noUpdate    = "neither program sends UPDATE by itself."
	noForks     = "one program answers once; sipp answers three times."
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
		row("register, TLS: authority, name, key", "5922", in{Kamailio: by("TestTLS")}),
		row("cut connection recovered", "5626", in{Kamailio: by("TestTLS/own_authority")}),
		row("dead first server", "3263", in{Kamailio: by("TestFailover")}),
		row("wrong password, no such server", "", in{Kamailio: by("TestBadAccounts")}),
		row("call, G.711", "3261, 3264", in{Baresip: by("TestCallsWithBaresip/PCMU"), Linphone: by("TestCallsWithLinphone/PCMU")}),
		row("call, Opus", "7587", in{Baresip: by("TestCallsWithBaresip/opus"), Linphone: by("TestCallsWithLinphone/opus")}),
		row("call without any server", "", in{Baresip: by("TestLANWithForeigners"), Linphone: by("TestLANWithForeigners")}),
		row("INVITE without SDP", "3261", in{Sipp: by("TestScriptedCalls/INVITE_without_SDP")}),
		row("hold and resume, both ways", "3264", in{Baresip: by("TestHold/baresip"), Linphone: by("TestHold/linphonec")}),
		row("change of codec", "", in{Linphone: by("TestCodecChange/linphonec")}),
		row("DTMF", "4733", in{Baresip: by("TestDTMFAndMute/baresip"), Linphone: by("TestDTMFAndMute/linphonec")}),
		row("blind transfer, ours", "3515, 5589", in{
			Baresip: by("TestTransfers/baresip_to_linphonec/blind"), Linphone: by("TestTransfers/linphonec_to_baresip/blind"),
		}),
		row("attended transfer, ours", "3891, 5589", in{
			Baresip: no(noReplaces), Linphone: by("TestAttendedTransfer"),
		}),
		row("the same without Replaces", "5589 7.6", in{Baresip: by("TestAttendedTransferWithout")}),
		row("transfer asked of us", "3515", in{Linphone: by("TestTransferAskedOfUs")}),
		row("attended transfer asked of us", "3891", in{
			Baresip: no(noReplaces), Linphone: by("TestForeignAttendedTransfer/we_are_handed_on"),
		}),
		row("our call taken over", "3891", in{
			Baresip: no(noReplaces), Linphone: by("TestForeignAttendedTransfer/we_are_the_target"),
		}),
		row("conference by local mixing", "", in{Baresip: by("TestConference")}),
		row("early media", "3960", in{Sipp: by("TestScriptedSessions/announcement")}),
		row("PRACK, we call", "3262", in{Baresip: no(noPrack), Linphone: no(noPrack), Sipp: by("TestScriptedSessions/183_and_180_by_PRACK")}),
		row("PRACK, we are called", "3262", in{Baresip: no(noPrack), Linphone: no(noPrack), Sipp: by("TestScriptedSessions/PRACK_wanted_of_us")}),
		row("UPDATE", "3311", in{Baresip: no(noUpdate), Linphone: no(noUpdate), Sipp: by("TestScriptedSessions/hold_by_UPDATE")}),
		row("session timer", "4028", in{Baresip: no(noTimer), Linphone: no(noTimer), Sipp: by("TestSessionTimers")}),
		row("422, interval too small", "4028", in{Baresip: no(noTimer), Linphone: no(noTimer), Sipp: by("TestScriptedSessions/422")}),
		row("302 followed, loops refused", "3261 8.1.3.4", in{
			Kamailio: by("TestMobilityC1"), Baresip: no(noRedirects), Linphone: no(noRedirects), Sipp: by("TestScriptedCalls/302_in_a_circle"),
		}),
		row("forked answers", "3261 13.2.2.4", in{Baresip: no(noForks), Linphone: no(noForks), Sipp: by("TestScriptedCalls/forked_answers")}),
		row("200 crosses CANCEL", "3261 9.1", in{Sipp: by("TestScriptedCalls/200_crosses_CANCEL")}),
		row("glare", "3261 14.1", in{Sipp: by("TestScriptedCalls/glare,_our_call")}),
		row("messages, both ways", "3428", in{
			Kamailio: by("TestMessages"), Baresip: by("TestMessages/B.1_one_domain/baresip"),
			Linphone: by("TestMessages/B.1_one_domain/linphonec"),
		}),
		row("presence from phone to phone", "3856", in{Baresip: by("TestPresenceA1"), Linphone: no(noPresence)}),
		row("busy lamp", "4235", in{Kamailio: by("TestLampPBX"), Baresip: no(noLamp), Linphone: no(noLamp)}),
		row("message waiting", "3842", in{Kamailio: by("TestLampPBX"), Baresip: no("it has no mailbox."), Linphone: no("it has no mailbox.")}),
		row("call survives a move", "", in{
			Kamailio: by("TestMobilityC2"), Baresip: by("TestCallSurvivesEveryMove"), Linphone: by("TestMobilityC2"),
		}),
		row("the peer moves", "", in{Linphone: by("TestPeerMoves")}),
		row("malformed and odd requests", "4475", in{Sipp: by("TestOddRequests")}),
		row("stolen and replayed messages", "", in{Kamailio: by("TestStolenIdentifiers"), Baresip: by("TestStolenIdentifiers")}),
		row("2,000 requests a second", "", in{Kamailio: by("TestFlood"), Baresip: by("TestFlood"), Linphone: by("TestFlood")}),
		row("a thousand calls", "", in{Kamailio: by("TestSoak"), Baresip: by("TestSoak")}),
	}
}
