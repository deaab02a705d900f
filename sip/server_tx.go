package sip

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"

	sipmsg "github.com/emiago/sipgo/sip"
)

// serverTx is a request of a peer that we answer.
type serverTx struct {
	*sipmsg.ServerTx
	req    *sipmsg.Request
	remote netip.AddrPort
	tag    string // our tag in To, the same in all responses (RFC 3261 8.2.6.2)

	mu        sync.Mutex
	final     int                          // status code of the final response; 0: none yet
	cancelled func(cancel *sipmsg.Request) // told of the CANCEL that took effect; may be nil
}

// answered gives the status code of the final response, 0 when there is none.
func (s *serverTx) answered() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.final
}

// respond sends a response with extra headers and no body.
func (s *serverTx) respond(code int, extra ...Header) error {
	return s.send(s.response(code, "", nil, extra...))
}

// response builds a response; an empty reason is the usual phrase.
func (s *serverTx) response(code int, reason string, body []byte, extra ...Header) *sipmsg.Response {
	if reason == "" {
		reason = ReasonPhrase(code)
	}
	res := sipmsg.NewResponseFromRequest(s.req, code, cleanText(reason), body)
	if code != 100 && tagOf(s.req.To()) == "" {
		setTag(res, s.tag)
	}
	source := s.remote.Addr().String()
	if via := res.Via(); via != nil && !via.Params.Has("rport") && !strings.EqualFold(via.Host, source) {
		via.Params.Add("received", source) // RFC 3261 18.2.1
	}
	for _, h := range extra {
		res.AppendHeader(sipmsg.NewHeader(h.Name, h.Value))
	}
	return res
}

// onCancel makes f be called when a CANCEL takes effect, before its 487 is sent. It must not block.
func (s *serverTx) onCancel(f func(cancel *sipmsg.Request)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cancelled = f
}

// claim decides between final responses: the first one wins, and only a 2xx may be sent again.
func (s *serverTx) claim(res *sipmsg.Response) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.final != 0 {
		return s.final/100 == 2 && res.StatusCode == s.final
	}
	if res.StatusCode >= 200 {
		s.final = res.StatusCode
	}
	return true
}

// send gives a response to the state machine. After another final response, that of a CANCEL too, it fails with
// ErrState.
func (s *serverTx) send(res *sipmsg.Response) error {
	if !s.claim(res) {
		return fmt.Errorf("respond %d: %w", res.StatusCode, ErrState)
	}
	if err := s.Respond(res); err != nil {
		return fmt.Errorf("respond %d: %w", res.StatusCode, err)
	}
	return nil
}
