package control

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
)

// Client talks to a running instance. It is for one goroutine.
type Client struct {
	conn net.Conn
	r    *bufio.Reader
	last int
}

// Dial connects to the instance of a profile; ErrNotRunning when there is none.
func Dial(ctx context.Context, profile string) (*Client, error) {
	conn, err := dial(ctx, profile)
	if err != nil {
		return nil, err
	}
	return &Client{conn: conn, r: bufio.NewReader(conn)}, nil
}

// Close ends the connection.
func (c *Client) Close() error { return c.conn.Close() }

// Do sends one request and returns the JSON of its result. An error of the verb is an *Error.
func (c *Client) Do(ctx context.Context, verb string, args Args) (json.RawMessage, error) {
	var result json.RawMessage
	err := c.Stream(ctx, verb, args, func(r json.RawMessage) error {
		result = r
		return nil
	})
	return result, err
}

// Stream sends one request and calls each for every line of its answer, until the last.
func (c *Client) Stream(ctx context.Context, verb string, args Args, each func(json.RawMessage) error) error {
	stop := context.AfterFunc(ctx, func() { _ = c.conn.Close() }) // the read that waits ends with it
	defer stop()
	c.last++
	if err := writeLine(c.conn, request{ID: c.last, Verb: verb, Args: args}); err != nil {
		return fmt.Errorf("ask %s: %w", verb, err)
	}
	for {
		var res response
		if err := readLine(c.r, &res); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return fmt.Errorf("wait for %s: %w", verb, err)
		}
		if res.Error != nil {
			return res.Error
		}
		if res.ID != c.last {
			continue
		}
		if res.Result != nil {
			if err := each(res.Result); err != nil {
				return err
			}
		}
		if !res.More {
			return nil
		}
	}
}
