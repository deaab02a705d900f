// Command peregrine-lab runs the interop lab for a developer: real SIP software in network
// namespaces, a mobile host to move, and a shell on every host. It needs root.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/peregrine-softphone/peregrine/internal/lab"
	"github.com/peregrine-softphone/peregrine/internal/lab/linkemu"
)

const usage = `peregrine-lab [-prefix P] VERB …

  up [-dir DIR] [-mobiles N] [-correspondents N] [DELAY [JITTER [LOSS]]]   e.g. up 20ms 3ms 0.01
  down                       end everything in the lab and remove it
  move [-host mh] [-gap D] | -overlap D | -same ADDR | -flap D
                             to the other Wi-Fi network; make before break; new address; link flap
  link [DELAY [JITTER [LOSS]]]   change both uplinks
  shell HOST [COMMAND …]     core, ch, ch2, …, mh, mh2, …
  baresip HOST USER [enst]   start a baresip there (log and control in the run folder)
  bindings USER [enst]       what the registrar knows
  sweep                      remove what killed test runs left behind
  interop [-o FILE] [-from LOG]  run the interop suite (or read its output) and write the table of features
`

// errUsage makes main print how the command is used.
var errUsage = errors.New("peregrine-lab: that makes no sense here")

func main() {
	if handled, err := lab.Child(os.Args[1:]); handled {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		os.Exit(exit.ExitCode())
	case errors.Is(err, errUsage):
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("peregrine-lab", flag.ContinueOnError)
	flags.Usage = func() {}
	prefix := flags.String("prefix", "dev-", "of the namespaces")
	if err := flags.Parse(args); err != nil || flags.NArg() == 0 {
		return errUsage
	}
	verb, rest := flags.Arg(0), flags.Args()[1:]
	switch verb {
	case "up":
		return up(ctx, *prefix, rest)
	case "sweep":
		swept, err := lab.Sweep(ctx)
		fmt.Println("removed:", swept)
		return err
	case "shell":
		return shell(ctx, *prefix, rest)
	case "interop":
		return interop(ctx, rest)
	case "down", "move", "link", "baresip", "bindings":
		return onLab(ctx, *prefix, verb, rest)
	}
	return errUsage
}

// onLab does what needs a lab that is up.
func onLab(ctx context.Context, prefix, verb string, rest []string) error {
	l, err := lab.Load(prefix)
	if err != nil {
		return err
	}
	switch verb {
	case "down":
		return l.Close() //nolint:contextcheck // it works after ctx has ended, too
	case "move":
		return move(ctx, l, rest)
	case "link":
		impairment, err := linkemu.ParseArgs(rest)
		if err != nil {
			return err
		}
		return l.SetLink(ctx, impairment)
	case "baresip":
		return baresip(ctx, l, rest)
	case "bindings":
		return bindings(ctx, l, rest)
	}
	return errUsage
}

func up(ctx context.Context, prefix string, args []string) error {
	flags := flag.NewFlagSet("up", flag.ContinueOnError)
	flags.Usage = func() {}
	dir := flags.String("dir", filepath.Join(os.TempDir(), "peregrine-lab-"+prefix+"run"), "run folder")
	mobiles := flags.Int("mobiles", 1, "mobile hosts")
	correspondents := flags.Int("correspondents", 1, "wired hosts")
	if err := flags.Parse(args); err != nil {
		return errUsage
	}
	impairment, err := linkemu.ParseArgs(flags.Args())
	if err != nil {
		return err
	}
	l, err := lab.Start(ctx, lab.Config{
		Prefix: prefix, Dir: *dir, Mobiles: *mobiles, Correspondents: *correspondents, Link: impairment, Keep: true,
	})
	if err != nil {
		return err
	}
	fmt.Printf("lab %s is up; logs in %s\nmh has %v, ch has %v; try: peregrine-lab -prefix %s shell mh\n",
		prefix, *dir, l.Mobile(0).Addr(), l.Correspondent(0).Addr(), prefix)
	return l.Detach()
}

func move(ctx context.Context, l *lab.Lab, args []string) error {
	flags := flag.NewFlagSet("move", flag.ContinueOnError)
	flags.Usage = func() {}
	host := flags.String("host", "mh", "mobile host")
	gap := flags.Duration("gap", 0, "time without any address")
	overlap := flags.Duration("overlap", 0, "time with both addresses: make before break")
	same := flags.String("same", "", "another address in the same network")
	flap := flags.Duration("flap", 0, "time without link, same address")
	if err := flags.Parse(args); err != nil {
		return errUsage
	}
	mobile, err := findMobile(l, *host)
	if err != nil {
		return err
	}
	var done lab.Move
	switch {
	case *overlap > 0:
		done, err = mobile.RoamOverlapped(ctx, *overlap)
	case *flap > 0:
		done, err = mobile.Flap(ctx, *flap)
	case *same != "":
		addr, perr := netip.ParseAddr(*same)
		if perr != nil {
			return perr
		}
		done, err = mobile.Readdress(ctx, addr, *gap)
	default:
		done, err = mobile.Roam(ctx, *gap)
	}
	if err != nil {
		return err
	}
	fmt.Printf("%s: %v → %v, down %s, up %s (%v)\n", done.Kind, done.Old, done.New,
		done.Down.Format(time.StampMicro), done.Up.Format(time.StampMicro), done.Up.Sub(done.Down))
	return nil
}

func findMobile(l *lab.Lab, name string) (*lab.Mobile, error) {
	for i := range l.Mobiles() {
		if l.Mobile(i).Name() == name {
			return l.Mobile(i), nil
		}
	}
	return nil, fmt.Errorf("there is no mobile host %s", name)
}

func shell(ctx context.Context, prefix string, args []string) error {
	if len(args) == 0 {
		return errUsage
	}
	argv := args[1:]
	if len(argv) == 0 {
		argv = []string{"bash", "-i"}
	}
	cmd := exec.CommandContext(ctx, "ip", append([]string{"netns", "exec", prefix + args[0]}, argv...)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	return cmd.Run()
}

// domainOf reads the optional last word.
func domainOf(args []string, place int) lab.Domain {
	if len(args) > place && args[place] == "enst" {
		return lab.Enst
	}
	return lab.Info
}

func baresip(ctx context.Context, l *lab.Lab, args []string) error {
	if len(args) < 2 {
		return errUsage
	}
	host, err := findHost(l, args[0])
	if err != nil {
		return err
	}
	b, err := host.StartBaresip(ctx, lab.BaresipConfig{User: args[1], Domain: domainOf(args, 2)})
	if err != nil {
		return err
	}
	fmt.Printf("%s on %s answers calls; its folder is %s\n", b.AOR, host.Name(), b.Dir)
	return nil
}

func findHost(l *lab.Lab, name string) (*lab.Host, error) {
	if mobile, err := findMobile(l, name); err == nil {
		return &mobile.Host, nil
	}
	for i := range l.Correspondents() {
		if l.Correspondent(i).Name() == name {
			return l.Correspondent(i), nil
		}
	}
	return nil, fmt.Errorf("there is no host %s", name)
}

func bindings(ctx context.Context, l *lab.Lab, args []string) error {
	if len(args) == 0 {
		return errUsage
	}
	contacts, err := l.Bindings(ctx, domainOf(args, 1), args[0])
	for _, c := range contacts {
		fmt.Println(c)
	}
	return err
}
