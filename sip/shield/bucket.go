package shield

import (
	"container/list"
	"net/netip"
	"sync"
	"time"
)

// BucketKey names a bucket: a source (see Source; the zero Addr for all together) and what for.
type BucketKey struct {
	Source netip.Addr
	What   string
}

// Buckets is a table of token buckets. The least recently used goes first when it is full: a new bucket is a
// full one, so forgetting is mild, and whoever forges many sources meets the bucket of all together instead.
type Buckets struct {
	mu   sync.Mutex
	max  int
	idle time.Duration
	m    map[BucketKey]*list.Element
	lru  *list.List // of *bucket, the most recent first
}

type bucket struct {
	key    BucketKey
	tokens float64
	last   time.Time
}

// NewBuckets makes a table of at most limit buckets; one unused for longer than idle is forgotten.
func NewBuckets(limit int, idle time.Duration) *Buckets {
	return &Buckets{max: max(limit, 1), idle: idle, m: map[BucketKey]*list.Element{}, lru: list.New()}
}

// Take takes a token; false when there is none.
func (b *Buckets) Take(key BucketKey, r Rate, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.expire(now)
	e := b.m[key]
	if e == nil {
		if len(b.m) >= b.max {
			b.drop(b.lru.Back())
		}
		e = b.lru.PushFront(&bucket{key: key, tokens: float64(r.Burst), last: now})
		b.m[key] = e
	}
	b.lru.MoveToFront(e)
	k, _ := e.Value.(*bucket)
	if passed := now.Sub(k.last).Seconds(); passed > 0 { // a clock set back refills nothing
		k.tokens = min(k.tokens+passed*r.PerSecond, float64(r.Burst))
	}
	k.last = now
	if k.tokens < 1 {
		return false
	}
	k.tokens--
	return true
}

// expire forgets two idle buckets at most, so that no call is long and the table still shrinks while it is used.
func (b *Buckets) expire(now time.Time) {
	for range 2 {
		e := b.lru.Back()
		if e == nil {
			return
		}
		if k, _ := e.Value.(*bucket); now.Sub(k.last) <= b.idle {
			return
		}
		b.drop(e)
	}
}

func (b *Buckets) drop(e *list.Element) {
	k, _ := e.Value.(*bucket)
	delete(b.m, k.key)
	b.lru.Remove(e)
}

// Len counts the buckets.
func (b *Buckets) Len() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.m)
}
