package sockets

import (
	"bytes"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// Locks is what a host sets about session locks of tmux, in the files that benchmarks
// look at.
type Locks struct {
	// After is lock-after-time of /etc/tmux.conf and Command the program of lock-command;
	// empty if it does not set them. Key: a key is bound to lock-session there.
	After   string `json:"lockAfterTime,omitempty"`
	Command string `json:"lockCommand,omitempty"`
	Key     bool   `json:"lockKey,omitempty"`
	// Shells are the lines of /etc/shells that name tmux.
	Shells []Path `json:"shells,omitempty"`
	// Starts are the files by which shells start tmux.
	Starts []Path `json:"starts,omitempty"`
}

// Benchmark is a published list of settings that asked for session locks of tmux. It has
// the ids of what it asked for, and the release from which on it does not any more.
type Benchmark struct {
	Name, Title, Withdrawn       string
	After, Command, Shell, Start string
}

// lockMost is how many seconds benchmarks leave a terminal alone.
const lockMost = 900

// Benchmarks are those that are known here, by the release that was read. That the items
// were taken out is said by the change logs of those who write roles for these lists
// (ansible-lockdown, RHEL8-STIG 4.0.0 and RHEL9-STIG 1.5.0).
func Benchmarks() []Benchmark {
	return []Benchmark{
		{"rhel-8", "DISA STIG for RHEL 8, V1R9", "V2R1", "RHEL-08-020070", "RHEL-08-020040", "RHEL-08-020042", "RHEL-08-020041"},
		{"rhel-9", "DISA STIG for RHEL 9, V1R1", "V2R2", "RHEL-09-412025", "RHEL-09-412020", "RHEL-09-412030", "RHEL-09-412015"},
	}
}

// BenchmarkByName finds one.
func BenchmarkByName(name string) (Benchmark, error) {
	var names []string
	for _, b := range Benchmarks() {
		if b.Name == name {
			return b, nil
		}
		names = append(names, b.Name)
	}
	return Benchmark{}, fmt.Errorf("%q is no benchmark that is known here; take %s", name, strings.Join(names, " or "))
}

// maxConf is how much of a configuration file is read.
const maxConf = 1 << 20

// readLocks looks at the host's files below root. What is not there sets nothing.
func readLocks(root string) *Locks {
	var l Locks
	if data, err := readFile(root+"/etc/tmux.conf", maxConf); err == nil {
		l.conf(data)
	}
	if data, err := readFile(root+"/etc/shells", maxConf); err == nil {
		for line := range bytes.Lines(data) {
			if line = bytes.TrimSpace(line); bytes.Contains(line, []byte("tmux")) && line[0] != '#' {
				l.Shells = append(l.Shells, Path(line))
			}
		}
	}
	files, _ := filepath.Glob(root + "/etc/profile.d/*.sh") // the pattern is one
	for _, path := range append([]string{root + "/etc/bashrc", root + "/etc/bash.bashrc", root + "/etc/profile"}, files...) {
		if data, err := readFile(path, maxConf); err == nil && startsTmux(data) {
			l.Starts = append(l.Starts, Path(strings.TrimPrefix(path, root)))
		}
	}
	return &l
}

// conf reads what a tmux.conf sets for all. Of several the last counts, as in tmux;
// what it says under a condition, or takes from other files, is not seen.
func (l *Locks) conf(data []byte) {
	for line := range strings.Lines(string(data)) {
		for _, words := range confCommands(line) {
			l.command(words)
		}
	}
}

// command takes in one command of a tmux.conf.
func (l *Locks) command(words []string) {
	switch words[0] {
	case "bind", "bind-key":
		l.Key = l.Key || slices.Contains(words[1:], "lock-session")
	case "set", "set-option":
		global, rest := false, words[1:]
		for len(rest) > 0 && strings.HasPrefix(rest[0], "-") {
			global, rest = global || strings.Contains(rest[0], "g"), rest[1:]
		}
		if !global || len(rest) < 2 {
			return
		}
		switch rest[0] {
		case "lock-after-time":
			l.After = keep(rest[1])
		case "lock-command":
			l.Command = programOf(keep(rest[1]))
		}
	}
}

// confCommands takes a line of a tmux.conf apart: commands, and their words without
// quotes. What begins with # is said to people.
func confCommands(line string) (commands [][]string) {
	var words []string
	var word []rune
	var quote rune
	open := false // a word has begun
	endWord := func() {
		if open {
			words = append(words, string(word))
		}
		word, open = nil, false
	}
	endCommand := func() {
		if endWord(); len(words) > 0 {
			commands = append(commands, words)
		}
		words = nil
	}
	for _, r := range line {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word = append(word, r)
		case r == '"' || r == '\'':
			quote, open = r, true
		case r == '#' && !open:
			endCommand()
			return commands
		case r == ';':
			endCommand()
		case unicode.IsSpace(r):
			endWord()
		default:
			word, open = append(word, r), true
		}
	}
	endCommand()
	return commands
}

// startsTmux reports whether a shell's start file has a line that starts tmux: as the
// first word of a command, or behind exec.
func startsTmux(data []byte) bool {
	for line := range strings.Lines(string(data)) {
		if strings.HasPrefix(strings.TrimSpace(line), "#") {
			continue
		}
		for command := range strings.FieldsFuncSeq(line, func(r rune) bool { return strings.ContainsRune(";&|(){}", r) }) {
			words := strings.Fields(command)
			for len(words) > 1 && slices.Contains([]string{"exec", "then", "else", "do"}, words[0]) {
				words = words[1:]
			}
			if len(words) > 0 && filepath.Base(words[0]) == "tmux" {
				return true
			}
		}
	}
	return false
}

// soonEnough reports whether a value of lock-after-time locks as a benchmark asks for.
// Zero never does.
func soonEnough(value string) bool {
	n, err := strconv.Atoi(value)
	return err == nil && n > 0 && n <= lockMost
}

// judgeLocks compares a host and its servers with a benchmark. As the benchmark has been
// taken back, nothing of it is more than something to know.
func judgeLocks(s Scan, name string) []Finding {
	b, err := BenchmarkByName(name)
	if err != nil {
		return nil
	}
	var out []Finding
	add := func(id string, path Path, pid int, uid uint32, fix, format string, args ...any) {
		out = append(out, Finding{ID: id, Severity: Info, Path: path, PID: pid, UID: uid, Evidence: fmt.Sprintf(format, args...), Fix: fix})
	}
	of := func(id string) string { return id + " of the " + b.Title + ", withdrawn in " + b.Withdrawn + ": " }
	const conf = "/etc/tmux.conf"
	if l := s.Locks; l != nil {
		if !soonEnough(l.After) {
			add(lockLate, conf, 0, 0, "set -g lock-after-time 900 there", "%sit sets lock-after-time to %q, not to 1 to %d", of(b.After), l.After, lockMost)
		}
		if !isVlock(l.Command) && !l.Key {
			add(lockWeak, conf, 0, 0, "set -g lock-command vlock, and bind X lock-session, there", "%slock-command is %q, and no key is bound to lock-session", of(b.Command), l.Command)
		}
		for _, line := range l.Shells {
			add(lockShell, "/etc/shells", 0, 0, "take the line away", "%sit lists %s", of(b.Shell), line)
		}
		if len(l.Starts) == 0 {
			add(lockStarts, "/etc/profile.d", 0, 0, "have interactive shells start tmux", "%sno start file of shells starts tmux", of(b.Start))
		}
	}
	// It asks nothing of servers: they are told of by what it asks of the file.
	file := func(id string) string {
		return "what " + id + " of the " + b.Title + ", withdrawn in " + b.Withdrawn + ", wanted of " + conf + " is not so in "
	}
	for _, srv := range s.Servers {
		a, at := srv.Asked, askable(srv, "")
		if a == nil || at == nil {
			continue
		}
		if a.LockAfter != nil && !soonEnough(*a.LockAfter) {
			add(lockLate, at.Path, srv.PID, srv.UID, "tmux set -g lock-after-time 900", "%sprocess %d: its lock-after-time is %q", file(b.After), srv.PID, *a.LockAfter)
		}
		if a.LockCommand != nil && a.LockKey != nil && !isVlock(*a.LockCommand) && !*a.LockKey {
			add(lockWeak, at.Path, srv.PID, srv.UID, "tmux set -g lock-command vlock, and bind X lock-session", "%sprocess %d: its lock-command is %q, and no key is bound to lock-session", file(b.Command), srv.PID, *a.LockCommand)
		}
	}
	return out
}
