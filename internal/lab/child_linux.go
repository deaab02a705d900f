package lab

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/peregrine-softphone/peregrine/internal/lab/linkemu"
)

const (
	// linkemuVerb as first argument makes a program that calls Child a delay box.
	linkemuVerb = "lab-linkemu"
	// linkemuReady is what the delay box prints once frames pass.
	linkemuReady = "linkemu passes frames"
)

// Child runs the part of the lab that needs a process of its own, when the arguments (without the
// program's name) ask for it: the lab starts the present executable again for its delay boxes.
// Every program that calls Start calls Child first and ends when handled is true.
func Child(args []string) (handled bool, err error) {
	if len(args) == 0 || args[0] != linkemuVerb {
		return false, nil
	}
	if len(args) < 3 {
		return true, errors.New(linkemuVerb + ": want IFA IFB [DELAY [JITTER [LOSS]]]")
	}
	impairment, err := linkemu.ParseArgs(args[3:])
	if err != nil {
		return true, err
	}
	changes := make(chan linkemu.Impairment)
	go readChanges(changes)
	return true, linkemu.Run(args[1], args[2], impairment, changes, func() { fmt.Println(linkemuReady) })
}

// readChanges reads impairments from standard input, a line each, until its end: the box outlives the lab's process
// where the lab is kept.
func readChanges(changes chan<- linkemu.Impairment) {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		changed, err := linkemu.ParseArgs(strings.Fields(lines.Text()))
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			continue
		}
		changes <- changed
	}
}
