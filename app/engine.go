package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/peregrine-softphone/peregrine/app/history"
	"github.com/peregrine-softphone/peregrine/buddies"
	"github.com/peregrine-softphone/peregrine/im"
	"github.com/peregrine-softphone/peregrine/media/audio"
	"github.com/peregrine-softphone/peregrine/media/secure"
	"github.com/peregrine-softphone/peregrine/mobility"
	"github.com/peregrine-softphone/peregrine/presence"
	"github.com/peregrine-softphone/peregrine/sip"
)

// Config says how an engine is made. Profile is required; the other zero values are the real thing.
type Config struct {
	Profile string       // folder, made when missing
	Logger  *slog.Logger // nil: silent
	Version string       // shown to users and peers; empty: "dev"
	Locale  string       // "de_AT.UTF-8", as by Locale: whose tones are played; empty: those of E.180

	Network  sip.Network      // nil: this computer's
	Resolver sip.Resolver     // nil: the system's DNS
	Watcher  mobility.Watcher // nil: the operating system's
	Keyring  Keyring          // nil: the operating system's
	Devices  Devices          // nil: package media/audio
	Demo     Demo             // nil: there is no demo domain
}

// Devices opens microphones and speakers by the value of a setting. The loop belongs to one call.
type Devices interface {
	OpenRecorder(spec string, loop *audio.Loop) (audio.Recorder, error)
	OpenPlayer(spec string, loop *audio.Loop) (audio.Player, error)
	List(ctx context.Context) ([]audio.DeviceInfo, error)
}

// Engine is the softphone of one profile. Its verbs are safe for concurrent use.
type Engine struct {
	cfg  Config
	log  *slog.Logger
	lock *os.File

	secrets   *secrets
	book      *buddies.Book
	chats     *im.Sessions
	history   *history.Store
	watcher   *presence.Watcher
	agent     *presence.Agent
	lamps     *lamps
	voicemail *voicemail
	ua        *sip.UA
	mover     *mover
	ringer    *ringer
	news      *chatNews
	tracer    *tracer

	acquainted acquaintances

	certificate func() (*secure.Certificate, error) // of the media, made with the first call

	work    chan func(context.Context) // what Run carries out on goroutines of their own
	ended   chan struct{}              // closed when Run returns
	closing chan struct{}              // closed when Run begins to end; nothing new is begun then

	mu       sync.Mutex // guards all below
	running  bool
	stopped  bool
	stale    bool          // last differs from the state
	next     chan struct{} // closed at the next change
	last     Snapshot
	readers  map[*eventReader]struct{}
	settings *settingsFile
	accounts []*account
	people   map[string]person // by address of record
	calls    []*call
	lastCall int         // number of the newest call
	conf     *conference // nil: there is none
	test     *soundTest  // nil: there is none
	notices  []Notice
	noticeID int
	network  Network
	trouble  string // of the sound
	devices  deviceWatch

	decided     decisions
	requests    []*request // open ones, oldest first
	lastRequest int        // number of the newest request

	bookTrouble string         // the notice about buddies.xml that stands now
	shown       presence.State // what watchers were told last
}

// New opens a profile: it takes its lock and reads its files. A file that cannot be read is kept
// aside and becomes a notice. ctx ends the opening, not the engine. The error is a *UserError.
func New(ctx context.Context, cfg Config) (*Engine, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Version == "" {
		cfg.Version = "dev"
	}
	e := &Engine{
		cfg: cfg, log: cfg.Logger,
		work: make(chan func(context.Context)), ended: make(chan struct{}), closing: make(chan struct{}),
		stale: true, next: make(chan struct{}), readers: map[*eventReader]struct{}{},
		people: map[string]person{}, certificate: sync.OnceValues(secure.NewCertificate),
	}
	if err := e.openProfile(); err != nil {
		return nil, err
	}
	if err := e.wire(ctx); err != nil {
		e.release()
		return nil, err
	}
	return e, nil
}

// openProfile takes the lock and reads settings and accounts.
func (e *Engine) openProfile() error {
	dir := e.cfg.Profile
	if err := os.MkdirAll(filepath.Join(dir, dirHistory), 0o700); err != nil {
		return problem(err, "The profile folder %s cannot be made. Choose another with --profile.", dir)
	}
	lock, err := lockProfile(filepath.Join(dir, fileLock))
	if errors.Is(err, errProfileInUse) {
		return problem(err, "Peregrine already runs with this profile.")
	}
	if err != nil {
		return problem(err, "The profile folder %s cannot be written. Choose another with --profile.", dir)
	}
	e.lock = lock
	if e.settings, err = openSettings(dir); err != nil {
		e.noticeFile("Your settings", err)
	}
	e.secrets = newSecrets(dir, e.cfg.Keyring)
	if err := e.loadAccounts(); err != nil {
		e.noticeFile("Your accounts", err)
	}
	if err := e.loadDecisions(); err != nil {
		e.noticeFile("Your list of blocked people", err)
	}
	return nil
}

// noticeFile tells that a file of the profile was damaged or could not be read.
func (e *Engine) noticeFile(what string, err error) {
	if errors.Is(err, fs.ErrPermission) {
		e.addNotice(
			what+" could not be read: the file belongs to somebody else. Peregrine starts without them.",
			err.Error(),
		)
		return
	}
	e.addNotice(
		what+" could not be read. The damaged file was kept; Peregrine goes on with the last good copy, or without.",
		err.Error(),
	)
}

// release gives the profile back.
func (e *Engine) release() {
	if e.lock != nil {
		_ = e.lock.Close() // the lock goes with the process at the latest
	}
}

// errNotRunning says that a verb needs Run.
var errNotRunning = userErrorf("Peregrine is just ending. Start it again.")

// spawn runs f on a goroutine that Run owns; f's context ends when the engine does. It does nothing
// when the engine is ending, and then returns false. It may be called with e.mu held.
func (e *Engine) spawn(f func(context.Context)) bool {
	select {
	case e.work <- f:
		return true
	case <-e.closing:
		return false
	}
}

// Run works until ctx ends; then it ends calls, tells watchers, un-registers, and returns when all
// of it is done, after a few seconds at the most. It may be called once.
//
//nolint:contextcheck // the parts outlive ctx, to say goodbye
func (e *Engine) Run(ctx context.Context) error {
	defer e.finish()
	p := newParts(ctx)
	defer p.end()
	uaDone := p.start(p.serve, "sip", e.ua.Run)
	select {
	case <-e.ua.Ready():
	case err := <-p.failed:
		return problem(err, "The network ports for calls could not be opened. Is another softphone using them?")
	}
	e.mu.Lock()
	e.running = true
	e.mu.Unlock()
	p.start(p.work, "buddies", e.book.Run)
	p.start(p.work, "messages", e.chats.Run)
	p.start(p.work, "news", e.followChats)
	p.start(p.work, "network", e.mover.run)
	p.start(p.work, "ringer", e.ringer.run)
	p.start(p.work, "quality", e.measure)
	p.start(p.work, "devices", e.watchDevices)
	watcherDone := p.start(p.presence, "watcher", e.watcher.Run)
	agentDone := p.start(p.presence, "presence agent", e.agent.Run)
	lampsDone := p.start(p.presence, "lamps", e.lamps.run)
	mailDone := p.start(p.presence, "voicemail", e.voicemail.follower.Run)
	p.tasks.Go(func() { e.startUp(p.work) })

	err := e.loop(ctx, p)
	close(e.closing)
	// Nobody waits longer for a network that does not answer than these have bounds for.
	p.stopPresence()
	bye, cancel := context.WithTimeout(p.work, goodbyeTime)
	e.hangUpAll(bye)
	cancel()
	<-watcherDone
	<-agentDone
	<-lampsDone
	<-mailDone
	p.stopServe() // the UA ends its subscriptions and registrations
	<-uaDone
	return err
}

// goodbyeTime is how long the ends of calls may take when the engine ends; a peer that is gone answers none.
const goodbyeTime = 2 * time.Second

// parts are the goroutines of an engine, in three groups that end one after the other: presence,
// which still needs SIP to say goodbye; SIP; and the rest.
type parts struct {
	tasks                             sync.WaitGroup
	work, serve, presence             context.Context //nolint:containedctx // they live as long as Run
	stopWork, stopServe, stopPresence context.CancelFunc
	failed                            chan error // the first failure of a part
}

func newParts(ctx context.Context) *parts {
	p := &parts{failed: make(chan error, 1)}
	ctx = context.WithoutCancel(ctx)
	p.work, p.stopWork = context.WithCancel(ctx)
	p.serve, p.stopServe = context.WithCancel(ctx)
	p.presence, p.stopPresence = context.WithCancel(ctx)
	return p
}

// start runs a part until ctx ends; the channel closes when it has ended.
func (p *parts) start(ctx context.Context, name string, run func(context.Context) error) <-chan struct{} {
	done := make(chan struct{})
	p.tasks.Go(func() {
		defer close(done)
		if err := run(ctx); err != nil && ctx.Err() == nil {
			select {
			case p.failed <- fmt.Errorf("%s: %w", name, err):
			default:
			}
		}
	})
	return done
}

// end stops whatever still runs and waits for it.
func (p *parts) end() {
	p.stopPresence()
	p.stopServe()
	p.stopWork()
	p.tasks.Wait()
}

// loop starts what verbs ask for until ctx ends or a part fails.
func (e *Engine) loop(ctx context.Context, p *parts) error {
	for {
		select {
		case f := <-e.work:
			p.tasks.Go(func() { f(p.work) })
		case err := <-p.failed:
			return problem(
				err,
				"A part of Peregrine stopped working. Start it again; the details help whoever looks into it.",
			)
		case <-ctx.Done():
			return nil
		}
	}
}

// startUp puts the accounts to work and says that the engine runs.
func (e *Engine) startUp(ctx context.Context) {
	e.mu.Lock()
	list := slices.Clone(e.accounts)
	e.mu.Unlock()
	e.bookChanged()
	e.learn(e.chats.Chats())
	e.showPresence()
	var all sync.WaitGroup
	for _, a := range list {
		all.Go(func() { // a keyring that asks the user holds up its own account only
			e.startAccount(ctx, a)
			e.watchBuddies()
		})
	}
	e.watchBuddies()
	all.Wait()
	self := e.Snapshot().Self
	e.mu.Lock()
	e.emit(Event{Kind: EventStarted, Self: &self})
	e.mu.Unlock()
}

// finish says that the engine has ended, once.
func (e *Engine) finish() {
	e.release()
	e.tracer.close()
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stopped {
		return
	}
	select {
	case <-e.closing:
	default:
		close(e.closing)
	}
	e.emit(Event{Kind: EventStopped})
	e.running, e.stopped = false, true
	for r := range e.readers {
		delete(e.readers, r)
		close(r.ch)
	}
	e.changedLocked()
	close(e.ended)
}

// Close gives up an engine that Run was never called for.
func (e *Engine) Close() { e.finish() }

// Version is the version shown to users.
func (e *Engine) Version() string { return e.cfg.Version }
