package sockets

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/soak"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// oddNames are names that draw on a terminal, look like two lines, or like
// options or commands.
func oddNames() []string {
	return []string{
		"a\nMW-S001\twarning\t0", "\x1b[2J\x1b]0;owned\a", "-rf", "$(touch hit)", "`touch hit`", "; touch hit", "\xff\xfe\xfd",
		"\u202edaed", "\u009b2J", "a b", "'", `"`, `\`, "%s%n", "\r", strings.Repeat("x", 108), strings.Repeat("y", 230), strings.Repeat("z", 250), "..a", "*",
	}
}

// clean fails if a text would do more on a terminal than show lines.
func clean(t *testing.T, what, text string) {
	t.Helper()
	if !utf8.ValidString(text) {
		t.Errorf("%s is not UTF-8: %q", what, text)
	}
	for _, c := range text {
		if c != '\n' && c != '\t' && !unicode.IsPrint(c) {
			t.Errorf("%s holds %q", what, c)
			return
		}
	}
}

// form fails if what a program is to read is not whole, or says something else.
func form(t *testing.T, args []string, out string) {
	t.Helper()
	n := 0
	switch args[len(args)-1] {
	case "sarif":
		var s struct {
			Runs []struct{ Results []struct{ RuleID string } }
		}
		if err := json.Unmarshal([]byte(out), &s); err != nil || len(s.Runs) != 1 {
			t.Errorf("%v: %v", args, err)
			return
		}
		for _, r := range s.Runs[0].Results {
			if r.RuleID == "MW-S001" {
				n++
			}
		}
	case "junit":
		var s struct {
			Cases []struct {
				Class    string     `xml:"classname,attr"`
				Failures []struct{} `xml:"failure"`
			} `xml:"testcase"`
		}
		if err := xml.Unmarshal([]byte(out), &s); err != nil || len(s.Cases) == 0 {
			t.Errorf("%v: %v", args, err)
			return
		}
		n = len(s.Cases[0].Failures)
	case "prometheus":
		for line := range strings.Lines(out) {
			if !regexp.MustCompile(`^(# (HELP|TYPE) .*|muxward_[a-z_]+(\{id="MW-S\d+"\})? \d+)\n$`).MatchString(line) {
				t.Errorf("%v: %q", args, line)
			}
			_, _ = fmt.Sscanf(line, `muxward_sockets_findings{id="MW-S001"} %d`, &n)
		}
	default:
		return
	}
	if n != len(oddNames()) {
		t.Errorf("%v: %d dead sockets, want %d", args, n, len(oddNames()))
	}
}

// The attacker gives sockets names that draw on the administrator's terminal,
// forge lines of the report, or are commands to a careless script, and fills the
// directory with things that are no sockets of tmux: files, devices, FIFOs, links
// to elsewhere, sockets of other programs. The report shows every name in one
// harmless line; fix moves the dead sockets and touches nothing else. The control
// run is a script that removes whatever cannot be connected to.
func TestSK07NamesAndThings(t *testing.T) {
	things := func(z *cage, dir string) (keep []string) {
		z.must(os.WriteFile(z.base+"/precious", []byte("precious"), 0o600))
		z.must(unix.Mkfifo(dir+"/fifo", 0o666))
		z.must(unix.Mknod(dir+"/device", unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))))
		z.must(os.Symlink(z.base+"/nowhere", dir+"/dangling"))
		z.must(os.Symlink(z.base+"/precious", dir+"/link"))
		z.must(os.Mkdir(dir+"/directory", 0o755))
		z.file(dir+"/file", owner)
		z.listening(dir+"/agent.123", owner, 0o600)
		z.listening(dir+"/X0", owner, 0o777)
		for _, n := range []string{"fifo", "device", "dangling", "link", "directory", "file", "agent.123", "X0"} {
			keep = append(keep, dir+"/"+n)
		}
		return append(keep, z.base+"/precious")
	}
	t.Run("attack", func(t *testing.T) {
		z := newCage(t)
		dir := z.dir(owner, 0o700)
		keep := things(z, dir)
		for _, n := range oddNames() {
			z.socket(dir+"/"+n, owner, 0o600)
		}
		was := z.listing(z.base)
		l := z.scan(root)
		for _, n := range oddNames() {
			if got := l.found(dir + "/" + n); got != "S001" {
				t.Errorf("%q: found %q", n, got)
			}
		}
		for _, args := range [][]string{{"scan"}, {"scan", "--json"}, {"fix", "--dry-run"}, {"fix", "--dry-run", "--json"},
			{"scan", "--format", "sarif"}, {"scan", "--format", "junit"}, {"scan", "--format", "prometheus"}} {
			r := z.muxward(root, append(args, "--settle", "1ns", "--only", z.base)...)
			clean(t, fmt.Sprint(args), r.Out+r.Err)
			form(t, args, r.Out)
			if n := strings.Count("\n"+r.Out, "\nMW-S001\t"); args[0] == "scan" && len(args) == 1 && n != len(oddNames()) {
				t.Errorf("%d lines about dead sockets, want %d:\n%s", n, len(oddNames()), r.Out)
			}
		}
		r := z.fix(root)
		clean(t, "fix", r.Out+r.Err)
		now := z.listing(z.base)
		for _, p := range keep {
			if now[p] != was[p] {
				t.Errorf("%s was %q and is %q", p, was[p], now[p])
			}
		}
		moved, _ := filepath.Glob(dir + "/.muxward-quarantine/*")
		if want := len(oddNames()) - 1; len(moved) != want { // 250 bytes have no room for a suffix
			t.Errorf("%d sockets were moved away, want %d", len(moved), want)
		}
		if log, err := os.ReadFile(z.state(root) + "/sockets.jsonl"); err != nil {
			t.Error(err)
		} else {
			clean(t, "the journal", string(log))
		}
	})
	t.Run("control", func(t *testing.T) {
		z := newCage(t)
		dir := z.dir(owner, 0o700)
		lost := 0
		for _, p := range things(z, dir) {
			if !connects(p) && os.Remove(p) == nil {
				lost++
			}
		}
		if lost < 5 {
			t.Errorf("the script removes %d things: this is no test", lost)
		}
	})
}

// The attacker makes more sockets than anybody wants to read of, and directories
// in directories without an end. What is looked at is bounded, and said.
func TestSK07TooMuch(t *testing.T) {
	t.Parallel()
	z := newCage(t)
	dir := z.dir(owner, 0o700)
	alice, n := tmuxtest.As(t, owner), soak.N(100_000, 21_000)
	for i := range n {
		if i < 500 {
			z.socket(fmt.Sprintf("%s/s%d", dir, i), owner, 0o600)
			continue
		}
		z.must(os.Symlink("nowhere", fmt.Sprintf("%s/l%d", dir, i)))
		z.must(os.Lchown(fmt.Sprintf("%s/l%d", dir, i), int(alice.UID), int(alice.GID)))
	}
	bob := tmuxtest.As(t, viewer)
	at, err := unix.Open(z.dir(viewer, 0o700), unix.O_PATH|unix.O_CLOEXEC, 0)
	z.must(err)
	for range 1000 {
		z.must(unix.Mkdirat(at, "d", 0o755))
		z.must(unix.Fchownat(at, "d", int(bob.UID), int(bob.GID), 0))
		next, err := unix.Openat(at, "d", unix.O_PATH|unix.O_CLOEXEC, 0)
		z.must(err)
		z.must(unix.Close(at))
		at = next
	}
	z.must(unix.Close(at))
	r := z.muxward(root, "scan", "--json", "--fail-on", "serious", "--settle", "1ns", "--only", z.base)
	var l looked
	z.must(json.Unmarshal([]byte(r.Out), &l))
	if l.Complete || len(l.Scan.Skipped) != 1 || string(l.Scan.Skipped[0].Path) != dir {
		t.Errorf("of %d things it says %v, %+v", n, l.Complete, l.Scan.Skipped)
	}
	if r.Code != 3 {
		t.Errorf("exit %d, want 3: %s", r.Code, r.Err)
	}
}
