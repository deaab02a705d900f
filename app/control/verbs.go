package control

import (
	"context"
	"strconv"

	"github.com/peregrine-softphone/peregrine/app"
)

// Param is one argument of a verb.
type Param struct {
	Name     string // key in Args; for a flag, what follows the two dashes
	Flag     bool   // given as --NAME VALUE
	Switch   bool   // given as --NAME alone; its value is "true"
	Optional bool   // a positional one that may be missing; flags always may
	Rest     bool   // takes all the words that are left
	Path     bool   // a file: made absolute, since the running instance may be in another folder
	Secret   bool   // never given on the command line: read from standard input when --NAME-stdin is there
}

// Verb is one thing a client can ask for. The same table serves the socket and the command line.
type Verb struct {
	Name   string // "account add": one or two words
	Params []Param
	Help   string
	run    func(ctx context.Context, e *app.Engine, a Args) (any, error)
	// stream, in place of run, gives one value after the other until ctx ends or send fails.
	stream func(ctx context.Context, e *app.Engine, a Args, send func(any) error) error
}

func need(name string) Param { return Param{Name: name} }
func may(name string) Param  { return Param{Name: name, Optional: true} }
func rest(name string) Param { return Param{Name: name, Rest: true} }
func flag(name string) Param { return Param{Name: name, Flag: true} }

// done is the result of a verb that has nothing more to say.
type done struct{}

func find(name string) (Verb, bool) {
	for _, v := range Verbs() {
		if v.Name == name {
			return v, true
		}
	}
	return Verb{}, false
}

// Verbs gives the table, in the order help prints it. `run` and `quit` are not in it: they are about the
// instance itself.
func Verbs() []Verb {
	var all []Verb
	for _, part := range [][]Verb{
		accountVerbs(), buddyVerbs(), presenceVerbs(), callVerbs(), soundVerbs(), transferVerbs(), historyVerbs(),
		messageVerbs(), requestVerbs(), systemVerbs(), streamVerbs(),
	} {
		all = append(all, part...)
	}
	return all
}

func buddyVerbs() []Verb {
	return []Verb{
		{
			Name: "buddy add", Help: "add a buddy, or change the name and group of one",
			Params: []Param{need("address"), flag("name"), flag("group")},
			run: func(ctx context.Context, e *app.Engine, a Args) (any, error) {
				if err := e.AddBuddy(ctx, a["address"], a["name"], a["group"]); err != nil {
					return nil, err
				}
				return e.Buddy(a["address"])
			},
		},
		{
			Name: "buddy list", Help: "the buddies and their presence",
			run: func(_ context.Context, e *app.Engine, _ Args) (any, error) { return e.Snapshot().Buddies, nil },
		},
		{
			Name: "buddy remove", Help: "take a buddy off the list", Params: []Param{need("address")},
			run: func(ctx context.Context, e *app.Engine, a Args) (any, error) {
				return done{}, e.RemoveBuddy(ctx, a["address"])
			},
		},
		{
			Name:   "buddy lamp",
			Help:   "busy lamp of a buddy: watch theirs, share ours, both, or off",
			Params: []Param{need("address"), need("mode")},
			run: func(ctx context.Context, e *app.Engine, a Args) (any, error) {
				if err := setLamp(ctx, e, a["address"], a["mode"]); err != nil {
					return nil, err
				}
				return e.Buddy(a["address"])
			},
		},
	}
}

func presenceVerbs() []Verb {
	return []Verb{
		{
			Name: "presence set", Help: "online, away, busy, on_the_phone, lunch or offline (appear so)",
			Params: []Param{need("status"), flag("note")},
			run: func(ctx context.Context, e *app.Engine, a Args) (any, error) {
				if err := e.SetPresence(ctx, app.Presence(a["status"]), a["note"]); err != nil {
					return nil, err
				}
				return e.Snapshot().Self, nil
			},
		},
		{
			Name: "presence show", Help: "own presence, and that of every buddy",
			run: func(_ context.Context, e *app.Engine, _ Args) (any, error) {
				s := e.Snapshot()
				return struct {
					app.Self
					Buddies []app.Buddy `json:"buddies"`
				}{s.Self, s.Buddies}, nil
			},
		},
	}
}

func messageVerbs() []Verb {
	return []Verb{
		{
			Name: "message", Help: "send an instant message", Params: []Param{need("address"), rest("text")},
			run: func(ctx context.Context, e *app.Engine, a Args) (any, error) {
				m, err := e.Message(ctx, a["address"], a["text"])
				if err != nil {
					return nil, err
				}
				return e.AwaitMessage(ctx, m)
			},
		},
		{
			Name: "messages", Help: "the conversation with somebody, oldest first",
			Params: []Param{need("address"), flag("limit")},
			run: func(ctx context.Context, e *app.Engine, a Args) (any, error) {
				limit := 200
				if s := a["limit"]; s != "" {
					n, err := strconv.Atoi(s)
					if err != nil || n < 1 {
						return nil, &app.UserError{Sentence: "--limit takes a number of messages, at least 1."}
					}
					limit = n
				}
				return e.Messages(ctx, a["address"], limit)
			},
		},
		{
			Name: "retry", Help: "send a message again that did not get through", Params: []Param{need("message")},
			run: func(ctx context.Context, e *app.Engine, a Args) (any, error) {
				return done{}, e.RetryMessage(ctx, a["message"])
			},
		},
		{
			Name: "mark-read", Help: "count the messages of a chat as read", Params: []Param{need("address")},
			run: func(ctx context.Context, e *app.Engine, a Args) (any, error) {
				return done{}, e.MarkRead(ctx, a["address"])
			},
		},
	}
}

// status is the answer to the verb of that name: the snapshot without its long lists.
type status struct {
	Version  string        `json:"version"`
	Profile  string        `json:"profile"`
	Self     app.Self      `json:"self"`
	Accounts []app.Account `json:"accounts"`
	Network  app.Network   `json:"network"`
	Audio    app.Audio     `json:"audio"`
	Buddies  int           `json:"buddies"`
	Calls    int           `json:"calls"` // live ones
	Unread   int           `json:"unread"`
	Notices  []app.Notice  `json:"notices"`
}

func systemVerbs() []Verb {
	return []Verb{
		{
			Name: "status", Help: "how things stand",
			run: func(_ context.Context, e *app.Engine, _ Args) (any, error) { return statusOf(e), nil },
		},
		{
			Name: "set", Help: "change a setting", Params: []Param{need("key"), need("value")},
			run: func(ctx context.Context, e *app.Engine, a Args) (any, error) {
				if err := e.Set(ctx, a["key"], a["value"]); err != nil {
					return nil, err
				}
				return settingOf(ctx, e, a["key"])
			},
		},
		{
			Name: "get", Help: "read a setting", Params: []Param{need("key")},
			run: func(ctx context.Context, e *app.Engine, a Args) (any, error) { return settingOf(ctx, e, a["key"]) },
		},
		{
			Name: "devices", Help: "microphones and speakers",
			run: func(ctx context.Context, e *app.Engine, _ Args) (any, error) { return e.Devices(ctx) },
		},
		{
			Name: "diagnostics", Help: "figures for whoever looks into a problem",
			run: func(ctx context.Context, e *app.Engine, _ Args) (any, error) { return e.Diagnostics(ctx), nil },
		},
		{
			Name: "dismiss", Help: "take a notice away", Params: []Param{need("notice")},
			run: func(ctx context.Context, e *app.Engine, a Args) (any, error) {
				return done{}, e.DismissNotice(ctx, a["notice"])
			},
		},
	}
}

func statusOf(e *app.Engine) status {
	s := e.Snapshot()
	out := status{
		Version: e.Version(), Profile: s.Profile, Self: s.Self, Accounts: s.Accounts, Network: s.Network,
		Audio: s.Audio, Buddies: len(s.Buddies), Notices: s.Notices,
	}
	for _, c := range s.Calls {
		if c.State != app.CallEnded {
			out.Calls++
		}
	}
	for _, c := range s.Chats {
		out.Unread += c.Unread
	}
	return out
}

func settingOf(ctx context.Context, e *app.Engine, key string) (any, error) {
	v, err := e.Get(ctx, key)
	if err != nil {
		return nil, err
	}
	return struct {
		Key   string `json:"key"`
		Value string `json:"value"`
	}{key, v}, nil
}

// setLamp carries out a word of the verb "buddy lamp".
func setLamp(ctx context.Context, e *app.Engine, address, mode string) error {
	switch mode {
	case "watch":
		return e.SetLamp(ctx, address, true, false)
	case "share":
		return e.SetLamp(ctx, address, false, true)
	case "both":
		return e.SetLamp(ctx, address, true, true)
	case "off":
		return e.SetLamp(ctx, address, false, false)
	default:
		return &app.UserError{Sentence: "A lamp can be watch, share, both or off, not \"" + mode + "\"."}
	}
}
