package demo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/peregrine-softphone/peregrine/app"
	"github.com/peregrine-softphone/peregrine/sip/uri"
)

// echoBuddy is what makes an engine behave like Echo.
type echoBuddy struct {
	engine *app.Engine
	log    *slog.Logger
}

// settle registers Echo and begins its life.
func (b *echoBuddy) settle(ctx context.Context, password string, proxy uri.URI) error {
	for key, value := range map[string]string{
		app.SettingInput: "loop", app.SettingOutput: "loop", app.SettingAutoAnswer: "on",
	} {
		if err := b.engine.Set(ctx, key, value); err != nil {
			return fmt.Errorf("set up echo: %w", err)
		}
	}
	events := b.engine.Events(ctx)
	who := address(userEcho).String()
	err := b.engine.AddAccount(ctx, app.AccountSpec{
		Address: who, Password: password, PasswordStore: app.StoreFile, Proxy: proxy.String(),
		Transport: "udp", DisplayName: "Echo",
	})
	if err != nil {
		return fmt.Errorf("set up echo: %w", err)
	}
	waiting, cancel := context.WithTimeout(ctx, registerTimeout)
	defer cancel()
	account, err := b.engine.AwaitAccount(waiting, who)
	if err != nil {
		return fmt.Errorf("set up echo: %w", err)
	}
	if account.State != app.AccountRegistered {
		return fmt.Errorf("set up echo: %s %s", account.State, account.Reason)
	}
	go b.live(ctx, events)
	return nil
}

// mood is a status Echo has for a while.
type mood struct {
	status app.Presence
	note   string
	lasts  time.Duration
}

// moods come one after the other, and again. The first change comes soon enough for a newcomer to see it.
func moods() []mood {
	return []mood{
		{app.PresenceOnline, "Call me: I repeat what you say", 20 * time.Second},
		{app.PresenceAway, "Back in a moment", 15 * time.Second},
		{app.PresenceOnline, "Write to me: I answer", 45 * time.Second},
		{app.PresenceLunch, "Having a bite", 20 * time.Second},
		{app.PresenceOnline, "Call me: I repeat what you say", 60 * time.Second},
		{app.PresenceBusy, "Thinking", 20 * time.Second},
	}
}

// live answers messages and changes moods until ctx ends.
func (b *echoBuddy) live(ctx context.Context, events <-chan app.Event) {
	list := moods()
	next := 0
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case ev, ok := <-events:
			if !ok {
				return
			}
			if ev.Kind == app.EventMessage && ev.Message != nil && !ev.Message.Outgoing &&
				ev.Message.State == app.MessageDelivered {
				b.reply(ctx, *ev.Message)
			}
		case <-timer.C:
			m := list[next%len(list)]
			next++
			if b.engine.SetPresence(ctx, m.status, m.note) != nil {
				return
			}
			timer.Reset(m.lasts)
		case <-ctx.Done():
			return
		}
	}
}

// reply answers a message. An answer that cannot be sent is missing for the newcomer to see.
func (b *echoBuddy) reply(ctx context.Context, m app.Message) {
	_, err := b.engine.Message(ctx, m.Peer, answerTo(m.Text))
	if err = errors.Join(err, b.engine.MarkRead(ctx, m.Peer)); err != nil {
		b.log.WarnContext(ctx, "echo did not answer", "err", err)
	}
}

// answerTo says something fitting, and what was heard.
func answerTo(text string) string {
	const longest = 500
	trimmed := strings.TrimSpace(text)
	if r := []rune(trimmed); len(r) > longest {
		trimmed = string(r[:longest]) + "…"
	}
	lower := strings.ToLower(trimmed)
	switch {
	case strings.HasPrefix(lower, "hi") || strings.HasPrefix(lower, "hello") || strings.HasPrefix(lower, "hallo"):
		return "Hello! I am Echo. Whatever you write or say comes back to you. Press Call to hear yourself."
	case strings.HasSuffix(lower, "?"):
		return "“" + trimmed + "” is what I would have asked you."
	}
	return "You said: " + trimmed
}
