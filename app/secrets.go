package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/zalando/go-keyring"

	"github.com/peregrine-softphone/peregrine/internal/atomicfile"
)

// Where the password of an account is kept.
const (
	StoreKeyring = "keyring" // the operating system's keyring
	StoreFile    = "file"    // secrets.json in the profile, mode 0600; only with the user's word
)

// Keyring is the operating system's place for secrets. Implementations may block while the system
// asks the user to unlock it.
type Keyring interface {
	Get(account string) (string, error) // errNoSecret when there is none
	Set(account, secret string) error
	Delete(account string) error
}

// errNoSecret says that the keyring works and holds nothing for this account.
var errNoSecret = errors.New("no password stored")

// keyringTimeout bounds how long the system may keep us waiting: time enough for a person to type
// the keyring's own password.
const keyringTimeout = time.Minute

// systemKeyring is the keyring of the system: Secret Service, Credential Manager, Keychain.
type systemKeyring struct{}

var _ Keyring = systemKeyring{}

const keyringService = "Peregrine"

func (systemKeyring) Get(account string) (string, error) {
	s, err := keyring.Get(keyringService, account)
	if errors.Is(err, keyring.ErrNotFound) {
		return "", errNoSecret
	}
	return s, err
}

func (systemKeyring) Set(account, secret string) error {
	return keyring.Set(keyringService, account, secret)
}

func (systemKeyring) Delete(account string) error {
	err := keyring.Delete(keyringService, account)
	if errors.Is(err, keyring.ErrNotFound) {
		return nil
	}
	return err
}

// secrets keeps passwords by account address.
type secrets struct {
	ring Keyring
	path string // secrets.json
}

func newSecrets(profile string, ring Keyring) *secrets {
	if ring == nil {
		ring = systemKeyring{}
	}
	return &secrets{ring: ring, path: filepath.Join(profile, fileSecrets)}
}

// put stores the password of account. The error of a missing keyring names the way out.
func (s *secrets) put(ctx context.Context, store, account, password string) error {
	switch store {
	case StoreKeyring:
		err := bounded(ctx, func() error { return s.ring.Set(account, password) })
		if err != nil {
			return problem(
				err,
				"This system has no keyring that works, so the password was not stored. "+
					"Choose to keep it in a file that only you can read (--password-store file).",
			)
		}
		return nil
	case StoreFile:
		all := map[string]string{}
		if err := loadJSON(s.path, &all); err != nil && !errors.Is(err, errDamaged) {
			return saveFailed(err)
		}
		if all == nil {
			all = map[string]string{}
		}
		all[account] = password
		if err := s.save(all); err != nil {
			return saveFailed(err)
		}
		return nil
	}
	return userErrorf("A password can be kept in the keyring or in a file, not in %q.", store)
}

// get gives the password of account; errNoSecret when none is stored.
func (s *secrets) get(ctx context.Context, store, account string) (string, error) {
	if store == StoreFile {
		all := map[string]string{}
		if err := loadJSON(s.path, &all); err != nil {
			return "", err
		}
		if p, ok := all[account]; ok {
			return p, nil
		}
		return "", errNoSecret
	}
	var password string
	err := bounded(ctx, func() (err error) {
		password, err = s.ring.Get(account)
		return err
	})
	if err != nil {
		return "", err
	}
	return password, nil
}

// remove forgets the password of account.
func (s *secrets) remove(ctx context.Context, store, account string) error {
	if store != StoreFile {
		return bounded(ctx, func() error { return s.ring.Delete(account) })
	}
	all := map[string]string{}
	if err := loadJSON(s.path, &all); err != nil {
		return err
	}
	if _, ok := all[account]; !ok {
		return nil
	}
	delete(all, account)
	return s.save(all)
}

// save writes the file without a backup: a password that was removed must be gone.
func (s *secrets) save(all map[string]string) error {
	data, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return fmt.Errorf("encode %s: %w", s.path, err)
	}
	return atomicfile.Write(s.path, append(data, '\n'), 0o600)
}

// bounded runs f, which cannot be stopped, and leaves it behind when ctx or keyringTimeout end.
func bounded(ctx context.Context, f func() error) error {
	ctx, cancel := context.WithTimeout(ctx, keyringTimeout)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
