package sip

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"
)

// talk is a MediaSession that writes down what happens.
type talk struct {
	name string
	fail error // of Answer

	mu      sync.Mutex
	log     []string
	version int
	pause   time.Duration // of Offer and Answer
	hold    chan struct{} // when set, Answer waits for it
}

func (m *talk) slow(pause time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pause = pause
}

func (m *talk) note(format string, args ...any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.log = append(m.log, fmt.Sprintf(format, args...))
}

func (m *talk) Offer(context.Context) ([]byte, error) {
	m.mu.Lock()
	m.version++
	v, pause := m.version, m.pause
	m.mu.Unlock()
	time.Sleep(pause)
	m.note("offer %d", v)
	return fmt.Appendf(nil, "v=0\r\no=%s offer %d\r\n", m.name, v), nil
}

func (m *talk) Answer(offer []byte) ([]byte, error) {
	if m.hold != nil {
		<-m.hold
	}
	m.mu.Lock()
	err, pause := m.fail, m.pause
	m.mu.Unlock()
	time.Sleep(pause)
	if err != nil {
		return nil, err
	}
	m.note("answer to %s", sdpName(offer))
	return []byte("v=0\r\no=" + m.name + " answer to " + sdpName(offer) + "\r\n"), nil
}

func (m *talk) Accept(answer []byte) error {
	m.note("accept %s", sdpName(answer))
	return nil
}

func (m *talk) Rollback() { m.note("rollback") }

// refuse makes Answer fail from now on.
func (m *talk) refuse(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail = err
}

func (m *talk) String() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return strings.Join(m.log, "; ")
}

func sdpName(sdp []byte) string {
	_, rest, _ := strings.Cut(string(sdp), "o=")
	name, _, _ := strings.Cut(rest, "\r\n")
	return name
}
