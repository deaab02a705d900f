package media

import (
	"context"
	"net/netip"
	"sync"
	"time"
)

const (
	// silent is the pause of the recorder or player after which the pacer stands in for it. Device periods are up
	// to 40 ms.
	silent = 60 * time.Millisecond

	// atOnce is a distance of two recorded frames that only a device catching up can have.
	atOnce = 2 * time.Millisecond

	// keepAlive is how often an empty datagram holds a NAT open while we may not send (RFC 6263 4.1 and 7: at least
	// every 15 s).
	keepAlive = 15 * time.Second
)

// Run carries the media until ctx ends or Close is called, then says goodbye to the peer, closes the sockets and
// returns nil when all goroutines have ended. It is called once.
func (s *Session) Run(ctx context.Context) error {
	s.mu.Lock()
	s.running = true
	s.mu.Unlock()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var readers, workers sync.WaitGroup
	readers.Go(func() { s.read(s.rtp, false) })
	readers.Go(func() { s.read(s.rtcp, true) })
	workers.Go(func() { s.runReports(ctx) })
	workers.Go(func() { s.runKicks(ctx) })
	workers.Go(func() { s.runHandshakes(ctx) })
	workers.Go(func() { s.runPacer(ctx) })
	workers.Go(func() { s.runAdaptation(ctx) })
	workers.Go(func() { s.runDevice(ctx, s.recorder.Keep) })
	workers.Go(func() { s.runDevice(ctx, s.player.Keep) })
	select {
	case <-ctx.Done():
	case <-s.closed:
	}
	cancel()
	workers.Wait() // the goodbye needs the sockets
	s.Close()
	s.closeSockets()
	readers.Wait()
	if s.finder != nil {
		s.finder.wait()
	}
	return nil
}

// takePacket takes an RTP packet.
func (s *Session) takePacket(data []byte, from netip.AddrPort, proof trust, now time.Duration) {
	got := s.rx.take(data, from, proof, now)
	if !got.valid {
		return
	}
	s.moves.in(now)
	if got.moved.IsValid() {
		s.moveRemote(got.moved)
	}
	if got.digit != 0 && s.cfg.OnDTMF != nil {
		s.cfg.OnDTMF(got.digit)
	}
	if got.change {
		s.changed()
	}
}

// moveRemote sends to an address learnt from packets, unless ICE knows better.
func (s *Session) moveRemote(to netip.AddrPort) {
	if _, plain := (*s.way.Load()).(plainPath); !plain {
		return
	}
	s.log.Info("media goes to the source of the peer's packets", "remote", to)
	s.setRemote(to)
	s.rep.mu.Lock()
	defer s.rep.mu.Unlock()
	switch {
	case s.rep.mux:
		s.rep.remote = to
	case to.Port() < 65535:
		s.rep.remote = netip.AddrPortFrom(to.Addr(), to.Port()+1) // RFC 3550 11, until RTCP says otherwise
	}
}

// learnRTCP takes the source of the peer's RTCP for where to send ours, when its RTP comes from the same host.
func (s *Session) learnRTCP(data []byte, from netip.AddrPort) {
	if !isRTCP(data) || from.Addr() != s.remoteAddr().Addr() {
		return
	}
	s.rep.mu.Lock()
	defer s.rep.mu.Unlock()
	if !s.rep.mux {
		s.rep.remote = from
	}
}

// read takes datagrams of a component until its socket is closed.
func (s *Session) read(from socket, rtcp bool) {
	buf := make([]byte, maxDatagram)
	for {
		n, addr, err := from.read(buf)
		switch {
		case err == nil:
			s.receive(buf[:n], addr, rtcp)
		case isClosed(err):
			return
		default:
			// An ICMP message or a system short of memory: go on, but not in a tight loop.
			select {
			case <-s.closed:
				return
			case <-time.After(10 * time.Millisecond):
			}
		}
	}
}

// record runs the recorder.
func (s *Session) record(ctx context.Context, r Recorder) error {
	return r.Record(ctx, func(frame []int16) {
		now := s.now()
		last := time.Duration(s.lastPush.Swap(int64(now)))
		if s.stoodIn.Load() > 0 {
			if now-last < atOnce {
				s.stoodIn.Add(-1) // what the device held back during a stall: silence went in its place
				return
			}
			if now-last < silent {
				s.stoodIn.Store(0)
			}
		}
		s.tx.push(frame, now)
	})
}

// playback runs the player.
func (s *Session) playback(ctx context.Context, p Player) error {
	return p.Play(ctx, func(frame []int16) {
		now := s.now()
		s.lastPull.Store(int64(now))
		s.rx.pull(frame, now)
	})
}

// runDevice keeps a device running from the first agreement on.
func (s *Session) runDevice(ctx context.Context, keep func(context.Context)) {
	select {
	case <-ctx.Done():
	case <-s.ready:
		keep(ctx)
	}
}

// runPacer stands in for missing devices: it sends silence so that NATs stay open and the peer hears no loss, and
// takes sound so that the statistics go on. It also keeps NATs open while we may not send. While both devices work
// it wakes up only to see that they do: each wake-up of a process costs more than all that is done here.
func (s *Session) runPacer(ctx context.Context) {
	select {
	case <-ctx.Done():
		return
	case <-s.ready:
	}
	timer := time.NewTimer(frameTime)
	defer timer.Stop()
	silence, sink := make([]int16, deviceSamples), make([]int16, deviceSamples)
	sent, pulled, alive := s.now(), s.now(), s.now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		now := s.now()
		pushedAt, pulledAt := time.Duration(s.lastPush.Load()), time.Duration(s.lastPull.Load())
		sent = stand(now, sent, pushedAt, func() {
			s.stoodIn.Add(1)
			s.tx.push(silence, now)
		})
		pulled = stand(now, pulled, pulledAt, func() { s.rx.pull(sink, now) })
		s.observe(now)
		if now-alive >= keepAlive {
			alive = now
			if !s.tx.sending() {
				_ = (*s.way.Load()).write(nil, false) // best effort
			}
		}
		wait := min(pushedAt, pulledAt) + silent - now
		if wait <= 0 {
			wait = frameTime
		}
		timer.Reset(wait)
	}
}

// stand calls frame as often as 10 ms have passed since due, the time to which frames have been made, while the
// device's last frame is long ago. It returns the new due; the pause before it is noticed is not made up for.
func stand(now, due, device time.Duration, frame func()) time.Duration {
	if now-device < silent {
		return device + silent - frameTime
	}
	// After a pause of the whole process the missed time is not made up for.
	due = max(due, now-silent)
	for now-due >= frameTime {
		frame()
		due += frameTime
	}
	return due
}
