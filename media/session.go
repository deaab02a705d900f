// Package media carries the sound of one call: RTP and RTCP between two UDP sockets, a [Recorder] and a [Player].
//
// It is for package app, which makes one [Session] per call and hands it to the signalling side, which knows it only
// as something that writes and reads SDP. The order of calls is [New] (binds the sockets), then [Session.Run] on a
// goroutine of its own, and in any order with it [Session.Offer] followed by [Session.Accept] or [Session.Rollback],
// or [Session.Answer]. Sound flows from the first agreement on, which may be that of early media. The sockets live
// as long as the session, whatever happens to the network: they are bound to the wildcard address, and
// [Session.Moved] tells the session that packets now leave from elsewhere.
//
// The way of a sample, recorded to sent: 10 ms frames at 48 kHz come from the Recorder on its goroutine, are brought
// to the rate of the codec, collected to one packet, encoded and sent without a queue between. Received to played:
// packets go from the socket into the jitter buffer, and the Player's goroutine decodes what it needs when it needs
// it. Every method of Session is safe for concurrent use.
package media

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/peregrine-softphone/peregrine/media/adapt"
	"github.com/peregrine-softphone/peregrine/media/codec"
	"github.com/peregrine-softphone/peregrine/media/device"
	"github.com/peregrine-softphone/peregrine/media/dtmf"
	"github.com/peregrine-softphone/peregrine/media/ice"
	"github.com/peregrine-softphone/peregrine/media/jitter"
	"github.com/peregrine-softphone/peregrine/media/sdp"
	"github.com/peregrine-softphone/peregrine/media/secure"
)

// Recorder is a source of sound; package media/audio has the real ones.
type Recorder interface {
	// Record calls push with frames of 10 ms, 480 samples of mono signed 16 bit PCM at 48 kHz, paced by the clock of
	// the source, until ctx ends (nil) or the source fails. The frame is only valid during the call.
	Record(ctx context.Context, push func(frame []int16)) error
}

// Player is a sink of sound.
type Player interface {
	// Play calls pull with a frame of the same form to be filled, whenever it needs the next one, until ctx ends
	// (nil) or the sink fails.
	Play(ctx context.Context, pull func(frame []int16)) error
}

// Config is what a session is made of.
type Config struct {
	Logger *slog.Logger // nil: nothing is logged

	// Listen opens the sockets for RTP and RTCP, bound to the wildcard address. nil: ListenPair(0, 0).
	Listen func() (rtp, rtcp net.PacketConn, err error)

	// LocalAddr gives the address to write into SDP for media toward remote. remote is the zero Addr as long as the
	// peer's media address is unknown, that is in the first offer: the address toward the next hop will do.
	LocalAddr func(remote netip.Addr) netip.Addr

	Codecs   []codec.Codec // what we offer and accept, best first. nil: codec.Available()
	Recorder Recorder      // nil: silence is sent
	Player   Player        // nil: what comes in is decoded for the statistics only
	CNAME    string        // RTCP canonical name (RFC 3550 6.5.1), "user@host"; empty: a random one

	// ICE looks for the best path to the peer (RFC 8445). nil: media goes to the addresses of the SDP
	ICE *ice.Config

	// Security says whether media is encrypted, Keys how keys come about. The zero values: never, and either way.
	Security secure.Policy
	Keys     secure.Exchange
	// SecureSignalling reports whether descriptions travel by TLS, so that keys may stand in them. nil: they do not
	SecureSignalling func() bool
	// Certificate is what we show in handshakes, one for all calls of a run. nil: no keys by DTLS
	Certificate *secure.Certificate

	// OnDTMF is told every digit the peer sends by RFC 4733 (0-9, *, #, A-D). It must not block. nil: ignored
	OnDTMF func(digit rune)

	// Adapt fits bitrate, protection and packet time to the network. OnWish is told when that is not enough and
	// another codec should be agreed on; it must not block, and WishDone is owed. nil: nobody can do that
	Adapt  bool
	OnWish func(adapt.Wish)

	// OnChange is told that something a user sees at once has changed: codec, hold, device trouble. It is called
	// without any lock held, must not block, and reads what it wants to know from Stats. nil: ignored
	OnChange func()
}

// The errors a caller tells apart.
var (
	// ErrNoCommonCodec says that the peer's description has no audio we can do: answer 488 (RFC 3261 13.3.1.3).
	ErrNoCommonCodec = errors.New("no common audio codec")
	// ErrNoAddress says that there is no local address to put into SDP, because no network is up.
	ErrNoAddress = errors.New("no local address")
	// ErrNoDTMF says that the peer did not agree to telephone-event (RFC 4733); SIP INFO remains.
	ErrNoDTMF = errors.New("peer does not take telephone events")
	// ErrClosed says that the session has ended.
	ErrClosed = errors.New("media session closed")
	// ErrInsecure says that media must be encrypted and the peer does not: answer 488.
	ErrInsecure = errors.New("peer does not encrypt")
	// ErrSecureOnly says that the peer wants encryption in a way that we cannot or may not do: answer 488.
	ErrSecureOnly = errors.New("peer insists on another encryption")
	// ErrState says that an answer came without an offer.
	ErrState = errors.New("no offer outstanding")
)

// Session is the media of one call.
type Session struct {
	cfg   Config
	log   *slog.Logger
	cname string
	epoch time.Time // the session's clock counts from here

	rtp, rtcp socket
	codecs    []codec.Codec // all we can do

	mu          sync.Mutex // guards what follows; never held while calling out
	negotiation *sdp.Negotiation
	agreement   sdp.Agreement
	agreed      bool
	running     bool
	order       []codec.Codec // what we offer now
	chosen      bool          // order is the user's word: it goes before the peer's
	hold, muted bool
	localAddr   netip.Addr

	ready     chan struct{} // closed with the first agreement
	readyOnce sync.Once
	closed    chan struct{}
	closeOnce sync.Once
	kick      chan struct{} // Moved
	recorder  *device.Keeper[Recorder]
	player    *device.Keeper[Player]

	remote     atomic.Pointer[netip.AddrPort] // where RTP goes by the plain path; nil: nowhere
	way        atomic.Pointer[path]           // how datagrams leave
	stun       atomic.Pointer[stunHandler]    // nil: nobody wants STUN
	finder     pathfinder                     // nil: the addresses of the SDP; set before the first description
	sendErrors atomic.Uint64
	lastPush   atomic.Int64 // on the session's clock: the recorder's last frame
	lastPull   atomic.Int64
	stoodIn    atomic.Int64 // frames of silence sent since the recorder's last one

	protect protection
	buffers buffers

	tx    *sender
	rx    receiver
	rep   reports
	moves handOffs

	adapting adapting
}

// New makes a session and binds its sockets. Without Run they stay open until Close.
func New(cfg Config) (*Session, error) {
	listen := cfg.Listen
	if listen == nil {
		listen = func() (net.PacketConn, net.PacketConn, error) { return ListenPair(0, 0) }
	}
	codecs := cfg.Codecs
	if len(codecs) == 0 {
		codecs = codec.Available()
	}
	rtpConn, rtcpConn, err := listen()
	if err != nil {
		return nil, fmt.Errorf("new media session: %w", err)
	}
	log := cfg.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	cname := cfg.CNAME
	if cname == "" {
		cname = fmt.Sprintf("%08x", randomUint32()) // RFC 7022 4.2: random, for one session
	}
	s := &Session{
		cfg: cfg, log: log, cname: cname, epoch: time.Now(),
		rtp: newSocket(rtpConn), rtcp: newSocket(rtcpConn), codecs: slices.Clone(codecs), order: slices.Clone(codecs),
		// RFC 8866 5.2: an id like an NTP time; 31 bits, since some peers read it as a signed word.
		negotiation: sdp.NewNegotiation("-", uint64(randomUint32()>>1)),
		ready:       make(chan struct{}), closed: make(chan struct{}), kick: make(chan struct{}, 1),
	}
	s.recorder = device.New(device.Config[Recorder]{
		Logger: log, Role: "recorder", Device: cfg.Recorder, Run: s.record, OnChange: s.changed,
	})
	s.player = device.New(device.Config[Player]{
		Logger: log, Role: "player", Device: cfg.Player, Run: s.playback, OnChange: s.changed,
	})
	s.protect.policy, s.protect.exchange = cfg.Security, cfg.Keys
	s.protect.signalling, s.protect.certificate = cfg.SecureSignalling, cfg.Certificate
	s.protect.shakes.kick = make(chan struct{}, 1)
	s.adapting.on = cfg.Adapt
	s.rep.hurry = make(chan struct{}, 1)
	s.usePath(nil)
	s.tx = newSender(randomUint32(), s.write)
	s.rx.buffer = jitter.New(jitter.Config{})
	if cfg.ICE != nil {
		if err := s.findPaths(*cfg.ICE); err != nil {
			s.closeSockets()
			return nil, err
		}
	}
	return s, nil
}

// now is the session's clock.
func (s *Session) now() time.Duration { return time.Since(s.epoch) }

// SetHold sets whether the user holds the call. Ear and microphone are off at once; the peer learns of it with the
// next offer.
func (s *Session) SetHold(on bool) {
	s.mu.Lock()
	s.hold = on
	deaf := on || s.agreed && !s.agreement.Receive
	silent := on || s.muted // who was put on hold must not listen to the room
	s.mu.Unlock()
	s.tx.setMuted(silent)
	s.rx.mu.Lock()
	s.rx.deaf = deaf
	s.rx.mu.Unlock()
	s.changed()
}

// SetMuted sets whether silence is sent in place of the microphone's sound.
func (s *Session) SetMuted(on bool) {
	s.mu.Lock()
	s.muted = on
	silent := on || s.hold
	s.mu.Unlock()
	s.tx.setMuted(silent)
	s.changed()
}

// SetCodecs chooses, by name and best first, the codecs of the next offer, and of answers from now on even against
// the peer's order. What is playing goes on until the peer agrees. No name of a codec we have is an error, and
// changes nothing; a nil list gives back the order of Config.
func (s *Session) SetCodecs(names []string) error {
	order := make([]codec.Codec, 0, len(names))
	for _, name := range names {
		for _, c := range s.codecs {
			if strings.EqualFold(c.Name, name) && !slices.ContainsFunc(order, c.Same) {
				order = append(order, c)
			}
		}
	}
	if len(order) == 0 && names != nil {
		return fmt.Errorf("codecs %v: %w", names, ErrNoCommonCodec)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.order, s.chosen = order, names != nil
	if names == nil {
		s.order = slices.Clone(s.codecs)
	}
	return nil
}

// SetRecorder replaces the source of sound, also in a call. nil: silence is sent.
func (s *Session) SetRecorder(r Recorder) { s.recorder.Set(r) }

// SetPlayer replaces the sink of sound, also in a call. nil: nothing is heard.
func (s *Session) SetPlayer(p Player) { s.player.Set(p) }

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // one is waiting already
	}
}

// DTMF sends digits (0-9, *, #, A-D) in place of sound (RFC 4733) and returns when the last has been sent. It fails
// with ErrNoDTMF when the peer takes none, and when ctx ends, although digits may still be sent then.
func (s *Session) DTMF(ctx context.Context, digits string) error {
	var codes []uint8
	for _, d := range digits {
		code, ok := dtmf.Code(d)
		if !ok {
			return fmt.Errorf("send digits: %q is none", d)
		}
		codes = append(codes, code)
	}
	if len(codes) == 0 {
		return nil
	}
	done, err := s.tx.queueDigits(codes)
	if err != nil {
		return fmt.Errorf("send digits: %w", err)
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("send digits: %w", ctx.Err())
	case <-s.closed:
		return ErrClosed
	}
}

// Close ends the session: Run returns, and the sockets are closed. It does not wait.
func (s *Session) Close() {
	s.closeOnce.Do(func() { close(s.closed) })
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.running { // else Run does it, after its goodbye
		s.closeSockets()
	}
}

func (s *Session) closeSockets() {
	if s.finder != nil {
		s.finder.close()
	}
	if err := errors.Join(s.rtp.conn.Close(), s.rtcp.conn.Close()); err != nil && !isClosed(err) {
		s.log.Debug("cannot close media sockets", "error", err)
	}
}

func (s *Session) changed() {
	if s.cfg.OnChange != nil {
		s.cfg.OnChange()
	}
}

// setRemote sets where RTP goes.
func (s *Session) setRemote(to netip.AddrPort) {
	if to.IsValid() {
		s.remote.Store(&to)
	}
}

func (s *Session) remoteAddr() netip.AddrPort {
	if p := s.remote.Load(); p != nil {
		return *p
	}
	return netip.AddrPort{}
}

// write sends an RTP packet.
func (s *Session) write(packet []byte) {
	sealed, err := s.protect.seal(packet)
	if err != nil {
		return // counted, or an old packet after a change of keys
	}
	if s.emit(sealed, false) {
		s.moves.out(s.now())
	}
}
