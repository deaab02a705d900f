package lab

import (
	"context"
	"embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"text/template"
	"time"
)

//go:embed testdata/etc testdata/sipp
var files embed.FS

// Domain is one of the lab's SIP domains.
type Domain struct {
	Name string
	IP   string
}

// The lab's domains. RedirectPort of each server answers INVITE with 302.
//
//nolint:gochecknoglobals // constants in all but name: Go has no constant structs
var (
	Info = Domain{Name: "info.test", IP: "10.77.0.10"}
	Enst = Domain{Name: "enst.test", IP: "10.77.0.20"}
)

// RedirectPort is where a domain's server redirects instead of forwarding.
const RedirectPort = 5070

// serverStart bounds how long a server may take to be ready.
const serverStart = 20 * time.Second

// Password of a lab user.
func Password(user string) string { return user + "pw" }

// Missing lists the programs the lab needs and the machine lacks.
func Missing() []string {
	programs := []string{
		"ip", "ethtool", "nice", "stdbuf", "kamailio", "kamcmd", "dnsmasq",
		"baresip", "linphonec", "twinkle-console", "pulseaudio", "parec", "sipp", "sox", "espeak-ng",
		"turnserver", "nft",
	}
	var missing []string
	for _, name := range programs {
		if _, err := exec.LookPath(name); err != nil {
			missing = append(missing, name)
		}
	}
	return missing
}

// fill writes the embedded template name, filled with data, to path. Delimiters are [[ and ]]:
// the configurations themselves are full of braces.
func fill(name, path string, data any) error {
	text, err := files.ReadFile("testdata/etc/" + name)
	if err != nil {
		return fmt.Errorf("lab template: %w", err)
	}
	parsed, err := template.New(name).Delims("[[", "]]").Option("missingkey=error").Parse(string(text))
	if err != nil {
		return fmt.Errorf("lab template: %w", err)
	}
	var out strings.Builder
	if err := parsed.Execute(&out, data); err != nil {
		return fmt.Errorf("lab template: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("lab template %s: %w", name, err)
	}
	return os.WriteFile(path, []byte(out.String()), 0o644)
}

func (l *Lab) startServers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, serverStart)
	defer cancel()
	if err := l.startDNS(ctx); err != nil {
		return err
	}
	ca, err := newAuthority(l.Core().dir("tls"))
	if err != nil {
		return err
	}
	results := make(chan error, 2)
	for _, domain := range []Domain{Info, Enst} {
		go func() { results <- l.startKamailio(ctx, domain, ca) }()
	}
	return firstError(<-results, <-results)
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (l *Lab) startDNS(ctx context.Context) error {
	dir := l.Core().dir("dns")
	config := filepath.Join(dir, "dnsmasq.conf")
	data := map[string]any{"Dir": dir, "Domains": []Domain{Info, Enst}, "IPv6": serverIPv6}
	if err := fill("dnsmasq.conf.tmpl", config, data); err != nil {
		return err
	}
	p, err := startProcess(l.ns("core"), "dnsmasq", dir, nil, nil,
		"dnsmasq", "--conf-file="+config, "--user=root", "--keep-in-foreground", "--log-facility=-")
	if err != nil {
		return err
	}
	l.adopt(p)
	_, err = p.waitFile(ctx, p.log, 0, `started, version`)
	return err
}

// kamailioDir holds what the proxy of the domain needs.
func (l *Lab) kamailioDir(domain Domain) string { return l.Core().dir("kamailio-" + domain.Name) }

// controlSocket is where kamcmd talks to the domain's server. It lives in /run because a path of
// a Unix-domain socket holds 107 bytes at most, and run folders of tests are longer.
func (l *Lab) controlSocket(domain Domain) string {
	return filepath.Join(recordDir, l.cfg.Prefix+domain.Name+".sock")
}

func (l *Lab) startKamailio(ctx context.Context, domain Domain, ca *authority) error {
	dir, socket := l.kamailioDir(domain), l.controlSocket(domain)
	config, secure := filepath.Join(dir, "kamailio.cfg"), filepath.Join(dir, "tls.cfg")
	certificate, key, err := ca.server(domain.Name)
	if err != nil {
		return err
	}
	if err = fill("tls.cfg.tmpl", secure, map[string]any{"Certificate": certificate, "Key": key}); err != nil {
		return err
	}
	data := map[string]any{
		"Name": domain.Name, "IP": domain.IP, "Socket": socket, "Debug": l.cfg.Debug, "TLS": secure, "IPv6": "",
	}
	if l.cfg.IPv6 && domain == Info {
		data["IPv6"] = "[" + serverIPv6 + "]"
	}
	if err = fill("kamailio.cfg.tmpl", config, data); err != nil {
		return err
	}
	p, err := startProcess(l.ns("core"), "kamailio "+domain.Name, dir, nil, nil,
		"kamailio", "-DD", "-E", "-m", "64", "-M", "8", "-f", config, "-P", filepath.Join(dir, "pid"), "-Y", dir)
	if err != nil {
		return err
	}
	l.adopt(p)
	err = poll(ctx, 50*time.Millisecond, func() (bool, error) {
		if !p.running() {
			return false, errEnded
		}
		_, missing := os.Stat(socket)
		if missing == nil {
			_, missing = run(ctx, "", "kamcmd", "-s", "unix:"+socket, "core.uptime")
		}
		return missing == nil, nil
	})
	if err != nil {
		return fmt.Errorf("kamailio %s did not start: %w; its output ends with:\n%s",
			domain.Name, err, tail(p.output(0), 1500))
	}
	return nil
}

// Control asks the domain's Kamailio something, for example "ul.dump".
func (l *Lab) Control(ctx context.Context, domain Domain, words ...string) (string, error) {
	return run(ctx, "", append([]string{"kamcmd", "-s", "unix:" + l.controlSocket(domain)}, words...)...)
}

var contactLine = regexp.MustCompile(`(?m)^\s*Address:\s*(\S+)`)

// Bindings are the contacts that the domain's registrar holds for the user.
func (l *Lab) Bindings(ctx context.Context, domain Domain, user string) ([]string, error) {
	out, err := l.Control(ctx, domain, "ul.lookup", "location", user)
	if err != nil {
		if strings.Contains(out+err.Error(), "404") || strings.Contains(err.Error(), "not found") {
			return nil, nil
		}
		return nil, err
	}
	var contacts []string
	for _, match := range contactLine.FindAllStringSubmatch(out, -1) {
		contacts = append(contacts, match[1])
	}
	return contacts, nil
}
