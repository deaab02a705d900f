// Package demo is the demo domain inside the program: a registrar and proxy on loopback and a buddy
// named Echo, who is a second engine. Echo answers calls and plays back what it hears, answers
// messages, and changes its status now and then, so that a newcomer sees all of it within a minute.
//
// Start is what app.Config.Demo wants.
package demo

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/peregrine-softphone/peregrine/app"
	"github.com/peregrine-softphone/peregrine/server"
	"github.com/peregrine-softphone/peregrine/sip/uri"
)

// Domain is the name of the demo domain. It resolves to this computer and to nothing else (RFC 6761 6.3).
const Domain = "demo.localhost"

// Users of the domain.
const (
	userYou  = "you"
	userEcho = "echo"
)

// Start runs the demo domain until ctx ends and calls ready as soon as Echo can be reached.
func Start(ctx context.Context, log *slog.Logger, ready func(app.DemoDomain)) (err error) {
	passwords := map[string]string{userYou: rand.Text(), userEcho: rand.Text()}
	srv, err := server.New(server.Config{
		Logger: log.With("part", "demo"), Domain: Domain,
		Listen: netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 0), Users: server.UserMap(passwords),
	})
	if err != nil {
		return fmt.Errorf("start demo domain: %w", err)
	}
	profile, err := os.MkdirTemp("", "peregrine-echo-")
	if err != nil {
		return fmt.Errorf("start demo domain: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(profile)) }()

	echo, err := app.New(
		ctx,
		app.Config{Profile: profile, Logger: log.With("part", "echo"), Keyring: memoryKeyring{}},
	)
	if err != nil {
		return fmt.Errorf("start echo: %w", err)
	}
	proxy := uri.URI{Scheme: "sip", Host: srv.Addr().Addr().String(), Port: int(srv.Addr().Port())}

	var parts sync.WaitGroup
	defer parts.Wait()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	failed := make(chan error, 2)
	serve, stopServe := context.WithCancel(context.WithoutCancel(ctx)) // Echo un-registers before the server goes
	parts.Go(func() { failed <- srv.Run(serve) })
	parts.Go(func() {
		defer stopServe()
		failed <- echo.Run(ctx)
	})
	if err := (&echoBuddy{engine: echo, log: log}).settle(ctx, passwords[userEcho], proxy); err != nil {
		return err
	}
	ready(app.DemoDomain{
		User: address(userYou), Password: passwords[userYou], Proxy: proxy, Echo: address(userEcho), EchoName: "Echo",
	})
	select {
	case <-ctx.Done():
		return nil
	case err := <-failed:
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
}

func address(user string) uri.URI { return uri.URI{Scheme: "sip", User: user, Host: Domain} }

// memoryKeyring has no place for secrets: Echo's password lives as long as the demo.
type memoryKeyring struct{}

var _ app.Keyring = memoryKeyring{}

var errNoKeyring = errors.New("the demo keeps no secrets")

func (memoryKeyring) Get(string) (string, error) { return "", errNoKeyring }
func (memoryKeyring) Set(string, string) error   { return errNoKeyring }
func (memoryKeyring) Delete(string) error        { return nil }

// registerTimeout bounds Echo's registration, which takes milliseconds on loopback.
const registerTimeout = 10 * time.Second
