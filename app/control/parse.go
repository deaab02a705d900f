package control

import (
	"fmt"
	"path/filepath"
	"strings"
)

// UsageError says how a command line is wrong, and how the verb is used.
type UsageError struct{ Sentence string }

// Error implements error.
func (e *UsageError) Error() string { return e.Sentence }

// Usage is the verb with its parameters, as help prints it.
func (v Verb) Usage() string {
	words := []string{v.Name}
	for _, p := range v.Params {
		upper := strings.ToUpper(p.Name)
		switch {
		case p.Secret:
			words = append(words, "[--"+p.Name+"-stdin]")
		case p.Switch:
			words = append(words, "[--"+p.Name+"]")
		case p.Flag:
			words = append(words, "[--"+p.Name+" "+upper+"]")
		case p.Optional:
			words = append(words, "["+upper+"]")
		default:
			words = append(words, upper)
		}
	}
	return strings.Join(words, " ")
}

// Parse reads the words of a command line: a verb and its arguments. secret is called when the user
// asked for a parameter to be read from standard input. The error is a *UsageError, or secret's.
func Parse(words []string, secret func() (string, error)) (verb string, args Args, err error) {
	v, words, err := match(words)
	if err != nil {
		return "", nil, err
	}
	args = Args{}
	var positional []string
	for len(words) > 0 {
		word := words[0]
		words = words[1:]
		if word == "--" {
			positional = append(positional, words...)
			break
		}
		if !strings.HasPrefix(word, "--") {
			positional = append(positional, word)
			continue
		}
		if words, err = v.takeFlag(word[2:], words, args, secret); err != nil {
			return "", nil, err
		}
	}
	if err = v.place(positional, args); err != nil {
		return "", nil, err
	}
	for _, p := range v.Params {
		if p.Path && args[p.Name] != "" {
			if args[p.Name], err = filepath.Abs(args[p.Name]); err != nil {
				return "", nil, fmt.Errorf("find %s: %w", args[p.Name], err)
			}
		}
	}
	return v.Name, args, nil
}

// match finds the verb that the words begin with, of two words before those of one.
func match(words []string) (Verb, []string, error) {
	for n := min(2, len(words)); n > 0; n-- {
		if v, ok := find(strings.Join(words[:n], " ")); ok {
			return v, words[n:], nil
		}
	}
	if len(words) == 0 {
		return Verb{}, nil, &UsageError{Sentence: "Say what to do; peregrinectl help lists the verbs."}
	}
	return Verb{}, nil, &UsageError{
		Sentence: fmt.Sprintf("There is no verb %q; peregrinectl help lists the verbs.", words[0]),
	}
}

// takeFlag reads one flag and returns the words that are left.
func (v Verb) takeFlag(name string, words []string, args Args, secret func() (string, error)) ([]string, error) {
	name, value, joined := strings.Cut(name, "=")
	for _, p := range v.Params {
		switch {
		case p.Secret && name == p.Name+"-stdin":
			s, err := secret()
			args[p.Name] = s
			return words, err
		case p.Switch && name == p.Name:
			args[p.Name] = "true"
			return words, nil
		case p.Flag && name == p.Name && joined:
			args[p.Name] = value
			return words, nil
		case p.Flag && name == p.Name && len(words) > 0:
			args[p.Name] = words[0]
			return words[1:], nil
		case p.Flag && name == p.Name:
			return nil, &UsageError{Sentence: fmt.Sprintf("--%s needs a value. Use: %s", name, v.Usage())}
		}
	}
	return nil, &UsageError{Sentence: fmt.Sprintf("%s has no --%s. Use: %s", v.Name, name, v.Usage())}
}

// place gives the positional words to their parameters.
func (v Verb) place(words []string, args Args) error {
	for _, p := range v.Params {
		switch {
		case p.Flag || p.Switch || p.Secret:
		case p.Rest && len(words) > 0:
			args[p.Name] = strings.Join(words, " ")
			words = nil
		case len(words) > 0:
			args[p.Name] = words[0]
			words = words[1:]
		case !p.Optional:
			return &UsageError{Sentence: fmt.Sprintf("%s is missing. Use: %s", strings.ToUpper(p.Name), v.Usage())}
		}
	}
	if len(words) > 0 {
		return &UsageError{Sentence: fmt.Sprintf("%q is one word too many. Use: %s", words[0], v.Usage())}
	}
	return nil
}
