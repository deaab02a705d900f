package media

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestCallPCMU(t *testing.T) {
	inCall(t, []string{"PCMU"}, func(t *testing.T, _ *wire, a, b *phone) {
		time.Sleep(6 * time.Second)
		listen(t, a, b, 0.2, 0.6, 0.98)
		// 20 ms network, 20 ms packet, 5 ms of resampling filters, and the jitter buffer: 12 ms slack above its 10.
		if d := listen(t, a, b, 4, 1, 0.98); d > 75*time.Millisecond {
			t.Errorf("delay %v", d)
		}
		listen(t, b, a, 4, 1, 0.98)
		st := b.Stats()
		t.Logf("%+v", st)
		if st.PacketsReceived < 290 || st.Lost != 0 || st.Garbage != 0 || st.Codec != "PCMU" || st.MOS < 4 {
			t.Errorf("stats %+v", st)
		}
	})
}

func TestCallSurvivesLossAndJitter(t *testing.T) {
	inCall(t, []string{"PCMU"}, func(t *testing.T, w *wire, a, b *phone) {
		w.set(func(w *wire) { w.loss, w.jitter = 0.05, 40*time.Millisecond })
		time.Sleep(20 * time.Second)
		st := b.Stats()
		t.Logf("%+v", st)
		// Concealed frames and stretched periods cost correlation, not more.
		listen(t, a, b, 15, 0.6, 0.7)
		if st.LossPercent < 2 || st.LossPercent > 9 || st.Jitter < 5*time.Millisecond || st.Delay > 70*time.Millisecond {
			t.Errorf("stats %+v", st)
		}
		if st.RTT < 40*time.Millisecond || st.RTT > 130*time.Millisecond {
			t.Errorf("RTT %v", st.RTT)
		}
		if st.RemoteLossPercent == 0 || st.MOS > 4.3 || st.MOS < 3 {
			t.Errorf("remote loss %g, MOS %g", st.RemoteLossPercent, st.MOS)
		}
	})
}

// TestMove takes a's address away for 300 ms and gives it another one, as a change of network does.
func TestMove(t *testing.T) {
	inCall(t, []string{"PCMU"}, func(t *testing.T, w *wire, a, b *phone) {
		time.Sleep(5 * time.Second)
		w.set(func(w *wire) { w.down = true })
		time.Sleep(300 * time.Millisecond)
		w.rebind(a.rtp, "10.0.9.9:4000")
		w.rebind(a.rtcp, "10.0.9.9:4001")
		*a.host = "10.0.9.9"
		w.set(func(w *wire) { w.down = false })
		a.Moved(time.Now())
		sent := 0
		w.set(func(w *wire) { sent = w.count })
		time.Sleep(60 * time.Millisecond)
		w.set(func(w *wire) {
			if n := w.count - sent; n < 4 {
				t.Errorf("%d packets in the first 60 ms", n)
			}
		})
		time.Sleep(60 * time.Millisecond) // signalling
		connect(t, a, b)
		time.Sleep(5 * time.Second)
		moves := a.Stats().HandOffs
		if len(moves) != 1 {
			t.Fatalf("hand-offs %+v", moves)
		}
		m := moves[0]
		t.Logf("%+v", m)
		if m.FirstOut < 0 || m.FirstOut > time.Millisecond {
			t.Errorf("first out %v", m.FirstOut)
		}
		// The peer's packets come again one packet and one way after the answer; the outage was 300 ms before.
		if m.FirstIn < 120*time.Millisecond || m.FirstIn > 165*time.Millisecond ||
			m.GapIn < 400*time.Millisecond || m.GapIn > 500*time.Millisecond {
			t.Errorf("first in %v, gap in %v", m.FirstIn, m.GapIn)
		}
		if m.GapOut < 280*time.Millisecond || m.GapOut > 325*time.Millisecond {
			t.Errorf("gap out %v", m.GapOut)
		}
		if st := b.Stats(); st.Remote.String() != "10.0.9.9:4000" || st.Garbage > 1 {
			// One: its first report may overtake the first packet from the new address.
			t.Errorf("peer sends to %v, garbage %d", st.Remote, st.Garbage)
		}
		listen(t, a, b, 7, 0.6, 0.95)
		listen(t, b, a, 7, 0.6, 0.95)
		if n := a.Stats().SendErrors; n == 0 {
			t.Error("the outage was not seen")
		}
	})
}

func TestHoldAndMute(t *testing.T) {
	inCall(t, []string{"PCMU"}, func(t *testing.T, _ *wire, a, b *phone) {
		time.Sleep(2 * time.Second)
		b.SetHold(true)
		connect(t, b, a)
		time.Sleep(300 * time.Millisecond)
		before := a.Stats()
		time.Sleep(2 * time.Second)
		after := a.Stats()
		if !after.RemoteHold || after.PacketsSent != before.PacketsSent || !b.Stats().LocalHold {
			t.Errorf("held: %d packets sent, %+v", after.PacketsSent-before.PacketsSent, after)
		}
		if after.PacketsReceived == before.PacketsReceived {
			t.Error("the holder sends nothing")
		}
		if after.LevelOut > 0.1 {
			t.Errorf("the held one hears the room at level %g", after.LevelOut)
		}
		a.SetHold(true)
		both, err := a.Offer(t.Context())
		if err != nil || !bytes.Contains(both, []byte("a=inactive")) {
			t.Errorf("both hold: %v\n%s", err, both)
		}
		a.Rollback()
		a.SetHold(false)
		b.SetHold(false)
		connect(t, b, a)
		a.SetMuted(true)
		time.Sleep(2 * time.Second)
		end := b.Stats()
		if end.PacketsReceived < 150 || end.LevelOut > 0.1 {
			t.Errorf("muted: %d packets, level %g", end.PacketsReceived, end.LevelOut)
		}
		a.SetMuted(false)
		time.Sleep(2 * time.Second)
		listen(t, a, b, 7, 0.6, 0.95)
	})
}

func TestDTMF(t *testing.T) {
	inCall(t, []string{"PCMU"}, func(t *testing.T, w *wire, a, b *phone) {
		time.Sleep(time.Second)
		w.set(func(w *wire) { w.loss = 0.1 })
		if err := a.DTMF(t.Context(), "0123456789*#ABCD55"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		got := ""
		for len(b.digits) > 0 {
			got += string(<-b.digits)
		}
		if got != "0123456789*#ABCD55" {
			t.Errorf("heard %q", got)
		}
		if err := a.DTMF(t.Context(), "1x"); err == nil {
			t.Error("x was sent")
		}
	})
}

func TestCodecChange(t *testing.T) {
	inCall(t, []string{"PCMU", "PCMA", "L16"}, func(t *testing.T, _ *wire, a, b *phone) {
		time.Sleep(3 * time.Second)
		for _, name := range []string{"L16", "PCMA", "PCMU"} {
			if err := a.SetCodecs([]string{name, "PCMU"}); err != nil {
				t.Fatal(err)
			}
			connect(t, a, b)
			time.Sleep(3 * time.Second)
			if got := b.Stats(); got.Codec != name || got.ReceiveCodec != name {
				t.Errorf("codec %s, receives %s, want %s", got.Codec, got.ReceiveCodec, name)
			}
			if st := b.Stats(); st.Concealed > 60*time.Millisecond || st.Lost != 0 || st.Delay > 40*time.Millisecond {
				t.Errorf("%s: concealed %v, lost %d, delay %v", name, st.Concealed, st.Lost, st.Delay)
			}
		}
		listen(t, a, b, 11, 0.6, 0.95)
		if err := a.SetCodecs([]string{"G729"}); !errors.Is(err, ErrNoCommonCodec) {
			t.Errorf("unknown codec: %v", err)
		}
	})
}

func TestRefusedOfferChangesNothing(t *testing.T) {
	inCall(t, []string{"PCMU", "PCMA"}, func(t *testing.T, _ *wire, a, b *phone) {
		time.Sleep(time.Second)
		if err := a.SetCodecs([]string{"PCMA"}); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Offer(t.Context()); err != nil {
			t.Fatal(err)
		}
		a.Rollback()
		time.Sleep(time.Second)
		if a.Stats().Codec != "PCMU" || b.Stats().ReceiveCodec != "PCMU" {
			t.Errorf("codec %s", a.Stats().Codec)
		}
		// The peer's own offer afterwards is answered by the user's word.
		connect(t, b, a)
		time.Sleep(time.Second)
		if a.Stats().Codec != "PCMA" {
			t.Errorf("codec %s", a.Stats().Codec)
		}
	})
}

func TestRecorderFails(t *testing.T) {
	inCall(t, []string{"PCMU"}, func(t *testing.T, _ *wire, a, b *phone) {
		failed := false
		a.singer.mu.Lock()
		a.singer.fail = func(at time.Duration) bool {
			now := !failed && at > time.Second
			failed = failed || now
			return now
		}
		a.singer.mu.Unlock()
		time.Sleep(1300 * time.Millisecond)
		if a.Stats().RecorderProblem == "" {
			t.Error("the failure is not shown")
		}
		time.Sleep(3 * time.Second)
		st := b.Stats()
		// Silence bridges the pause, within the 60 ms in which it is noticed.
		if st.PacketsReceived < 205 || st.Lost > 0 {
			t.Errorf("%d packets, lost %d", st.PacketsReceived, st.Lost)
		}
		if p := a.Stats().RecorderProblem; p != "" {
			t.Errorf("still %q", p)
		}
	})
}

// TestSymmetric puts a behind a NAT that the SDP knows nothing of.
func TestSymmetric(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire(5)
		a, b := newPhone(t, w, "10.0.0.1", "PCMU"), newPhone(t, w, "10.0.0.2", "PCMU")
		*a.host = "192.168.1.5" // what its SDP says
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for _, p := range []*phone{a, b} {
			wg.Go(func() { _ = p.Run(ctx) })
		}
		connect(t, a, b)
		time.Sleep(4 * time.Second)
		if st := b.Stats(); st.Remote != a.rtp.addr || !st.Symmetric {
			t.Errorf("sends to %v", st.Remote)
		}
		if a.Stats().PacketsReceived < 150 {
			t.Errorf("%d packets came back", a.Stats().PacketsReceived)
		}
		// Later on a stream from elsewhere, even the right one, moves nothing.
		w.rebind(a.rtp, "10.0.0.77:4000")
		time.Sleep(12 * time.Second)
		if st := b.Stats(); st.Remote.String() != "10.0.0.1:4000" {
			t.Errorf("moved to %v in the middle of the call", st.Remote)
		}
		cancel()
		wg.Wait()
	})
}

func TestGarbage(t *testing.T) {
	inCall(t, []string{"PCMU"}, func(t *testing.T, w *wire, a, b *phone) {
		time.Sleep(time.Second)
		evil := w.listen("10.6.6.6:666")
		rng := rand.New(rand.NewPCG(8, 8))
		for i := range 2000 {
			data := make([]byte, rng.IntN(300))
			for j := range data {
				data[j] = byte(rng.Uint32())
			}
			if len(data) > 2 && i%2 == 0 {
				data[0], data[1] = 0x80, 0 // looks like RTP with our payload type
			}
			to := b.rtp
			if i%3 == 0 {
				to = b.rtcp
			}
			if _, err := evil.WriteTo(data, to.LocalAddr()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Millisecond)
		}
		time.Sleep(2 * time.Second)
		listen(t, a, b, 5, 0.6, 0.95)
		st := b.Stats()
		if st.Remote != a.rtp.addr || st.Garbage < 1500 {
			t.Errorf("sends to %v, garbage %d", st.Remote, st.Garbage)
		}
	})
}

func TestCloseWithoutRun(t *testing.T) {
	w := newWire(1)
	a := newPhone(t, w, "10.0.0.1", "PCMU")
	a.Close()
	a.Close()
	if _, _, err := a.rtp.ReadFrom(nil); !isClosed(err) {
		t.Errorf("rtp socket: %v", err)
	}
	if _, _, err := a.rtcp.ReadFrom(nil); !isClosed(err) {
		t.Errorf("rtcp socket: %v", err)
	}
	if err := a.Run(t.Context()); err != nil { // ends at once
		t.Error(err)
	}
}
