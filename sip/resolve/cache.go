package resolve

import (
	"context"
	"errors"
	"sync"
	"time"
)

const (
	// maxCached bounds the cache: a buddy list of two hundred domains with three records each.
	maxCached = 1024
	// maxTTL: a day-old answer is worse than a question on a phone that moves.
	maxTTL = time.Hour
	// negativeTTL is how long "there is none" is kept at most: long enough for the requests of one
	// registration, short enough for a person who has just mended his zone.
	negativeTTL = 10 * time.Second
)

// cache keeps answers for their time to live. The zero value is ready.
type cache struct {
	mu      sync.Mutex
	entries map[string]cached
}

type cached struct {
	value   any
	err     error
	expires time.Time
}

func (c *cache) get(key string) (cached, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.entries[key]
	if ok && !time.Now().Before(e.expires) {
		delete(c.entries, key)
		return cached{}, false
	}
	return e, ok
}

func (c *cache) put(key string, e cached) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.entries == nil {
		c.entries = make(map[string]cached)
	}
	if len(c.entries) >= maxCached {
		c.makeRoom()
	}
	c.entries[key] = e
}

// makeRoom drops what has expired, and else the entry that expires first.
func (c *cache) makeRoom() {
	now := time.Now()
	first := ""
	for k, e := range c.entries {
		if !now.Before(e.expires) {
			delete(c.entries, k)
		} else if first == "" || e.expires.Before(c.entries[first].expires) {
			first = k
		}
	}
	if len(c.entries) >= maxCached {
		delete(c.entries, first)
	}
}

func (c *cache) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.entries)
}

// ask answers from the cache or by the question, whose answer it keeps. Errors that may pass are not kept.
func ask[T any](ctx context.Context, c *cache, key string, question func() ([]T, time.Duration, error)) ([]T, error) {
	if e, ok := c.get(key); ok {
		v, _ := e.value.([]T)
		return v, e.err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	v, ttl, err := question()
	if err == nil && len(v) == 0 {
		err = ErrNotFound
	}
	switch {
	case err == nil:
		ttl = min(ttl, maxTTL)
	case errors.Is(err, ErrNotFound):
		v, ttl = nil, min(ttl, negativeTTL)
	default:
		return nil, err
	}
	if ttl > 0 {
		c.put(key, cached{value: v, err: err, expires: time.Now().Add(ttl)})
	}
	return v, err
}
