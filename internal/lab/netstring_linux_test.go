package lab

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestReadNetstring(t *testing.T) {
	tests := []struct {
		name, in, want string
		err            error
	}{
		{"plain", "5:hello,rest", "hello", nil},
		{"empty", "0:,", "", nil},
		{"end", "", "", io.EOF},
		{"cut in the length", "5", "", io.ErrUnexpectedEOF},
		{"cut in the data", "5:hel", "", errNetstring},
		{"no comma", "5:hello;", "", errNetstring},
		{"no length", ":hello,", "", errNetstring},
		{"letters", "a:hello,", "", errNetstring},
		{"too long", "99999999:x,", "", errNetstring},
		{"above the bound", "1048577:x,", "", errNetstring},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := readNetstring(bufio.NewReader(strings.NewReader(test.in)))
			if !errors.Is(err, test.err) {
				t.Fatalf("error %v, want %v", err, test.err)
			}
			if string(got) != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func FuzzReadNetstring(f *testing.F) {
	f.Add([]byte("5:hello,0:,"))
	f.Add([]byte("1048577:"))
	f.Fuzz(func(t *testing.T, in []byte) {
		r := bufio.NewReader(bytes.NewReader(in))
		for {
			data, err := readNetstring(r)
			if err != nil {
				return
			}
			var again bytes.Buffer
			if err := writeNetstring(&again, data); err != nil {
				t.Fatal(err)
			}
			back, err := readNetstring(bufio.NewReader(&again))
			if err != nil || !bytes.Equal(back, data) {
				t.Fatalf("%q came back as %q (%v)", data, back, err)
			}
		}
	})
}
