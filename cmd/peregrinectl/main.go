// Command peregrinectl runs the engine of Peregrine without a window, or talks to one that runs.
// docs/control.md describes it.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/peregrine-softphone/peregrine/app"
	"github.com/peregrine-softphone/peregrine/app/control"
)

// Exit codes: a verb that failed, and a command line that makes no sense.
const (
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err == nil {
		return
	}
	fmt.Fprintln(os.Stderr, sentence(err))
	if _, ok := errors.AsType[*control.UsageError](err); ok {
		os.Exit(exitUsage)
	}
	os.Exit(exitFailed)
}

// options are what stands before the verb.
type options struct {
	profile string
	verbose bool
}

func run(ctx context.Context, words []string) error {
	opt, words, err := readOptions(words)
	if err != nil {
		return err
	}
	if len(words) == 0 || words[0] == "help" {
		return help(os.Stdout)
	}
	switch words[0] {
	case "run":
		return headless(ctx, opt, words[1:])
	case "quit":
		return ask(ctx, opt.profile, "quit", nil)
	}
	verb, args, err := control.Parse(words, secrets(os.Stdin))
	if err != nil {
		return err
	}
	return ask(ctx, opt.profile, verb, args)
}

func readOptions(words []string) (options, []string, error) {
	var opt options
	for len(words) > 0 && strings.HasPrefix(words[0], "-") {
		switch {
		case words[0] == "--profile" && len(words) > 1:
			opt.profile = words[1]
			words = words[2:]
		case words[0] == "--verbose":
			opt.verbose = true
			words = words[1:]
		case words[0] == "--help" || words[0] == "-h":
			return opt, nil, nil
		default:
			return opt, nil, &control.UsageError{
				Sentence: fmt.Sprintf("%q makes no sense here; peregrinectl help shows how.", words[0]),
			}
		}
	}
	if opt.profile == "" {
		dir, err := app.DefaultProfile()
		if err != nil {
			return opt, nil, err
		}
		opt.profile = dir
	}
	return opt, words, nil
}

// secrets reads one line from in at each call, without its end of line.
func secrets(in io.Reader) func() (string, error) {
	const longest = 8192 // two lines
	lines := bufio.NewReader(io.LimitReader(in, longest))
	return func() (string, error) {
		line, err := lines.ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return "", fmt.Errorf("read password: %w", err)
		}
		return strings.TrimRight(line, "\r\n"), nil
	}
}

// ask sends a verb to the running instance and prints what it answers.
func ask(ctx context.Context, profile, verb string, args control.Args) error {
	c, err := control.Dial(ctx, profile)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }() // all that was asked for has come
	return c.Stream(ctx, verb, args, func(result json.RawMessage) error {
		_, err := fmt.Println(string(result))
		return err
	})
}

func logger(opt options) *slog.Logger {
	level := slog.LevelWarn
	if opt.verbose {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
}

// sentence is what the person at the terminal reads.
func sentence(err error) string {
	var verb *control.Error
	if errors.As(err, &verb) && verb.Detail != "" {
		return verb.Sentence + " (" + verb.Detail + ")"
	}
	var user *app.UserError
	if errors.As(err, &user) && user.Detail != "" {
		return user.Sentence + " (" + user.Detail + ")"
	}
	if errors.Is(err, control.ErrNotRunning) {
		return "Peregrine is not running with this profile. Start it with: peregrinectl run"
	}
	return err.Error()
}

func help(w io.Writer) error {
	var b strings.Builder
	b.WriteString("peregrinectl [--profile DIR] [--verbose] VERB …\n\n")
	line := func(usage, what string) { fmt.Fprintf(&b, "  %s\n        %s\n", usage, what) }
	line("run", "run without a window and print events, one JSON object a line")
	for _, v := range control.Verbs() {
		line(v.Usage(), v.Help)
	}
	line("quit", "end the running instance")
	_, err := io.WriteString(w, b.String())
	return err
}
