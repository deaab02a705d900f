package app

import (
	"context"
	"net"
	"path/filepath"
	"strconv"

	"github.com/peregrine-softphone/peregrine/buddies"
	"github.com/peregrine-softphone/peregrine/im"
	"github.com/peregrine-softphone/peregrine/media/audio"
	"github.com/peregrine-softphone/peregrine/mobility"
	"github.com/peregrine-softphone/peregrine/sip"
	"github.com/peregrine-softphone/peregrine/sip/uri"
)

// wire makes the parts and joins them.
func (e *Engine) wire(ctx context.Context) error {
	if e.cfg.Network == nil {
		e.cfg.Network = sip.OSNetwork{}
	}
	if e.cfg.Watcher == nil {
		e.cfg.Watcher = mobility.NewWatcher(e.log)
	}
	if e.cfg.Devices == nil {
		e.cfg.Devices = systemDevices{log: e.log, host: new(audio.Host), missing: e.deviceMissing}
	}
	e.news, e.ringer, e.mover = newChatNews(), newRinger(e), newMover(e, e.cfg.Watcher)
	e.tracer = &tracer{e: e}
	if err := e.wireBuddies(); err != nil {
		return err
	}
	if err := e.wireChats(); err != nil {
		return err
	}
	if err := e.wireHistory(); err != nil {
		return err
	}
	e.wirePresence()
	var err error
	e.ua, err = sip.New(ctx, sip.Config{
		Logger: e.log, Network: e.cfg.Network, Resolver: e.cfg.Resolver, Port: e.port(ctx),
		UserAgent: "Peregrine/" + e.cfg.Version, EventPackages: eventPackages(),
		MessageTypes: []string{im.AcceptedTypes}, Handler: sipHandler{e}, Shield: e.policy(),
		KeepCall: e.stillSounds,
	})
	if err != nil {
		return problem(err, "The SIP part could not be set up.")
	}
	e.tracer.collect()
	return nil
}

func (e *Engine) wireBuddies() error {
	book, err := buddies.Open(filepath.Join(e.cfg.Profile, fileBuddies), e.log)
	if err != nil {
		return problem(err, "The buddy list could not be opened. Look at the profile folder.")
	}
	e.book = book
	book.OnChange(func([]buddies.Buddy) { e.bookChanged() })
	return nil
}

// bookChanged is told that buddies.xml changed here or outside, or became damaged or whole.
func (e *Engine) bookChanged() {
	e.mu.Lock()
	before := e.bookTrouble
	e.bookTrouble = ""
	problem := e.book.Problem()
	if problem != nil {
		e.bookTrouble = problem.Sentence
	}
	now := e.bookTrouble
	e.mu.Unlock()
	if before != "" && before != now {
		e.dropNotice(before)
	}
	if now != "" && before != now {
		e.addNotice(now, problem.Error())
	}
	e.watchBuddies()
}

func (e *Engine) wireChats() error {
	store, err := im.OpenJournal(filepath.Join(e.cfg.Profile, dirHistory), e.log)
	if err != nil {
		return problem(err, "The history of messages could not be opened. Look at the profile folder.")
	}
	e.chats, err = im.New(im.Config{
		Sender: messageSender{e}, Store: store, Logger: e.log, OnChange: func(peer uri.URI) { e.chatChanged(peer) },
	})
	if err != nil {
		return problem(err, "The history of messages could not be read. Look at the profile folder.")
	}
	return nil
}

// port is the port for SIP: that of the settings, else 5060 if it is free, so that others on the LAN
// can call sip:name@address; else any.
func (e *Engine) port(ctx context.Context) int {
	value := e.settings.value(SettingPort)
	if n, err := strconv.Atoi(value); err == nil && n != 0 {
		return n
	}
	address := net.JoinHostPort("", strconv.Itoa(defaultPort))
	udp, err := e.cfg.Network.ListenPacket(ctx, "udp", address)
	if err != nil {
		return 0
	}
	_ = udp.Close() // it only had to open
	tcp, err := e.cfg.Network.Listen(ctx, "tcp", address)
	if err != nil {
		return 0
	}
	_ = tcp.Close()
	return defaultPort
}
