package archtest

// rule says what a folder's packages may import besides the standard library, test files apart. The
// rule of the longest matching folder counts.
type rule struct {
	dir   string   // "sip" covers sip and everything below; "." is the module's root alone
	own   []string // folders of this module, each with everything below; a folder may always import itself
	third []string // prefixes of other modules' packages; "*" for any that has no owner
}

// rules is the table of ARCHITECTURE.md. Siblings do not know each other: they meet in app.
var rules = []rule{ //nolint:gochecknoglobals // a table
	{dir: "sip/uri"},
	{dir: "sip/digest"},
	{dir: "sip/session"},
	{dir: "sip/shield", own: []string{"sip/uri"}},
	{dir: "sip/resolve", own: []string{"sip/uri"}, third: []string{"github.com/miekg/dns", "golang.org/x/net/idna"}},
	{dir: "sip/trust"},
	{dir: "sip/trace"},
	{dir: "sip/syntax"},
	{
		dir: "sip/transport", own: []string{"sip/resolve", "sip/trust", "sip/trace"},
		third: []string{"github.com/emiago/sipgo"},
	},
	{
		dir: "sip",
		own: []string{
			"sip/uri", "sip/digest", "sip/session", "sip/shield", "sip/resolve", "sip/transport", "sip/trust",
			"sip/trace", "sip/syntax",
		},
		third: []string{"github.com/emiago/sipgo"},
	},
	{
		dir: "presence", own: []string{"sip/uri", "presence"},
		third: []string{"golang.org/x/text", "golang.org/x/net/html/charset"},
	},
	{dir: "im", own: []string{"sip/uri", "internal/atomicfile"}, third: []string{"golang.org/x/text"}},
	{
		dir: "buddies", own: []string{"sip/uri", "internal/atomicfile"},
		third: []string{"github.com/fsnotify/fsnotify", "golang.org/x/text", "golang.org/x/net/idna"},
	},
	{dir: "media/audio", own: []string{"media"}, third: []string{"github.com/gen2brain/malgo"}},
	{
		dir: "media/codec", own: []string{"media"},
		third: []string{"github.com/hraban/opus", "github.com/pion"},
	},
	{dir: "media/voice", own: []string{"media/voice"}},
	{dir: "media", own: []string{"media"}, third: []string{"github.com/pion"}},
	{dir: "mobility", third: []string{"golang.org/x/sys"}},
	{
		dir: "server", own: []string{"sip/uri", "sip/digest"},
		third: []string{"github.com/emiago/sipgo"},
	},
	{dir: "assets"},
	{dir: "app/ui", own: []string{"app", "assets", "app/ui"}, third: []string{"fyne.io/fyne/v2"}},
	{dir: "app/control", own: []string{"app"}, third: []string{"golang.org/x/sys"}},
	{
		dir:   "app/demo",
		own:   []string{"app", "server", "media/audio", "media/codec", "sip", "assets"},
		third: []string{"golang.org/x/sync"},
	},
	{dir: "app/history", own: []string{"internal/atomicfile"}},
	{
		dir: "app",
		own: []string{
			"sip", "presence", "im", "media", "mobility", "buddies", "assets", "internal/atomicfile",
			"app/history",
		},
		third: []string{"*"},
	},
	{dir: "cmd", own: []string{"app", "server"}, third: []string{"*"}},
	{dir: ".", own: []string{"app", "assets"}, third: []string{"fyne.io/fyne/v2"}},
	{dir: "internal/netsim"},
	{dir: "internal/testca"},
	{dir: "internal/atomicfile", third: []string{"golang.org/x/sys"}},
	{dir: "internal/archtest"},
	{dir: "internal/desktop", own: []string{"internal/lab"}},
	{dir: "internal/lab", own: []string{"internal/lab"}, third: []string{"golang.org/x/sys", "github.com/miekg/dns"}},
}

// owner says which folders alone may import a module, test files and "*" included.
type owner struct {
	third string   // prefix of packages
	dirs  []string // each with everything below; "." is the module's root alone
}

// owners are the modules that must not spread: what one package wraps can be replaced there.
var owners = []owner{ //nolint:gochecknoglobals // a table
	{"fyne.io/", []string{"app/ui", "."}},
	{"github.com/emiago/sipgo", []string{"sip", "server"}},
	{"github.com/miekg/dns", []string{"sip/resolve", "internal/lab"}},
	{"github.com/pion/", []string{"media"}},
	{"github.com/gen2brain/malgo", []string{"media/audio"}},
	{"github.com/hraban/opus", []string{"media/codec"}},
	{"github.com/fsnotify/fsnotify", []string{"buddies"}},
	{"github.com/zalando/go-keyring", []string{"app"}},
}

// testPackages are the module's own folders that any test may import besides what its package may.
var testPackages = []string{"internal/netsim", "internal/testca", "internal/lab"} //nolint:gochecknoglobals // a table

// uiThread is the one file that crosses into the GUI's thread.
const uiThread = "app/ui/bind.go"

// contextStarters are the folders where a context may begin, besides test files and package main.
var contextStarters = []string{"internal/lab"} //nolint:gochecknoglobals // a table

// maxLines is the length of a file that still fits a reader's head (STYLE: split by role).
const maxLines = 500
