package session

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// machine is a table seen as text: every cell has a name.
type machine struct {
	states, events int
	state, event   func(int) string
	cell           func(state, event int) (string, bool)
}

func see[S, E, A interface {
	~int
	fmt.Stringer
}](t table[S, E, A]) machine {
	count := func(name func(int) string) int {
		n := 0
		for name(n) != "unknown" {
			n++
		}
		return n
	}
	m := machine{
		state: func(i int) string { return S(i).String() },
		event: func(i int) string { return E(i).String() },
		cell: func(s, e int) (string, bool) {
			c, ok := t[S(s)][E(e)]
			next, do := t.step(S(s), E(e))
			if ok && (next != c.next || do != c.do) {
				return "step disagrees with the table", true
			}
			return c.next.String() + " " + c.do.String(), ok
		},
	}
	m.states, m.events = count(m.state), count(m.event)
	return m
}

// check compares a machine with the cells listed, one "State Event: Next Action" a line; one that is missing on either
// side is an error.
func (m machine) check(t *testing.T, want string) {
	t.Helper()
	listed := map[string]string{}
	for line := range strings.SplitSeq(strings.TrimSpace(want), "\n") {
		state, rest, _ := strings.Cut(strings.TrimSpace(line), ": ")
		for part := range strings.SplitSeq(rest, "; ") {
			event, result, _ := strings.Cut(part, " > ")
			if !strings.Contains(result, " ") {
				result = state + " " + result
			}
			if _, twice := listed[state+" "+event]; twice {
				t.Errorf("%s %s is listed twice", state, event)
			}
			listed[state+" "+event] = result
		}
	}
	for s := range m.states {
		for e := range m.events {
			name := m.state(s) + " " + m.event(e)
			got, ok := m.cell(s, e)
			switch {
			case !ok:
				t.Errorf("%s: no cell in the table", name)
			case listed[name] == "":
				t.Errorf("%s: nothing listed, the table says %s", name, got)
			case got != listed[name]:
				t.Errorf("%s: %s, want %s", name, got, listed[name])
			}
			delete(listed, name)
		}
	}
	for name := range listed {
		t.Errorf("%s is listed, but there is no such state or event", name)
	}
}

func TestEveryEventInEveryState(t *testing.T) {
	t.Run("offers", func(t *testing.T) { see(offers).check(t, offerCells) })
	t.Run("provisionals", func(t *testing.T) { see(provisionals).check(t, provisionalCells) })
	t.Run("orders", func(t *testing.T) { see(orders).check(t, orderCells) })
	t.Run("timers", func(t *testing.T) { see(timers).check(t, timerCells) })
	t.Run("callers", func(t *testing.T) { see(callers).check(t, callerCells) })
	t.Run("callees", func(t *testing.T) { see(callees).check(t, calleeCells) })
}

// A result of one word stays in the state.
const offerCells = `
Stable: Send > Ours Go; Receive > Theirs Go; Ask > Ignore; Answered > Ignore; Answer > Ignore; AnswerUnacked > Ignore; Refused > Ignore; Ack > Ignore
Ours: Send > Wait; Receive > Pending; Ask > Ignore; Answered > Stable Go; Answer > Ignore; AnswerUnacked > Ignore; Refused > Stable Go; Ack > Ignore
Theirs: Send > Wait; Receive > Busy; Ask > Asked Go; Answered > Ignore; Answer > Stable Go; AnswerUnacked > Unacked Go; Refused > Stable Go; Ack > Ignore
Asked: Send > Wait; Receive > Pending; Ask > Ignore; Answered > Stable Go; Answer > Ignore; AnswerUnacked > Ignore; Refused > Stable Go; Ack > Ignore
Unacked: Send > Wait; Receive > Theirs Go; Ask > Ignore; Answered > Ignore; Answer > Ignore; AnswerUnacked > Ignore; Refused > Ignore; Ack > Stable Go
`

const provisionalCells = `
Idle: SendPlain > Sent Transmit; SendSDP > SentSDP Transmit; Again > NoProvisional; Prack > RejectPrack; StrayPrack > RejectPrack; SendSuccess > Closed Pass; SendFailure > Closed Pass; Expired > NoProvisional
Sent: SendPlain > Hold; SendSDP > Hold; Again > Retransmit; Prack > Idle AcceptPrack; StrayPrack > RejectPrack; SendSuccess > Late Pass; SendFailure > Late Pass; Expired > Closed GiveUp
SentSDP: SendPlain > Hold; SendSDP > Hold; Again > Retransmit; Prack > Idle AcceptPrack; StrayPrack > RejectPrack; SendSuccess > Hold; SendFailure > Late Pass; Expired > Closed GiveUp
Late: SendPlain > NoProvisional; SendSDP > NoProvisional; Again > NoProvisional; Prack > Closed AcceptPrack; StrayPrack > RejectPrack; SendSuccess > Pass; SendFailure > Pass; Expired > Closed NoProvisional
Closed: SendPlain > NoProvisional; SendSDP > NoProvisional; Again > NoProvisional; Prack > RejectPrack; StrayPrack > RejectPrack; SendSuccess > Pass; SendFailure > Pass; Expired > NoProvisional
`

const orderCells = `
Fresh: Next > Following Acknowledge; Repeat > Skip; Older > Skip; Gap > Skip; Invalid > Skip
Following: Next > Acknowledge; Repeat > Skip; Older > Skip; Gap > Skip; Invalid > Skip
`

const timerCells = `
Off: AgreedOurs > OurTurn ArmHalf; AgreedTheirs > TheirTurn ArmExpiry; AgreedNone > Stop; Due > Leave; Gone > Leave; GoneButHeard > Leave; Failed > Leave; CallOver > Finished Stop
OurTurn: AgreedOurs > ArmHalf; AgreedTheirs > TheirTurn ArmExpiry; AgreedNone > Off Stop; Due > Refreshing Refresh; Gone > Leave; GoneButHeard > Leave; Failed > Leave; CallOver > Finished Stop
TheirTurn: AgreedOurs > OurTurn ArmHalf; AgreedTheirs > ArmExpiry; AgreedNone > Off Stop; Due > Refreshing Refresh; Gone > Leave; GoneButHeard > Leave; Failed > Leave; CallOver > Finished Stop
Refreshing: AgreedOurs > OurTurn ArmHalf; AgreedTheirs > TheirTurn ArmExpiry; AgreedNone > Off Stop; Due > Leave; Gone > Finished EndCall; GoneButHeard > Retrying ArmRetry; Failed > Retrying ArmRetry; CallOver > Finished Stop
Retrying: AgreedOurs > OurTurn ArmHalf; AgreedTheirs > TheirTurn ArmExpiry; AgreedNone > Off Stop; Due > Refreshing Refresh; Gone > Leave; GoneButHeard > Leave; Failed > Leave; CallOver > Finished Stop
Finished: AgreedOurs > Leave; AgreedTheirs > Leave; AgreedNone > Leave; Due > Leave; Gone > Leave; GoneButHeard > Leave; Failed > Leave; CallOver > Leave
`

const callerCells = `
Calling: Trying > Proceeding Nothing; Progress > Proceeding Ring; Branched > Early Branch; Pruned > Proceeding Nothing; Accepted > Done Take; Rejected > Done Report; TimedOut > Done Fail; Lost > Done Drop; Silent > Done Drop; RingOver > Leaving CancelLater; HungUp > Leaving CancelLater; Moved > Leaving CancelLater; Overdue > Nothing; ShutDown > Done Abandon
Proceeding: Trying > Nothing; Progress > Ring; Branched > Early Branch; Pruned > Prune; Accepted > Done Take; Rejected > Done Report; TimedOut > Done Fail; Lost > Nothing; Silent > Nothing; RingOver > Leaving Cancel; HungUp > Leaving Cancel; Moved > Leaving Cancel; Overdue > Nothing; ShutDown > Done Abandon
Early: Trying > Nothing; Progress > Ring; Branched > Branch; Pruned > Prune; Accepted > Done Take; Rejected > Done Report; TimedOut > Done Fail; Lost > Nothing; Silent > Nothing; RingOver > Leaving Cancel; HungUp > Leaving Cancel; Moved > Leaving Cancel; Overdue > Nothing; ShutDown > Done Abandon
Leaving: Trying > Cancel; Progress > Cancel; Branched > Cancel; Pruned > Cancel; Accepted > Done Goodbye; Rejected > Done Nothing; TimedOut > Done Nothing; Lost > Nothing; Silent > Nothing; RingOver > Nothing; HungUp > Nothing; Moved > Nothing; Overdue > Done Abandon; ShutDown > Done Abandon
Done: Trying > Nothing; Progress > Nothing; Branched > Nothing; Pruned > Nothing; Accepted > Nothing; Rejected > Nothing; TimedOut > Nothing; Lost > Nothing; Silent > Nothing; RingOver > Nothing; HungUp > Nothing; Moved > Nothing; Overdue > Nothing; ShutDown > Nothing
`

const calleeCells = `
Arrived: RingIt > Alerting Alert; PickUp > Answering Prepare; Agreed > WrongTime; NotAgreed > WrongTime; Decline > Over Refuse; Cancelled > Over End; Bye > Over Refuse; TooLong > Over Refuse; NoPrack > Over Refuse; Acked > Rest; NotAcked > Rest
Alerting: RingIt > Alert; PickUp > Answering Prepare; Agreed > WrongTime; NotAgreed > WrongTime; Decline > Over Refuse; Cancelled > Over End; Bye > Over Refuse; TooLong > Over Refuse; NoPrack > Over Refuse; Acked > Rest; NotAcked > Rest
Answering: RingIt > Alert; PickUp > WrongTime; Agreed > Answered SendOK; NotAgreed > Over Refuse; Decline > Over Refuse; Cancelled > Over End; Bye > Over Refuse; TooLong > Over Refuse; NoPrack > Over Refuse; Acked > Rest; NotAcked > Rest
Answered: RingIt > WrongTime; PickUp > WrongTime; Agreed > WrongTime; NotAgreed > WrongTime; Decline > Over SayBye; Cancelled > Over End; Bye > Over End; TooLong > Rest; NoPrack > Rest; Acked > Confirmed Rest; NotAcked > Over SayBye
Confirmed: RingIt > WrongTime; PickUp > WrongTime; Agreed > WrongTime; NotAgreed > WrongTime; Decline > Over SayBye; Cancelled > Rest; Bye > Over End; TooLong > Rest; NoPrack > Rest; Acked > Rest; NotAcked > Rest
Over: RingIt > WrongTime; PickUp > WrongTime; Agreed > WrongTime; NotAgreed > WrongTime; Decline > WrongTime; Cancelled > Rest; Bye > Rest; TooLong > Rest; NoPrack > Rest; Acked > Rest; NotAcked > Rest
`

func TestOrderOfRSeq(t *testing.T) {
	tests := []struct {
		name  string
		rseqs []uint32
		want  string
	}{
		{"in order", []uint32{7, 8, 9}, "yes yes yes"},
		{"repeated", []uint32{7, 7, 8, 7, 8}, "yes no yes no no"},
		{"a gap, then what was missing", []uint32{7, 9, 8, 9}, "yes no yes yes"},
		{"none", []uint32{0, 7, 0}, "no yes no"},
		{"the end of the numbers", []uint32{1<<32 - 1, 0, 1}, "yes no no"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var o Order
			var got []string
			for _, n := range tt.rseqs {
				got = append(got, map[OrderAction]string{Acknowledge: "yes", Skip: "no"}[o.Take(n)])
			}
			if s := strings.Join(got, " "); s != tt.want {
				t.Errorf("acknowledged %s, want %s", s, tt.want)
			}
		})
	}
}

func TestPause(t *testing.T) {
	tests := []struct {
		do       TimerAction
		interval time.Duration
		want     time.Duration
	}{
		{ArmHalf, 1800 * time.Second, 900 * time.Second},
		{ArmExpiry, 1800 * time.Second, 1768 * time.Second},
		{ArmExpiry, 90 * time.Second, 60 * time.Second},
		{ArmRetry, 1800 * time.Second, time.Minute},
		{ArmRetry, 90 * time.Second, 90 * time.Second / 8},
		{ArmHalf, time.Second, 45 * time.Second},
		{ArmHalf, 1 << 62, 12 * time.Hour},
		{Stop, 1800 * time.Second, 0},
	}
	for _, tt := range tests {
		if got := Pause(tt.do, tt.interval); got != tt.want {
			t.Errorf("%v of %v: %v, want %v", tt.do, tt.interval, got, tt.want)
		}
	}
}

func TestJudge(t *testing.T) {
	for code := 100; code < 700; code++ {
		for _, tagged := range []bool{false, true} {
			want := Rejected
			switch {
			case code == 100:
				want = Trying
			case code == 199:
				want = Pruned
			case code < 200 && tagged:
				want = Branched
			case code < 200:
				want = Progress
			case code < 300:
				want = Accepted
			}
			if got := Judge(code, tagged); got != want {
				t.Errorf("%d: %v, want %v", code, got, want)
			}
		}
	}
}
