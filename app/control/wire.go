package control

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// maxLine bounds one line of the protocol (4 MiB: the answer to `messages` with long texts).
const maxLine = 4 << 20

// Args are the arguments of a verb by the names of its parameters.
type Args map[string]string

// request is a line from the client.
type request struct {
	ID   int    `json:"id"`
	Verb string `json:"verb"`
	Args Args   `json:"args,omitempty"`
}

// response is a line to the client. A verb that streams sends any number of lines with More set.
type response struct {
	ID     int             `json:"id"`
	Result json.RawMessage `json:"result,omitempty"`
	Error  *Error          `json:"error,omitempty"`
	More   bool            `json:"more,omitempty"`
}

// Error is how a verb failed: a sentence for a person, and codes.
type Error struct {
	Sentence string `json:"sentence"`
	Detail   string `json:"detail,omitempty"`
}

// Error implements error.
func (e *Error) Error() string { return e.Sentence }

var errLineTooLong = errors.New("line too long")

// readLine reads one JSON line into v. io.EOF when the other side has closed.
func readLine(r *bufio.Reader, v any) error {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		if len(line) > maxLine {
			return errLineTooLong
		}
		if err == nil {
			break
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			if errors.Is(err, io.EOF) && len(line) > 0 {
				return io.ErrUnexpectedEOF
			}
			return err
		}
	}
	if err := json.Unmarshal(line, v); err != nil {
		return fmt.Errorf("read control line: %w", err)
	}
	return nil
}

func writeLine(w io.Writer, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("write control line: %w", err)
	}
	_, err = w.Write(append(data, '\n'))
	return err
}
