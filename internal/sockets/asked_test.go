package sockets

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func askedServer(change func(a *Asked)) Server {
	v := tidyServer()
	v.Sockets[0].File = &File{Kind: "socket", UID: alice}
	v.Asked = &Asked{Version: "3.5a", Clipboard: "external", Passthrough: "off", LockAfter: "0", LockCommand: "lock -np"}
	change(v.Asked)
	return v
}

func TestJudgeAsked(t *testing.T) {
	for _, c := range []struct {
		name, want string
		change     func(a *Asked)
	}{
		{"as it comes", "", func(*Asked) {}},
		{"no release", "", func(a *Asked) { a.Version = "openbsd-7.5" }},
		{"reads", "S022", func(a *Asked) { a.Access = []string{"bob (R)"} }},
		{"no list", "S023 S024", func(a *Asked) { a.Version = "3.2a" }},
		{"the first with a list", "S024", func(a *Asked) { a.Version = "3.3" }},
		{"built before a release that mended it, perhaps with it", "", func(a *Asked) { a.Version = "next-3.4" }},
		{"mended", "", func(a *Asked) { a.Version = "3.4" }},
		{"old", "S023 S024 S024", func(a *Asked) { a.Version = "3.1b" }},
		{"between", "S023 S024", func(a *Asked) { a.Version = "3.1c" }},
		{"passthrough", "S025", func(a *Asked) { a.Passthrough = "all" }},
		{"passthrough of a pane", "S025", func(a *Asked) { a.Through = []string{"%3"} }},
		{"clipboard", "S026", func(a *Asked) { a.Clipboard = "on" }},
		{"a name of no matter", "", func(a *Asked) { a.Updates = []string{"LANG"} }},
		{"a token", "S027", func(a *Asked) { a.Updates = []string{"GH_TOKEN"} }},
		{"an agent", "S027", func(a *Asked) { a.Updates = []string{"GPG_AGENT_INFO"} }},
		{"all that fits", "S027", func(a *Asked) { a.Updates = []string{"*"} }},
		{"a hook", "S028", func(a *Asked) { a.Programs = []string{"hook pane-died"} }},
		{"a command", "S029", func(a *Asked) { a.Default = "bash" }},
		{"a secret", "S019", func(a *Asked) { a.Secrets = []string{"DB_PASSWORD"} }},
	} {
		if got := judged(Scan{Servers: []Server{askedServer(c.change)}}); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	writes := askedServer(func(a *Asked) { a.Access = []string{"bob (R)", "carol (W)"} })
	if f := Judge(Scan{Servers: []Server{writes}}, DefaultLimits()); len(f) != 1 || f[0].Severity != Serious {
		t.Errorf("who may write is told of as %+v", f)
	}
}

func TestStrangers(t *testing.T) {
	for _, c := range []struct{ list, owner, want string }{
		{"alice (W)\n", "alice", ""},
		{"alice (W)\nroot (W)\n", "alice", ""},
		{"bob (R)\nalice (W)\ncarol (W)\n", "alice", "bob (R), carol (W)"},
		{"dana (W)\n", "", ""}, // from a directory service
		{"bob (R)\ndana (W)\n", "", "bob (R), dana (W)"},
		{"no list\n(W)\n", "alice", ""},
		{"a (W) (R)\n", "alice", "a (W) (R)"},
	} {
		if got := strings.Join(strangers(c.list, c.owner), ", "); got != c.want {
			t.Errorf("%q of %q: %q", c.list, c.owner, got)
		}
	}
}

func TestRunsProgram(t *testing.T) {
	for commands, want := range map[string]bool{
		"display-message hello":                          false,
		"run-shell \"make\"":                             true,
		"run-shell -b make":                              true,
		"run-shell -C \"display hello\"":                 false,
		"if-shell \"test -e /x\" { display-message x }":  true,
		"if-shell -F \"#{x}\" { run-shell y }":           true,
		"if-shell -F \"#{x}\" { display-message y }":     false,
		"display-message x ; pipe-pane \"cat >/tmp/x\"":  true,
		"set-option -g @note \"about run-shellfish\"":    false,
		"display-message \"a word such as pipe-panes\"":  false,
		"if-shell -bF \"#{x}\" \"display-message y\"":    false,
		"set-hook -g pane-died \"run-shell 'rm -f /x'\"": true,
		"": false,
	} {
		if got := runsProgram(commands); got != want {
			t.Errorf("%s: %t", commands, got)
		}
	}
}

// A host and its servers are compared with a benchmark if people say which, and each
// finding has the benchmark's own id.
func TestJudgeLocks(t *testing.T) {
	root := t.TempDir()
	write := func(path, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(root+path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(root+path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	judge := func(servers ...Server) string {
		t.Helper()
		var out []string
		lim := DefaultLimits()
		lim.Locks = "rhel-9"
		s := Scan{Servers: servers, Locks: readLocks(root)}
		if found := Judge(s, DefaultLimits()); len(found) > 0 {
			t.Errorf("with no benchmark it finds %+v", found)
		}
		for _, f := range Judge(s, lim) {
			id, _, _ := strings.Cut(f.Evidence, " ")
			out = append(out, strings.TrimPrefix(f.ID, "MW-")+" "+strings.TrimPrefix(id, "RHEL-09-"))
		}
		slices.Sort(out)
		return strings.Join(out, ", ")
	}
	if got := judge(); got != "S031 412025, S032 412020, S034 412015" {
		t.Errorf("nothing is set: %s", got)
	}
	write("/etc/tmux.conf", "# set -g lock-after-time 900\nset -g lock-after-time 0\n set-option -g lock-command \"vlock\"\n#bind X lock-session\n")
	write("/etc/shells", "# tmux\n/bin/sh\n/usr/bin/tmux\n")
	write("/etc/profile.d/x.sh", "# exec tmux\nalias tmuxinator=x\n")
	if got := judge(); got != "S031 412025, S032 412020, S033 412030, S034 412015" {
		t.Errorf("set wrong: %s", got)
	}
	write("/etc/tmux.conf", "set -g lock-after-time 1000\nset -ag lock-after-time 900\nset -g lock-command vlock\nbind X lock-session\n")
	write("/etc/shells", "/bin/sh\n")
	write("/etc/profile.d/x.sh", "case \"$name\" in (sshd|login) exec tmux ;; esac\n")
	if got := judge(); got != "" {
		t.Errorf("set right: %s", got)
	}
	late := askedServer(func(*Asked) {})
	right := askedServer(func(a *Asked) { a.LockAfter, a.LockCommand, a.LockKey = "600", "vlock", true })
	notAsked := askedServer(func(*Asked) {})
	notAsked.Asked = nil
	if got := judge(late, right, notAsked); got != "S031 412025, S032 412020" {
		t.Errorf("a server that locks nothing: %s", got)
	}
}

// What a benchmark calls something is in the explanation of the finding.
func TestBenchmarksAreExplained(t *testing.T) {
	for _, b := range Benchmarks() {
		for id, cited := range map[string]string{lockLate: b.After, lockWeak: b.Command, lockShell: b.Shell, lockStarts: b.Start} {
			if r, _ := RuleByID(id); !strings.Contains(r.Why, cited) {
				t.Errorf("%s does not name %s", id, cited)
			}
		}
	}
	if _, err := BenchmarkByName("rhel"); err == nil {
		t.Error("a name that is none is known")
	}
}

func TestParseCleaner(t *testing.T) {
	for line, want := range map[string]string{
		"q /tmp 1777 root root 10d":     "/tmp 10d",
		"D! /tmp/ 1777 root root 10d":   "/tmp 10d",
		"d /run/x 0755 root root -":     "",
		"d /run/x 0755 root root":       "",
		"x /tmp/systemd-private-%b-*":   "spared /tmp/systemd-private-%b-*",
		"X /tmp/keep":                   "spared /tmp/keep",
		"# q /tmp 1777 root root 10d":   "",
		"f /tmp/x 0644 root root 10d":   "",
		"e relative 0644 root root 10d": "",
		"e /var/x - - - 1h":             "/var/x 1h",
		"":                              "",
	} {
		c, spares, ok := parseCleaner(line)
		got := ""
		switch {
		case spares:
			got = "spared " + c.path
		case ok:
			got = c.path + " " + c.age
		}
		if got != want {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
}

// Of files with one name the administrator's counts, and the nearest directory.
func TestCleaners(t *testing.T) {
	root := t.TempDir()
	for path, text := range map[string]string{
		"/usr/lib/tmpfiles.d/tmp.conf": "q /tmp 1777 root root 10d\nq /var/tmp 1777 root root 30d\n",
		"/etc/tmpfiles.d/tmp.conf":     "q /tmp 1777 root root 5d\n",
		"/run/tmpfiles.d/x.conf":       "e /tmp/deep - - - 1d\nx /tmp/kept\n",
	} {
		if err := os.MkdirAll(filepath.Dir(root+path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(root+path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	all, spared := cleaners(root)
	if len(all) != 2 || all[0] != (cleaner{"/tmp/deep", "1d", "/run/tmpfiles.d/x.conf"}) || all[1] != (cleaner{"/tmp", "5d", "/etc/tmpfiles.d/tmp.conf"}) || !slices.Equal(spared, []string{"/tmp/kept"}) {
		t.Errorf("%+v, %q", all, spared)
	}
	l := newLooker(Options{})
	l.readCleaners.Do(func() { l.cleaners, l.spared = all, spared })
	for path, want := range map[Path]string{"/tmp/a": "5d", "/tmp/deep/a": "1d", "/tmp/kept/a": "", "/var/tmp/a": ""} {
		got := l.emptied(path, process{uid: alice, apart: []string{"net"}})
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%s: %q", path, got)
		}
		if got := l.emptied(path, process{uid: alice}); got != "" {
			t.Errorf("%s of a server that the cleaner sees: %q", path, got)
		}
	}
}

// What is removed while a server runs is told of.
func TestJudgeEmptied(t *testing.T) {
	v := tidyServer()
	v.Sockets[0].Emptied = "somebody removes it"
	if got := judged(Scan{Servers: []Server{v}}); got != "S030" {
		t.Errorf("%q", got)
	}
}

// Whatever a server or a file says, what is kept of it is one line that draws nothing.
func FuzzSaid(f *testing.F) {
	for _, s := range []string{"run-shell -b \"x\"", "q /tmp 1777 root root 10d", "set -g lock-command \x1b[31m", "bind X lock-session", "(tmux)", "\xff\xfe"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, said string) {
		var l Locks
		l.conf([]byte(said))
		c, _, _ := parseCleaner(said)
		var names []string
		add(&names, said)
		_, _ = runsProgram(said), startsTmux([]byte(said))
		for _, text := range append(names, l.After, l.Command, escape(c.age), Path(c.path).String()) {
			if strings.ContainsFunc(text, func(r rune) bool { return !strconv.IsPrint(r) }) {
				t.Errorf("%q", text)
			}
		}
	})
}
