package control

import (
	"errors"
	"maps"
	"testing"
)

func TestParse(t *testing.T) {
	secret := func() (string, error) { return "s3cret", nil }
	tests := []struct {
		name  string
		words []string
		verb  string
		args  Args
		wrong bool
	}{
		{"one word", []string{"status"}, "status", Args{}, false},
		{"two words", []string{"buddy", "list"}, "buddy list", Args{}, false},
		{"positional", []string{"call", "bob@info.test"}, "call", Args{"address": "bob@info.test"}, false},
		{"switch", []string{"call", "--video", "bob"}, "call", Args{"address": "bob", "video": "true"}, false},
		{
			"flags in any place",
			[]string{"buddy", "add", "--name", "Bob Keller", "bob@info.test", "--group=Team"},
			"buddy add",
			Args{"address": "bob@info.test", "name": "Bob Keller", "group": "Team"},
			false,
		},
		{
			"password from standard input",
			[]string{"account", "add", "alice@info.test", "--password-stdin", "--password-store", "file"},
			"account add",
			Args{"address": "alice@info.test", "password": "s3cret", "password-store": "file"},
			false,
		},
		{
			"text of many words",
			[]string{"message", "bob", "hello", "there"},
			"message",
			Args{"address": "bob", "text": "hello there"},
			false,
		},
		{
			"text with dashes",
			[]string{"message", "bob", "--", "--hello"},
			"message",
			Args{"address": "bob", "text": "--hello"},
			false,
		},
		{"optional left out", []string{"hangup"}, "hangup", Args{}, false},
		{"optional given", []string{"hangup", "2"}, "hangup", Args{"call": "2"}, false},
		{"unknown verb", []string{"fly"}, "", nil, true},
		{"nothing", nil, "", nil, true},
		{"missing argument", []string{"call"}, "", nil, true},
		{"one word too many", []string{"call", "bob", "carol"}, "", nil, true},
		{"unknown flag", []string{"call", "--loud", "bob"}, "", nil, true},
		{"flag without value", []string{"buddy", "add", "bob", "--name"}, "", nil, true},
		{
			"password on the command line",
			[]string{"account", "add", "alice@info.test", "--password", "x"},
			"",
			nil,
			true,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			verb, args, err := Parse(tt.words, secret)
			if tt.wrong {
				if _, ok := errors.AsType[*UsageError](err); !ok {
					t.Fatalf("err = %v, want a *UsageError", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if verb != tt.verb || !maps.Equal(args, tt.args) {
				t.Errorf("got %q %v, want %q %v", verb, args, tt.verb, tt.args)
			}
		})
	}
}

func TestVerbsAreUnique(t *testing.T) {
	seen := map[string]bool{}
	for _, v := range Verbs() {
		if seen[v.Name] {
			t.Errorf("verb %q stands twice in the table", v.Name)
		}
		seen[v.Name] = true
		if v.Help == "" || (v.run == nil) == (v.stream == nil) {
			t.Errorf("verb %q has no help or does nothing", v.Name)
		}
	}
}
