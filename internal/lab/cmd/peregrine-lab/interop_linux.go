package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/peregrine-softphone/peregrine/internal/lab"
	"github.com/peregrine-softphone/peregrine/internal/lab/matrix"
)

// errIncomplete says that the table has cells whose test failed or did not run.
var errIncomplete = errors.New("the interop table is not complete")

// interop runs the suite's tests that the table names, and writes the table. With -from it reads the output of a run
// of `go test -json` instead.
func interop(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("interop", flag.ContinueOnError)
	flags.Usage = func() {}
	out := flags.String("o", "docs/interop.md", "file")
	from := flags.String("from", "", "output of go test -json")
	if err := flags.Parse(args); err != nil || flags.NArg() > 0 {
		return errUsage
	}
	var log []byte
	var err error
	if *from != "" {
		log, err = os.ReadFile(*from)
	} else {
		log, err = runSuite(ctx)
	}
	if err != nil {
		return err
	}
	results, err := matrix.Read(bytes.NewReader(log))
	if err != nil {
		return fmt.Errorf("read the results: %w", err)
	}
	var page bytes.Buffer
	missing, err := matrix.Write(&page, results)
	if err != nil {
		return err
	}
	if err := os.WriteFile(*out, page.Bytes(), 0o644); err != nil {
		return fmt.Errorf("write the table: %w", err)
	}
	if missing > 0 {
		return fmt.Errorf("%w: %d cells; see %s", errIncomplete, missing, *out)
	}
	return nil
}

// runSuite runs the tests and returns what they printed, failed ones too.
func runSuite(ctx context.Context) ([]byte, error) {
	pattern := "^(" + strings.Join(matrix.Tests(), "|") + ")$"
	cmd := exec.CommandContext(ctx, "go", "test", "-tags", lab.BuildTags+" lab", "-json", "-count", "1",
		"-timeout", "30m", "-run", pattern, "./internal/lab")
	var stdout bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, os.Stderr
	err := cmd.Run()
	if _, failed := errors.AsType[*exec.ExitError](err); err != nil && (!failed || stdout.Len() == 0) {
		return nil, fmt.Errorf("run the suite: %w", err)
	}
	return stdout.Bytes(), nil
}
