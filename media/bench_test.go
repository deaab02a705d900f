package media

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"github.com/peregrine-softphone/peregrine/media/codec"
	"github.com/peregrine-softphone/peregrine/media/jitter"
)

// loop is a sender whose packets go straight into a receiver.
func loop(t testing.TB, name string) (step func()) {
	t.Helper()
	c, ok := codec.Find(name)
	if !ok {
		t.Fatalf("no codec %s", name)
	}
	rx := &receiver{buffer: jitter.New(jitter.Config{})}
	rx.set(map[uint8]payloadType{c.PayloadType: {kind: payloadAudio, codec: c, clock: c.ClockRate}})
	from := netip.MustParseAddrPort("192.0.2.1:4000")
	rx.describe(from, true, false)
	now := time.Duration(0)
	tx := newSender(7, func(packet []byte) { rx.take(packet, from, unproven, now) })
	out, err := newOutgoing(c, c.PayloadType, 20)
	if err != nil {
		t.Fatal(err)
	}
	out.send = true
	tx.configure(out)
	in, heard, n := make([]int16, deviceSamples), make([]int16, deviceSamples), 0
	return func() { // 20 ms of a call
		for range 2 {
			for i := range in {
				in[i] = voice(n + i)
			}
			n += len(in)
			tx.push(in, now)
			now += 10 * time.Millisecond
			rx.pull(heard, now)
		}
	}
}

func TestCallAllocatesNothing(t *testing.T) {
	step := loop(t, "PCMU")
	for range 1000 {
		step()
	}
	if n := testing.AllocsPerRun(1000, step); n > 0 {
		t.Errorf("%g allocations per packet sent and received", n)
	}
}

func benchmarkCall(b *testing.B, name string) {
	b.Helper()
	step := loop(b, name)
	b.ReportAllocs()
	for b.Loop() {
		step()
	}
}

func BenchmarkPCMU(b *testing.B) { benchmarkCall(b, "PCMU") }

// FuzzReceive gives arbitrary datagrams to a receiver in a call.
func FuzzReceive(f *testing.F) {
	f.Add([]byte("\x80\x00\x00\x01\x00\x00\x00\xa0\x00\x00\x00\x07payload"), uint16(5))
	f.Add([]byte("\xb2\x80\x00\x01\x00\x00\x00\xa0\x00\x00\x00\x07\xbe\xde\x00\x01\x10\x01\x02\x03\x05\x05\x05\x05pay\x03"), uint16(5))
	f.Add([]byte("\x80\x65\x00\x01\x00\x00\x00\xa0\x00\x00\x00\x07\x05\x80\x03\x20"), uint16(5))
	f.Add([]byte("\x80\x0d\x00\x01\x00\x00\x00\xa0\x00\x00\x00\x07\x30"), uint16(5))
	f.Fuzz(func(_ *testing.T, data []byte, step uint16) {
		rx := &receiver{buffer: jitter.New(jitter.Config{})}
		types := map[uint8]payloadType{
			13: {kind: payloadNoise, clock: 8000}, 101: {kind: payloadEvent, clock: 8000},
		}
		for _, c := range codec.Available() {
			types[c.PayloadType] = payloadType{kind: payloadAudio, codec: c, clock: c.ClockRate}
		}
		rx.set(types)
		from := netip.MustParseAddrPort("192.0.2.1:4000")
		rx.describe(from, true, false)
		frame := make([]int16, deviceSamples)
		for n := range 6 {
			now := time.Duration(n) * 20 * time.Millisecond
			if len(data) >= rtpHeader { // a sequence of it
				data[1] ^= byte(step >> 12)
				binary.BigEndian.PutUint16(data[2:], binary.BigEndian.Uint16(data[2:])+step&3)
			}
			rx.take(data, from, unproven, now)
			rx.pull(frame, now)
			rx.pull(frame, now+10*time.Millisecond)
		}
	})
}

// FuzzReport gives arbitrary datagrams to the RTCP side.
func FuzzReport(f *testing.F) {
	f.Add([]byte("\x80\xc8\x00\x06\x00\x00\x00\x07\x01\x02\x03\x04\x05\x06\x07\x08\x00\x00\x00\xa0\x00\x00\x00\x01\x00\x00\x00\xa0"))
	f.Add([]byte("\x81\xcb\x00\x01\x00\x00\x00\x07"))
	f.Fuzz(func(t *testing.T, data []byte) {
		peer := netip.MustParseAddrPort("192.0.2.1:4000")
		s := &Session{tx: newSender(7, func([]byte) {})}
		s.rx.describe(peer, true, false)
		s.rx.source = source{ssrc: 7, started: true}
		s.takeReport(data, peer.Addr(), unproven, time.Second)
		if s.rep.rtt < 0 || s.rep.remoteLoss < 0 || s.rep.remoteLoss > 100 {
			t.Errorf("rtt %v, loss %g", s.rep.rtt, s.rep.remoteLoss)
		}
	})
}
