package control

import (
	"context"
	"strconv"
	"strings"

	"github.com/peregrine-softphone/peregrine/app"
)

// onCall makes a verb that acts on one call, by default the only one it can act on.
func onCall(name, help string, act func(*app.Engine, context.Context, string) error, states ...app.CallState) Verb {
	return Verb{
		Name:   name,
		Help:   help,
		Params: []Param{may("call")},
		run: func(ctx context.Context, e *app.Engine, a Args) (any, error) {
			id, err := e.PickCall(a["call"], states...)
			if err != nil {
				return nil, err
			}
			if err := act(e, ctx, id); err != nil {
				return nil, err
			}
			return e.CallByID(id)
		},
	}
}

func callVerbs() []Verb {
	return []Verb{
		{
			Name: "call", Help: "call somebody",
			Params: []Param{need("address"), flag("from"), {Name: "video", Switch: true}},
			run: func(ctx context.Context, e *app.Engine, a Args) (any, error) {
				id, err := e.Call(ctx, a["address"], app.CallOptions{Video: a["video"] != "", From: a["from"]})
				if err != nil {
					return nil, err
				}
				return e.CallByID(id)
			},
		},
		onCall("answer", "take an incoming call", (*app.Engine).Answer, app.CallIncoming),
		onCall("decline", "refuse an incoming call", (*app.Engine).Decline, app.CallIncoming),
		onCall("hangup", "end a call", (*app.Engine).Hangup,
			app.CallEstablished, app.CallHeld, app.CallCalling, app.CallRinging, app.CallIncoming),
		onCall("hold", "put a call on hold", (*app.Engine).Hold, app.CallEstablished, app.CallHeld),
		onCall("resume", "take a call off hold", (*app.Engine).Resume, app.CallHeld),
		onCall(
			"mute",
			"send silence",
			func(e *app.Engine, ctx context.Context, id string) error { return e.Mute(ctx, id, true) },
			app.CallEstablished,
			app.CallHeld,
		),
		onCall(
			"unmute",
			"send sound again",
			func(e *app.Engine, ctx context.Context, id string) error { return e.Mute(ctx, id, false) },
			app.CallEstablished,
			app.CallHeld,
		),
		{
			Name: "calls", Help: "the calls: state, codec, quality, hand-offs",
			run: func(_ context.Context, e *app.Engine, _ Args) (any, error) { return e.Calls(), nil },
		},
		{
			Name: "codec", Help: "change the codec of a call", Params: []Param{need("call"), need("name")},
			run: func(ctx context.Context, e *app.Engine, a Args) (any, error) {
				if err := e.Codec(ctx, a["call"], a["name"]); err != nil {
					return nil, err
				}
				return e.CallByID(a["call"])
			},
		},
		{
			Name: "dtmf", Help: "send tones: 0-9 * # A-D", Params: []Param{need("call"), need("digits")},
			run: func(ctx context.Context, e *app.Engine, a Args) (any, error) {
				return done{}, e.DTMF(ctx, a["call"], a["digits"])
			},
		},
	}
}

// transferVerbs act on more than one call.
func transferVerbs() []Verb {
	return []Verb{
		{
			Name: "transfer", Help: "hand a call on to another address", Params: []Param{need("call"), need("address")},
			run: func(ctx context.Context, e *app.Engine, a Args) (any, error) {
				if err := e.Transfer(ctx, a["call"], a["address"]); err != nil {
					return nil, err
				}
				return e.CallByID(a["call"])
			},
		},
		{
			Name: "connect", Help: "let the others of two calls talk to each other, and leave",
			Params: []Param{need("call"), need("other")},
			run: func(ctx context.Context, e *app.Engine, a Args) (any, error) {
				if err := e.Connect(ctx, a["call"], a["other"]); err != nil {
					return nil, err
				}
				return e.CallByID(a["call"])
			},
		},
		{
			Name: "conference", Help: "talk with several at once: the calls named, or all that are answered",
			Params: []Param{{Name: "calls", Rest: true, Optional: true}},
			run: func(ctx context.Context, e *app.Engine, a Args) (any, error) {
				if err := e.Conference(ctx, strings.Fields(a["calls"])...); err != nil {
					return nil, err
				}
				return e.Calls(), nil
			},
		},
		onCall("split", "take a call out of the conference and hold it", (*app.Engine).Split, app.CallEstablished),
		{
			Name: "redial", Help: "call the last address again",
			run: func(ctx context.Context, e *app.Engine, _ Args) (any, error) {
				id, err := e.Redial(ctx)
				if err != nil {
					return nil, err
				}
				return e.CallByID(id)
			},
		},
	}
}

// soundVerbs are about what is heard.
func soundVerbs() []Verb {
	return []Verb{
		{
			Name: "record", Help: "write both sides of a call to a file: WAV, or Ogg Opus",
			Params: []Param{may("call"), {Name: "file", Flag: true, Path: true}},
			run: func(ctx context.Context, e *app.Engine, a Args) (any, error) {
				id, err := e.PickCall(a["call"], app.CallEstablished, app.CallHeld)
				if err != nil {
					return nil, err
				}
				if _, err := e.Record(ctx, id, a["file"]); err != nil {
					return nil, err
				}
				return e.CallByID(id)
			},
		},
		onCall("record stop", "end the recording of a call", (*app.Engine).StopRecording,
			app.CallEstablished, app.CallHeld),
		{
			Name: "soundtest", Help: "record three seconds from the microphone and play them back; again: stop",
			run: func(ctx context.Context, e *app.Engine, _ Args) (any, error) {
				if err := e.SoundTest(ctx); err != nil {
					return nil, err
				}
				return e.Snapshot().Audio, nil
			},
		},
		{
			Name: "ringtone", Help: "hear the ringtone for three seconds",
			run: func(ctx context.Context, e *app.Engine, _ Args) (any, error) {
				return done{}, e.PlayTone(ctx, "ringtone")
			},
		},
	}
}

func historyVerbs() []Verb {
	return []Verb{
		{
			Name: "history", Help: "calls that are over, newest first", Params: []Param{flag("limit")},
			run: func(ctx context.Context, e *app.Engine, a Args) (any, error) {
				limit := 200
				if s := a["limit"]; s != "" {
					n, err := strconv.Atoi(s)
					if err != nil || n < 1 {
						return nil, &app.UserError{Sentence: "--limit takes a number of calls, at least 1."}
					}
					limit = n
				}
				return e.History(ctx, limit)
			},
		},
		{
			Name: "history seen", Help: "count the missed calls as seen",
			run: func(ctx context.Context, e *app.Engine, _ Args) (any, error) { return done{}, e.SeeMissed(ctx) },
		},
		{
			Name: "history clear", Help: "forget all calls that are over",
			run: func(ctx context.Context, e *app.Engine, _ Args) (any, error) { return done{}, e.ClearHistory(ctx) },
		},
	}
}

// requestVerbs decide about strangers.
func requestVerbs() []Verb {
	return []Verb{
		{
			Name: "requests", Help: "what strangers and transfers ask for",
			run: func(_ context.Context, e *app.Engine, _ Args) (any, error) { return e.Snapshot().Requests, nil },
		},
		{
			Name: "request accept", Help: "say yes", Params: []Param{may("request")},
			run: func(ctx context.Context, e *app.Engine, a Args) (any, error) {
				return done{}, e.AcceptRequest(ctx, a["request"])
			},
		},
		{
			Name: "request refuse", Help: "say no; --block: for good",
			Params: []Param{may("request"), {Name: "block", Switch: true}},
			run: func(ctx context.Context, e *app.Engine, a Args) (any, error) {
				return done{}, e.RefuseRequest(ctx, a["request"], a["block"] != "")
			},
		},
		{
			Name: "block", Help: "turn everything away that comes from an address", Params: []Param{need("address")},
			run: func(ctx context.Context, e *app.Engine, a Args) (any, error) {
				return done{}, e.Block(ctx, a["address"])
			},
		},
		{
			Name: "unblock", Help: "take a block away", Params: []Param{need("address")},
			run: func(ctx context.Context, e *app.Engine, a Args) (any, error) {
				return done{}, e.Unblock(ctx, a["address"])
			},
		},
		{
			Name: "blocked", Help: "the blocked addresses",
			run: func(ctx context.Context, e *app.Engine, _ Args) (any, error) { return e.Blocked(ctx) },
		},
	}
}
