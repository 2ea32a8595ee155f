package sockets

import (
	"bytes"
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// Locks is what a host sets about session locks of tmux, in the files that benchmarks
// look at.
type Locks struct {
	// After and Command are lock-after-time and lock-command of /etc/tmux.conf; empty
	// if it does not set them. Key: a key is bound to lock-session there.
	After   string `json:"lockAfterTime,omitempty"`
	Command string `json:"lockCommand,omitempty"`
	Key     bool   `json:"lockKey,omitempty"`
	// Shells are the lines of /etc/shells that name tmux.
	Shells []Path `json:"shells,omitempty"`
	// Starts are the files by which shells start tmux.
	Starts []Path `json:"starts,omitempty"`
}

// Benchmark is a published list of settings that asks for session locks of tmux. It has
// the ids of what it asks for.
type Benchmark struct {
	Name, Title                  string
	After, Command, Shell, Start string
}

// lockMost is how many seconds benchmarks leave a terminal alone.
const lockMost = 900

// Benchmarks are those that are known here, by the release that was read.
func Benchmarks() []Benchmark {
	return []Benchmark{
		{"rhel-8", "DISA STIG for RHEL 8, V1R9", "RHEL-08-020070", "RHEL-08-020040", "RHEL-08-020042", "RHEL-08-020041"},
		{"rhel-9", "DISA STIG for RHEL 9, V1R1", "RHEL-09-412025", "RHEL-09-412020", "RHEL-09-412030", "RHEL-09-412015"},
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
	set := regexp.MustCompile(`^\s*set(?:-option)?\s+-[a-z]*g[a-z]*\s+(lock-after-time|lock-command)\s+(.*)$`)
	bind := regexp.MustCompile(`^\s*bind(?:-key)?\s+.*\block-session\b`)
	for line := range bytes.Lines(data) {
		line = bytes.TrimSpace(line)
		if bind.Match(line) {
			l.Key = true
		}
		m := set.FindSubmatch(line)
		if m == nil {
			continue
		}
		value := keep(strings.Trim(strings.TrimSpace(string(m[2])), `"'`))
		if string(m[1]) == "lock-command" {
			l.Command = value
		} else {
			l.After = value
		}
	}
}

// startsTmux reports whether a shell's start file has a line that starts tmux.
func startsTmux(data []byte) bool {
	for line := range bytes.Lines(data) {
		line = bytes.TrimSpace(line)
		if bytes.HasPrefix(line, []byte("#")) {
			continue
		}
		for _, word := range bytes.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(" \t;&|()", r) }) {
			if filepath.Base(string(word)) == "tmux" {
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

// judgeLocks compares a host and its servers with a benchmark.
func judgeLocks(s Scan, name string) []Finding {
	b, err := BenchmarkByName(name)
	if err != nil {
		return nil
	}
	var out []Finding
	add := func(id string, sev Severity, path Path, pid int, uid uint32, fix, format string, args ...any) {
		out = append(out, Finding{ID: id, Severity: sev, Path: path, PID: pid, UID: uid, Evidence: fmt.Sprintf(format, args...), Fix: fix})
	}
	of := func(id string) string { return id + " of the " + b.Title + ": " }
	const conf = "/etc/tmux.conf"
	if l := s.Locks; l != nil {
		if !soonEnough(l.After) {
			add(lockLate, Warning, conf, 0, 0, "set -g lock-after-time 900 there", "%sit sets lock-after-time to %q, not to 1 to %d", of(b.After), l.After, lockMost)
		}
		if l.Command != "vlock" || !l.Key {
			add(lockWeak, Warning, conf, 0, 0, "set -g lock-command vlock, and bind X lock-session, there", "%slock-command is %q, and a key for lock-session: %t", of(b.Command), l.Command, l.Key)
		}
		for _, line := range l.Shells {
			add(lockShell, Info, "/etc/shells", 0, 0, "take the line away", "%sit lists %s", of(b.Shell), line)
		}
		if len(l.Starts) == 0 {
			add(lockStarts, Warning, "/etc/profile.d", 0, 0, "have interactive shells start tmux", "%sno start file of shells starts tmux", of(b.Start))
		}
	}
	for _, srv := range s.Servers {
		at := askable(srv)
		if srv.Asked == nil || at == nil || srv.Asked.Version == "" {
			continue
		}
		if a := srv.Asked; !soonEnough(a.LockAfter) {
			add(lockLate, Warning, at.Path, srv.PID, srv.UID, "tmux set -g lock-after-time 900", "%sprocess %d has lock-after-time %q", of(b.After), srv.PID, a.LockAfter)
		}
		if a := srv.Asked; a.LockCommand != "vlock" || !a.LockKey {
			add(lockWeak, Warning, at.Path, srv.PID, srv.UID, "tmux set -g lock-command vlock, and bind X lock-session", "%sprocess %d has lock-command %q, and a key for lock-session: %t", of(b.Command), srv.PID, a.LockCommand, a.LockKey)
		}
	}
	return out
}
