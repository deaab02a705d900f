package control

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/peregrine-softphone/peregrine/app"
)

// maxClients bounds the connections served at once; one more is closed at once.
const maxClients = 64

// writeTimeout bounds how long a client that does not read may hold its connection.
const writeTimeout = 10 * time.Second

// Serve answers clients on l until ctx ends, then closes l and waits for those it serves. quit is
// called when a client asks the instance to end.
func Serve(ctx context.Context, l net.Listener, e *app.Engine, quit func(), log *slog.Logger) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = l.Close() }) // Accept ends with it
	defer stop()
	var clients sync.WaitGroup
	defer clients.Wait()
	free := make(chan struct{}, maxClients)
	for {
		conn, err := l.Accept()
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return nil
			}
			log.WarnContext(ctx, "control accept failed", "err", err)
			continue
		}
		select {
		case free <- struct{}{}:
		default:
			_ = conn.Close() // too many: let them try later
			continue
		}
		clients.Go(func() {
			s := &session{engine: e, quit: quit, conn: conn}
			if err := s.run(ctx); err != nil {
				log.DebugContext(ctx, "control client ended", "err", err)
			}
			<-free
		})
	}
}

// session is one client's connection. Requests are worked on at the same time; their answers carry
// the id of the request.
type session struct {
	engine *app.Engine
	quit   func()
	conn   net.Conn
	mu     sync.Mutex // held while a line is written
}

// maxPending bounds the requests of one client that are worked on at once.
const maxPending = 32

func (s *session) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(ctx, func() { _ = s.conn.Close() }) // the read that waits ends with it
	defer stop()
	var pending sync.WaitGroup
	defer pending.Wait()
	defer cancel() // before the wait: a stream ends when its client goes
	free := make(chan struct{}, maxPending)
	r := bufio.NewReader(s.conn)
	for {
		var req request
		if err := readLine(r, &req); err != nil {
			if errors.Is(err, io.EOF) || ctx.Err() != nil {
				return nil
			}
			return errors.Join(
				err,
				s.send(response{Error: &Error{Sentence: "The request is not a line of JSON.", Detail: err.Error()}}),
			)
		}
		select {
		case free <- struct{}{}:
		case <-ctx.Done():
			return nil
		}
		pending.Go(func() {
			defer func() { <-free }()
			if s.answer(ctx, req) != nil {
				cancel()
			}
		})
	}
}

// answer carries one request out. The error is that of the connection.
func (s *session) answer(ctx context.Context, req request) error {
	if req.Verb == "quit" {
		err := s.send(response{ID: req.ID, Result: json.RawMessage(`{}`)})
		s.quit()
		return err
	}
	v, ok := find(req.Verb)
	if !ok {
		return s.send(response{ID: req.ID, Error: &Error{Sentence: "There is no verb " + req.Verb + "."}})
	}
	if v.stream != nil {
		if err := v.stream(ctx, s.engine, req.Args, func(v any) error { return s.sendMore(req.ID, v) }); err != nil {
			return err
		}
		return s.send(response{ID: req.ID})
	}
	result, err := v.run(ctx, s.engine, req.Args)
	if err != nil {
		return s.send(response{ID: req.ID, Error: asError(err)})
	}
	data, err := json.Marshal(result)
	if err != nil {
		return s.send(response{ID: req.ID, Error: asError(err)})
	}
	return s.send(response{ID: req.ID, Result: data})
}

func (s *session) sendMore(id int, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return s.send(response{ID: id, Result: data, More: true})
}

func (s *session) send(r response) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	return writeLine(s.conn, r)
}

func asError(err error) *Error {
	if user, ok := errors.AsType[*app.UserError](err); ok {
		return &Error{Sentence: user.Sentence, Detail: user.Detail}
	}
	return &Error{
		Sentence: "Something unexpected went wrong. The details help whoever looks into it.",
		Detail:   err.Error(),
	}
}
