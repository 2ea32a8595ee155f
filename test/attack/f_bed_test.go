package attack

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/attach/attachtest"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// bed is a muxward on which something breaks. The owner's session shared has
// recorders in its panes, which the typist may type into the first of; the
// session other is for people who must not notice anything.
type bed struct {
	*host.Host
	t         *testing.T
	rec, side *tmuxtest.Recorder
	server    host.Server
	pids      string // of server and panes
	// revocation is one that was started by the test.
	revocation *tmuxtest.Terminal
	// reached tells whether somebody has come by the failpoint that was set last.
	reached func() bool
	// clients are those whose service is to fail.
	clients []*tmuxtest.Terminal
	// byLines are those of them in control mode.
	byLines []*tmuxtest.Terminal
}

const bedGrants = standardGrants + `  - {who: mwbob, role: viewer, on: mwalice/other, reason: watches}
  - {who: root, role: suggester, on: mwalice/shared, reason: suggests}
`

// lay starts one. The policy is the standard one unless cfg has another.
func lay(t *testing.T, cfg host.Config) *bed {
	t.Helper()
	if cfg.Policy == nil {
		cfg.Policy = map[string]string{}
	}
	for name, text := range map[string]string{"people.yaml": standardPeople, "grants.yaml": bedGrants} {
		if cfg.Policy[name] == "" {
			cfg.Policy[name] = text
		}
	}
	b := &bed{t: t, Host: host.Start(t, cfg)}
	b.furnish()
	return b
}

// furnish makes the owner's sessions.
func (b *bed) furnish() {
	b.t.Helper()
	b.rec, b.side = tmuxtest.NewRecorder(b.t), tmuxtest.NewRecorder(b.t)
	b.Must(owner, "new-session", "-d", "-x", "80", "-y", "24", "-s", "shared", "-n", "work", b.rec.Command())
	b.Must(owner, "split-window", "-d", "-t", "shared", b.side.Command())
	b.Must(owner, "new-session", "-d", "-s", "other", "-n", "calm", "cat")
	b.server = b.Server(owner)
	b.rec.WaitReady()
	b.side.WaitReady()
	b.pids = b.alivePIDs()
}

// alivePIDs lists the processes of the owner's server, asked past muxward.
func (b *bed) alivePIDs() string {
	b.t.Helper()
	return b.server.Run("list-panes", "-a", "-F", "#{pid} #{session_id} #{window_id} #{pane_id} #{pane_pid}")
}

// kept fails unless the owner's server and all its panes are the same
// processes as at first.
func (b *bed) kept() {
	b.t.Helper()
	if now := b.alivePIDs(); now != b.pids {
		b.t.Errorf("kept: at first\n%s\nnow\n%s", b.pids, now)
	}
}

// resting takes muxward's measure; what it gives fails unless muxward is back there.
func (b *bed) resting() (calm func()) {
	b.t.Helper()
	w := &world{Host: b.Host, t: b.t}
	w.settle()
	return func() {
		b.t.Helper()
		w.base.again(w)
	}
}

// typed waits until keys, sent to the typist's pane by who, have arrived.
func (b *bed) typed(who, keys string) {
	b.t.Helper()
	target := "mwalice/shared:0.0"
	if who == owner {
		target = "shared:0.0"
	}
	b.Must(who, "send-keys", "-t", target, "-l", keys)
	b.arrived(keys)
}

// arrived waits until the recorder has got keys.
func (b *bed) arrived(keys string) {
	b.t.Helper()
	tmuxtest.Eventually(b.t, func() bool { return strings.Contains(string(b.rec.Bytes()), keys) },
		"%q arrives in the pane, which got %q; muxward says:\n%s", keys, clip(b.rec.Bytes()), b.Output())
}

// red lists what status calls wrong; ok is whether it answered at all.
func (b *bed) red() (list []string, ok bool) {
	b.t.Helper()
	var s struct {
		PID int
		Red []string
	}
	r := b.Muxward(root, "status", "--json")
	_ = json.NewDecoder(strings.NewReader(r.Out)).Decode(&s) // PID is 0 then
	return s.Red, s.PID != 0
}

// turnsRed waits until status says text; turnsGreen until nothing is wrong.
func (b *bed) turnsRed(text string) {
	b.t.Helper()
	var list []string
	tmuxtest.Eventually(b.t, func() bool {
		list, _ = b.red()
		return slices.ContainsFunc(list, func(s string) bool { return strings.Contains(s, text) })
	}, "status is red and says %q", text)
}

func (b *bed) turnsGreen() {
	b.t.Helper()
	tmuxtest.Eventually(b.t, func() bool {
		list, ok := b.red()
		return ok && len(list) == 0
	}, "status is green again; muxward says:\n%s", b.Output())
}

// alarmed waits for an alarm in the log.
func (b *bed) alarmed(text string) {
	b.t.Helper()
	tmuxtest.Eventually(b.t, func() bool { return b.logs("alarm", text) > 0 }, "the log has an alarm %q", text)
}

// logs counts the events of a kind whose note or reason holds text.
func (b *bed) logs(kind, text string) int {
	b.t.Helper()
	n := 0
	for _, e := range b.Audit() {
		if e.Kind == kind && (strings.Contains(e.Note, text) || strings.Contains(e.Reason, text)) {
			n++
		}
	}
	return n
}

// sane fails unless a terminal is as a shell left it, in all its modes and in
// all that a display can have changed.
func sane(t *testing.T, x *tmuxtest.Terminal) {
	t.Helper()
	var left []string
	ok := soon(func() bool {
		left = insane(x)
		return len(left) == 0
	})
	if !ok {
		t.Errorf("the terminal is left with %v", left)
	}
}

// insane lists what a terminal still has on, and which of its own modes are
// not what they were.
func insane(x *tmuxtest.Terminal) []string {
	left := attachtest.Emulate(x.Bytes()).Left()
	if x.Termios() != x.First() {
		left = append(left, "raw mode")
	}
	return left
}

// pause waits a moment that belongs to the fault itself, such as how long a
// process is stopped; nothing is concluded from its length.
func pause(d time.Duration) { <-time.After(d) }

// childOf finds a child process of muxward by a word of its command line.
func childOf(t *testing.T, pid int, word string) int {
	t.Helper()
	found := 0
	tmuxtest.Eventually(t, func() bool {
		dirs, _ := filepath.Glob("/proc/[0-9]*")
		for _, dir := range dirs {
			stat, err := os.ReadFile(dir + "/status")
			if err != nil || field(stat, "PPid:") != pid {
				continue
			}
			cmd, _ := os.ReadFile(dir + "/cmdline")
			if strings.Contains(string(cmd), word) {
				found = field(stat, "Pid:")
				return true
			}
		}
		return false
	}, "muxward has a child %q", word)
	return found
}

func signal(t *testing.T, pid int, sig syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(pid, sig); err != nil {
		t.Fatalf("signal %v to %d: %v", sig, pid, err)
	}
}

// mounted gives a directory on a small file system of its own.
func mounted(t *testing.T, options string) string {
	t.Helper()
	tmuxtest.As(t, owner) // skips where there is no mount namespace
	dir := tmuxtest.Dir(t, tmuxtest.Account{}) + "/m"
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("muxward-test", dir, "tmpfs", 0, options); err != nil {
		t.Fatalf("mount a tmpfs with %s: %v", options, err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	return dir
}

// shownByPackage is for rows whose fault is injected below the whole program:
// it fails if the tests that show them have gone. Each caller names what was
// changed to see them fail.
func shownByPackage(t *testing.T, tests ...string) {
	t.Helper()
	for _, name := range tests {
		pkg, test, _ := strings.Cut(name, ".")
		files, err := filepath.Glob("../../internal/" + pkg + "/*_test.go")
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(files, func(f string) bool {
			text, err := os.ReadFile(f)
			return err == nil && strings.Contains(string(text), "\nfunc "+test+"(")
		}) {
			t.Errorf("internal/%s has no %s any more: this row is not shown", pkg, test)
		}
	}
}
