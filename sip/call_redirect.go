package sip

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	sipmsg "github.com/emiago/sipgo/sip"

	"github.com/peregrine-softphone/peregrine/sip/uri"
)

// maxRedirects bounds the targets tried after 3xx responses.
const maxRedirects = 5

// place is one target of a call.
type place struct {
	target uri.URI
	by     uri.URI // the proxy of a 305; without host: the usual way
}

// aim makes the dialog of an INVITE lead to the place.
func (p place) aim(d *dialog) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.target = p.target
	if p.by.Host != "" {
		d.routes = []uri.Address{{URI: p.by.WithParam("lr", "")}} // RFC 3261 21.3.4: through that proxy
	}
}

// itinerary is where a call tries to reach somebody: first what the user dialled, then what redirections say, each
// place once (RFC 3261 8.1.3.4).
type itinerary struct {
	queue   []place
	visited map[string]bool
}

func newItinerary(to uri.URI) *itinerary {
	p := place{target: to}
	return &itinerary{queue: []place{p}, visited: map[string]bool{p.key(): true}}
}

func (p place) key() string { return p.target.String() + " " + p.by.String() }

// next takes the next place from the queue.
func (i *itinerary) next() (place, bool) {
	if len(i.queue) == 0 {
		return place{}, false
	}
	p := i.queue[0]
	i.queue = i.queue[1:]
	return p, true
}

// again puts a place back to the front.
func (i *itinerary) again(p place) { i.queue = append([]place{p}, i.queue...) }

// refused takes a final response other than 2xx from a place: a redirection adds new ones, a 6xx ends the search. The
// result is the error to report when no place is left.
//
//	300, 301, 302  its Contacts, best first
//	305            the same target, by its Contact
//	380, others    nothing new: what alternative service there is, the body says to people (RFC 3261 21.3.5)
//	6xx            no other place will do either (21.6)
func (i *itinerary) refused(p place, res *sipmsg.Response) error {
	err := error(statusError(res))
	switch {
	case res.StatusCode >= 600:
		i.queue = nil
	case res.IsRedirection() && res.StatusCode != 380:
		fresh := i.redirections(p, res)
		if len(fresh) == 0 {
			err = fmt.Errorf("%w: %w", ErrRedirectLoop, err)
		}
		i.queue = append(fresh, i.queue...)
	}
	return err
}

// redirections gives the new places of a 3xx, best first.
func (i *itinerary) redirections(p place, res *sipmsg.Response) []place {
	cs := contacts(res)
	slices.SortStableFunc(cs, func(a, b uri.Address) int { return cmp.Compare(quality(b), quality(a)) })
	var out []place
	for _, t := range cs {
		next := place{target: t.URI}
		if res.StatusCode == 305 {
			next = place{target: p.target, by: t.URI}
		}
		// RFC 3261 26.4.4, RFC 5630 3.3: whoever dialled sips is not led to a place, or past a proxy, without TLS.
		downgrade := p.target.Scheme == "sips" && t.URI.Scheme != "sips"
		usable := (t.URI.Scheme == "sip" || t.URI.Scheme == "sips") && t.URI.Host != ""
		if !usable || downgrade || i.visited[next.key()] || len(i.visited) > maxRedirects { // the first is in there too
			continue
		}
		i.visited[next.key()] = true
		out = append(out, next)
	}
	return out
}

// quality reads the q of a Contact; absent counts as 1 (RFC 3261 20.10 leaves it open).
func quality(a uri.Address) float64 {
	q, err := strconv.ParseFloat(a.Params.Get("q"), 64)
	if err != nil || q < 0 || q > 1 {
		return 1
	}
	return q
}
