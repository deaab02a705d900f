package control

import (
	"context"

	"github.com/peregrine-softphone/peregrine/app"
)

func accountVerbs() []Verb {
	return []Verb{
		{
			Name: "account add", Help: "add a SIP account; --lan NAME@ needs no server",
			Params: []Param{
				need("address"),
				{Name: "password", Secret: true},
				flag("password-store"), flag("proxy"), flag("transport"),
				flag("display"), flag("auth-user"), flag("identity"), flag("codecs"),
				flag("verify"),
				{Name: "ca-file", Flag: true, Path: true},
				flag("encryption"), flag("keys"),
				{Name: "ice", Switch: true},
				flag("stun"), flag("turn"), flag("turn-user"),
				{Name: "turn-password", Secret: true},
				{Name: "lan", Switch: true},
			},
			run: func(ctx context.Context, e *app.Engine, a Args) (any, error) {
				spec := app.AccountSpec{
					Address: a["address"], Password: a["password"], PasswordStore: a["password-store"],
					Proxy:     a["proxy"],
					Transport: a["transport"], DisplayName: a["display"], AuthUser: a["auth-user"],
					Identity: a["identity"], Codecs: a["codecs"], Verify: app.Verify(a["verify"]), CAFile: a["ca-file"],
					MediaPolicy: app.MediaPolicy{
						Security: app.MediaSecurity(a["encryption"]), Keys: app.KeyExchange(a["keys"]),
						ICE: a["ice"] != "", STUN: a["stun"], TURN: a["turn"], TURNUser: a["turn-user"],
					},
					TURNPassword: a["turn-password"],
				}
				if a["lan"] != "" {
					spec.Kind = app.AccountLAN
				}
				if err := e.AddAccount(ctx, spec); err != nil {
					return nil, err
				}
				return settled(e.AwaitAccount(ctx, spec.Address))
			},
		},
		{
			Name: "account list", Help: "the accounts and whether they are registered",
			run: func(_ context.Context, e *app.Engine, _ Args) (any, error) { return e.Snapshot().Accounts, nil },
		},
		{
			Name: "account remove", Help: "forget an account and its password", Params: []Param{need("address")},
			run: func(ctx context.Context, e *app.Engine, a Args) (any, error) {
				return done{}, e.RemoveAccount(ctx, a["address"])
			},
		},
		{
			Name: "account default", Help: "make an account the one calls go out by", Params: []Param{need("address")},
			run: func(ctx context.Context, e *app.Engine, a Args) (any, error) {
				if err := e.SetDefaultAccount(ctx, a["address"]); err != nil {
					return nil, err
				}
				return e.Snapshot().Accounts, nil
			},
		},
		{
			Name: "account forget-pin", Help: "take the key a TLS server shows next", Params: []Param{need("address")},
			run: func(ctx context.Context, e *app.Engine, a Args) (any, error) {
				if err := e.ForgetPin(ctx, a["address"]); err != nil {
					return nil, err
				}
				return settled(e.AwaitAccount(ctx, a["address"]))
			},
		},
		{
			Name: "demo", Help: "enter the built-in demo domain, with a buddy that echoes",
			run: func(ctx context.Context, e *app.Engine, _ Args) (any, error) { return done{}, e.StartDemo(ctx) },
		},
	}
}

// settled makes an account that its server refused the error of the verb that added it. The account
// stays, so that adding it again with the right password mends it.
func settled(a app.Account, err error) (any, error) {
	if err == nil && a.State == app.AccountFailed {
		return nil, &app.UserError{Sentence: a.Reason, Detail: a.Detail}
	}
	return a, err
}
