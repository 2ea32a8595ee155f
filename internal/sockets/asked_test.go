package sockets

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux"
)

func askedServer(change func(a *Asked)) Server {
	v := tidyServer()
	v.Sockets[0].File = &File{Kind: "socket", UID: alice}
	after, command, key := "0", "lock", false
	v.Asked = &Asked{Version: "3.6b", Clipboard: "external", Passthrough: "off", LockAfter: &after, LockCommand: &command, LockKey: &key}
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
		{"no list", "S023", func(a *Asked) { a.Version = "3.2a" }},
		{"the first with a list", "", func(a *Asked) { a.Version = "3.3" }},
		{"the last without images", "", func(a *Asked) { a.Version = "3.3a" }},
		{"a defect, if it has images", "S024", func(a *Asked) { a.Version = "3.4" }},
		{"the last with it", "S024", func(a *Asked) { a.Version = "3.6a" }},
		{"it says that it has images", "S024", func(a *Asked) { a.Version, a.Sixel = "3.6a", "1" }},
		{"it says that it has none", "", func(a *Asked) { a.Version, a.Sixel = "3.6a", "0" }},
		{"mended, with images", "", func(a *Asked) { a.Sixel = "1" }},
		{"newer", "", func(a *Asked) { a.Version, a.Sixel = "3.7c", "1" }},
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
	for line, want := range map[string]Severity{"carol (R)": Warning, "carol (W)": Serious, "carol (U,R)": Warning, "carol (U,W)": Serious, "devs (G,W)": Serious} {
		s := askedServer(func(a *Asked) { a.Access = []string{"bob (R)", line} })
		if f := Judge(Scan{Servers: []Server{s}}, DefaultLimits()); len(f) != 1 || f[0].Severity != want {
			t.Errorf("%s is told of as %+v", line, f)
		}
	}
}

// A defect is told of only where its versions are those of servers that are asked, and
// nothing that was taken back is.
func TestDefects(t *testing.T) {
	for _, d := range defects() {
		if d.cve == "CVE-2022-47016" || d.cve == "CVE-2018-19387" {
			t.Errorf("%s was rejected", d.cve)
		}
		if d.until.Compare(d.since) <= 0 || !d.until.AtLeast(tmux.Version{Major: 3, Minor: 2}) {
			t.Errorf("%s, from %s until %s, can never be told of", d.cve, d.since, d.until)
		}
	}
}

// The owner is who the server itself takes for it, wherever its accounts come from. A
// list that is not understood is no list without strangers.
func TestStrangers(t *testing.T) {
	for _, c := range []struct {
		list, owner, want string
		root, ok          bool
	}{
		{"alice (W)\n", "alice", "", false, true},
		{"alice (W)\nroot (W)\n", "alice", "", false, true},
		{"bob (R)\nalice (W)\ncarol (W)\n", "alice", "bob (R), carol (W)", false, true},
		{"bob (R)\ndana (W)\n", "dana", "bob (R)", false, true}, // from a directory service
		{"dana@corp (W)\n", "dana@corp", "", false, true},
		{"domain user (W)\n", "domain user", "", false, true},
		{"unknown (W)\n", "", "", false, true},
		{"unknown (W)\nunknown (R)\n", "", "unknown (R)", false, true},
		{"alice (W)\nunknown (R)\n", "alice", "unknown (R)", false, true},
		{"bob (R)\n", "root", "bob (R)", true, true},
		{"", "root", "", true, true},
		// From 3.8 on.
		{"alice (U,W)\nbob (U,R)\nalice (G,W)\n", "alice", "bob (U,R), alice (G,W)", false, true},
		// Not understood.
		{"bob (R)\ndana (W)\n", "", "", false, false},
		{"bob (R)\n", "alice", "", false, false},
		{"", "alice", "", false, false},
		{"alice (W)\nbob [read]\n", "alice", "", false, false},
		{"alice (W)\nbob (U,RW)\n", "alice", "", false, false},
		{"alice (W)\n(W)\n", "alice", "", false, false},
	} {
		got, ok := strangers(c.list, c.owner, c.root)
		if text := strings.Join(got, ", "); text != c.want || ok != c.ok {
			t.Errorf("%q of %q: %q, %t", c.list, c.owner, text, ok)
		}
	}
}

// Only what is certainly the name of a variable is taken for one: no part of a value is.
func TestSetNames(t *testing.T) {
	for _, c := range []struct {
		text, want string
		ok         bool
	}{
		{"", "", true},
		{"A=\"x\"; export A;\nB=\"y z\"; export B;\n", "A B", true},
		{"A=\"\"; export A;\nunset C;\nB=\"y\"; export B;\n", "B", true},
		{"DB_PASSWORD=\"hunter2\nSECRET=x9\"; export DB_PASSWORD;\nZ=\"1\"; export Z;\n", "DB_PASSWORD Z", true},
		{"A=\"x\\\"; export A;\nSECRET=\\\"y\\\"; export SECRET;\n\"; export A;\n", "A", true},
		{"A=\"x\\\\\"; export A;\n", "A", true},
		{"odd name=\"x\"; export odd name;\nA=\"x\"; export A;\n", "A", true},
		{"unset A=\"x\nSECRET=\"y\"; export SECRET;\n", "", false},
		{"A=\"x\"; export B;\nC=\"x\"; export C;\n", "", false},
		{"A=\"x\nSECRET=y\n", "", false},
		{"A=x\nSECRET=y\n", "", false},
	} {
		names, ok := setNames(c.text)
		if got := strings.Join(names, " "); got != c.want || ok != c.ok {
			t.Errorf("%q: %q, %t", c.text, got, ok)
		}
	}
}

// Of a command its program is shown and nothing that may be a secret.
func TestProgramOf(t *testing.T) {
	for command, want := range map[string]string{
		"": "", "vlock": "vlock", "/usr/bin/vlock -a": "/usr/bin/vlock", " lock -np": "lock",
		"TOKEN=hunter2 ssh host": notShown, "'hunter2 x' y": notShown, "$(hunter2)": notShown, "a\thunter2": notShown,
	} {
		if got := programOf(command); got != want {
			t.Errorf("%q: %q", command, got)
		}
	}
}

// Who asks has only the rights of the account that is asked. What is not as it promises
// is not shown: an answer that draws, or one without end.
func TestFit(t *testing.T) {
	if a := askedServer(func(*Asked) {}).Asked; !a.fit() {
		t.Error("a plain answer is refused")
	}
	longest := strings.Repeat("\U0010ffff", maxText)
	if a := (Asked{Version: keep(longest), Access: []string{keep(strings.Repeat("\xff", maxText))}}); !a.fit() {
		t.Error("the longest that is kept is refused")
	}
	many := make([]string, maxKept+1)
	for name, change := range map[string]func(a *Asked){
		"an escape sequence":  func(a *Asked) { a.Version = "3.5\x1b[2J" },
		"one of eight bits":   func(a *Asked) { a.Default = "\u009b2J" },
		"a second line":       func(a *Asked) { a.Secrets = []string{"A\nMW-S001"} },
		"in a lock's command": func(a *Asked) { *a.LockCommand = "\x1b" },
		"in a lock's time":    func(a *Asked) { *a.LockAfter = "\x1b" },
		"no end":              func(a *Asked) { a.Clipboard = strings.Repeat("x", maxShown+1) },
		"too many names":      func(a *Asked) { a.Access = many },
		"too many commands":   func(a *Asked) { a.Hidden = many },
		"in each list":        func(a *Asked) { a.Unclear = []string{"\x7f"} },
	} {
		if askedServer(change).Asked.fit() {
			t.Errorf("%s is fit to be shown", name)
		}
	}
}

func TestRunsProgram(t *testing.T) {
	for commands, want := range map[string]bool{
		"display-message hello":                          false,
		"run-shell \"make\"":                             true,
		"run-shell -b make":                              true,
		"run-shell -C \"display hello\"":                 false,
		"run-shell -t %1 -C \"display hello\"":           false,
		"run-shell -d 5 make -C /x":                      true,
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

func TestHasJob(t *testing.T) {
	for format, want := range map[string]bool{"#(date)": true, "x #{y} #(z)": true, "##(date)": false, "###(date)": true, "#{x}(y)": false, "": false} {
		if got := hasJob(format); got != want {
			t.Errorf("%s: %t", format, got)
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
			of, _, _ := strings.Cut(f.Evidence, " of the DISA STIG for RHEL 9, V1R1, withdrawn in V2R2")
			out = append(out, strings.TrimPrefix(f.ID, "MW-")+" "+strings.Replace(of, "RHEL-09-", "", 1))
			if f.Severity != Info {
				t.Errorf("what was withdrawn is a %s", f.Severity)
			}
		}
		slices.Sort(out)
		return strings.Join(out, ", ")
	}
	if got := judge(); got != "S031 412025, S032 412020, S034 412015" {
		t.Errorf("nothing is set: %s", got)
	}
	write("/etc/tmux.conf", "# set -g lock-after-time 900\nset -g lock-after-time 0\n set-option -g lock-command \"lock\"\n#bind X lock-session\n")
	write("/etc/shells", "# tmux\n/bin/sh\n/usr/bin/tmux\n")
	write("/etc/profile.d/x.sh", "# exec tmux\nalias t=tmux\ncommand -v tmux >/dev/null\n[ -x /usr/bin/tmux ] && echo tmux\n")
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
	right := askedServer(func(a *Asked) { *a.LockAfter, *a.LockCommand = "600", "/usr/bin/vlock" })
	notAsked := askedServer(func(*Asked) {})
	notAsked.Asked = nil
	// No release that is known, or aliases hide what would be asked.
	asked := askedServer(func(a *Asked) { *a = Asked{Version: "openbsd-7.5"} })
	hidden := askedServer(func(a *Asked) { a.LockKey = nil; *a.LockAfter = "600" })
	if got := judge(right, notAsked, asked, hidden); got != "" {
		t.Errorf("servers that are right or were not asked: %s", got)
	}
	if got := judge(late, right, notAsked); got != "S031 what 412025, S032 what 412020" {
		t.Errorf("a server that locks nothing: %s", got)
	}
}

// What a tmux.conf sets is seen however it is written.
func TestLocksConf(t *testing.T) {
	for conf, want := range map[string]string{
		"set -g lock-after-time 900 # STIG":                    "900",
		"set -g -q lock-after-time 900":                        "900",
		"set -qg lock-after-time 900; set -g status off":       "900",
		"set-option -g 'lock-after-time' \"900\"":              "900",
		"set -g status off ; set -g lock-after-time 900":       "900",
		"set lock-after-time 900":                              "",
		"# set -g lock-after-time 900":                         "",
		"set -g status-right '#S' ; set -g lock-after-time 90": "90",
	} {
		var l Locks
		if l.conf([]byte(conf + "\n")); l.After != want {
			t.Errorf("%s: %q", conf, l.After)
		}
	}
	for _, conf := range []string{"set -g lock-command vlock # x", "set -g lock-command \"vlock -a\"", "set -g lock-command /usr/bin/vlock"} {
		var l Locks
		if l.conf([]byte(conf)); !isVlock(l.Command) {
			t.Errorf("%s: %q", conf, l.Command)
		}
	}
}

func TestStartsTmux(t *testing.T) {
	for line, want := range map[string]bool{
		"exec tmux": true, "tmux": true, "[ \"$PS1\" ] && exec tmux": true, "case $n in (sshd|login) exec /usr/bin/tmux ;; esac": true,
		"if x; then tmux; fi": true, "alias t=tmux": false, "command -v tmux": false, "[ -x /usr/bin/tmux ]": false, "export TMUX=tmux": false, "# tmux": false,
	} {
		if got := startsTmux([]byte(line)); got != want {
			t.Errorf("%s: %t", line, got)
		}
	}
}

// What a benchmark calls something is in the explanation of the finding.
func TestBenchmarksAreExplained(t *testing.T) {
	for _, b := range Benchmarks() {
		for id, cited := range map[string]string{lockLate: b.After, lockWeak: b.Command, lockShell: b.Shell, lockStarts: b.Start} {
			if r, _ := RuleByID(id); !strings.Contains(r.Why, cited) || !strings.Contains(r.Why, b.Withdrawn) {
				t.Errorf("%s does not name %s, or that it was withdrawn in %s", id, cited, b.Withdrawn)
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
		"x /tmp/systemd-private-%b-*":   "spared /tmp/systemd-private-*-*",
		"x %T/tmux-%U/100%%":            "spared /tmp/tmux-0/100%",
		"e %V/x - - - 1h":               "/var/tmp/x 1h",
		"e /tmp/%H - - - 1h":            "",
		"e %H/tmp - - - 1h":             "",
		"e /tmp/% - - - 1h":             "/tmp/% 1h",
		"X /tmp/keep":                   "spared /tmp/keep alone",
		"# q /tmp 1777 root root 10d":   "",
		"f /tmp/x 0644 root root 10d":   "",
		"e relative 0644 root root 10d": "",
		"e /var/x - - - 1h":             "/var/x 1h",
		"":                              "",
	} {
		c, x, ok := parseCleaner(line)
		got := ""
		switch {
		case x.pattern != "":
			if got = "spared " + x.pattern; !x.below {
				got += " alone"
			}
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
		"/run/tmpfiles.d/x.conf":       "e /tmp/deep - - - 1d\nx /tmp/kept\nx /tmp/tmux-*\nX /tmp/only\nX /tmp/s-*\n",
		"/run/tmpfiles.d/a.conf":       "e /tmp/deep - - - 2d\n",
		"/run/tmpfiles.d/z.conf":       "e /tmp/deep - - - 3d\n",
	} {
		if err := os.MkdirAll(filepath.Dir(root+path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(root+path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	all, spared := cleaners(root)
	deep := []cleaner{{"/tmp/deep", "2d", "/run/tmpfiles.d/a.conf"}, {"/tmp/deep", "1d", "/run/tmpfiles.d/x.conf"}, {"/tmp/deep", "3d", "/run/tmpfiles.d/z.conf"}}
	if !slices.Equal(all, append(deep, cleaner{"/tmp", "5d", "/etc/tmpfiles.d/tmp.conf"})) || len(spared) != 4 {
		t.Errorf("%+v, %+v", all, spared)
	}
	l := newLooker(Options{})
	l.readCleaners.Do(func() { l.cleaners, l.spared = all, spared })
	for path, want := range map[Path]string{"/tmp/a": "5d", "/tmp/deep/a": "2d", "/tmp/kept/a": "", "/var/tmp/a": "",
		"/tmp/tmux-1000/default": "", "/tmp/tmuxes": "5d", "/tmp/only/a": "5d", "/tmp/only": "", "/tmp/s-1": "", "/tmp/s-1/a": "5d"} {
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
		_, _ = setNames(said)
		_, _ = strangers(said, said, false)
		for _, text := range append(names, l.After, l.Command, escape(c.age), Path(c.path).String()) {
			if strings.ContainsFunc(text, func(r rune) bool { return !strconv.IsPrint(r) }) {
				t.Errorf("%q", text)
			}
		}
	})
}

// A server is asked where people look, also if it listens elsewhere, too.
func TestAskable(t *testing.T) {
	v := tidyServer()
	v.Sockets = []Bound{{Path: "/elsewhere/s", Place: Here, File: &File{}}, {Path: "/tmp/here/s", Place: Here, File: &File{}}}
	for only, want := range map[string]Path{"": "/elsewhere/s", "/tmp/": "/tmp/here/s", "/tmp/here/s": "/tmp/here/s", "/tmp/he": "", "/home": ""} {
		got := Path("")
		if at := askable(v, only); at != nil {
			got = at.Path
		}
		if got != want {
			t.Errorf("%q: %q, want %q", only, got, want)
		}
	}
}
