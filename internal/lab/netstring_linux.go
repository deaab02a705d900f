package lab

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// maxNetstring bounds one message of baresip's control connection: a full `contacts` answer has a
// few kilobytes.
const maxNetstring = 1 << 20

// errNetstring is wrapped by every complaint about the framing.
var errNetstring = errors.New("malformed netstring")

// writeNetstring frames data as LENGTH:DATA, (https://cr.yp.to/proto/netstrings.txt).
func writeNetstring(w io.Writer, data []byte) error {
	_, err := fmt.Fprintf(w, "%d:%s,", len(data), data)
	return err
}

// readNetstring reads one frame. At a clean end it returns io.EOF.
func readNetstring(r *bufio.Reader) ([]byte, error) {
	length := 0
	for digits := 0; ; digits++ {
		b, err := r.ReadByte()
		if err != nil {
			if digits > 0 && errors.Is(err, io.EOF) {
				return nil, io.ErrUnexpectedEOF
			}
			return nil, err
		}
		if b == ':' && digits > 0 {
			break
		}
		if b < '0' || b > '9' || digits >= len(strconv.Itoa(maxNetstring)) {
			return nil, fmt.Errorf("%w: byte %q in its length", errNetstring, b)
		}
		length = length*10 + int(b-'0')
	}
	if length > maxNetstring {
		return nil, fmt.Errorf("%w: %d bytes", errNetstring, length)
	}
	data := make([]byte, length+1)
	if _, err := io.ReadFull(r, data); err != nil {
		return nil, fmt.Errorf("%w: %w", errNetstring, err)
	}
	if data[length] != ',' {
		return nil, fmt.Errorf("%w: no comma at its end", errNetstring)
	}
	return data[:length], nil
}
