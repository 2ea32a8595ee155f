package sockets

import (
	"fmt"
	"strings"

	"github.com/muxward/muxward/internal/tmux"
)

// defect is a published one of tmux, by the versions that have it.
type defect struct {
	cve   string
	since tmux.Version // the first that has it; zero is every one before
	until tmux.Version // the first that does not
	sev   Severity
	what  string
}

// defects are those whose versions somebody publishes. The sources are the entries of
// the National Vulnerability Database; for the end of CVE-2022-47016, Gentoo's GLSA
// 202409-27. Versions that muxward's tests run against: 3.2a, 3.3a, 3.4, 3.5a, 3.6b, 3.7c.
func defects() []defect {
	v := func(major, minor int, patch byte) tmux.Version {
		return tmux.Version{Major: major, Minor: minor, Patch: patch}
	}
	return []defect{
		{"CVE-2018-19387", v(2, 7, 0), v(2, 9, 0), Info, "it may end when memory is short"},
		{"CVE-2020-27347", tmux.Version{}, v(3, 1, 'c'), Warning, "what a program prints overwrites the server's memory"},
		{"CVE-2022-47016", tmux.Version{}, v(3, 4, 0), Info, "it may end when memory is short"},
	}
}

// some gives the first of many names.
func some(names []string) string {
	text := strings.Join(names[:min(8, len(names))], ", ")
	if n := len(names) - 8; n > 0 {
		text += fmt.Sprintf(" and %d more", n)
	}
	return text
}

// judgeAsked says what is wrong with what a server says of itself.
func judgeAsked(srv Server, path Path, add func(id string, sev Severity, path Path, fix, format string, args ...any) *Finding) {
	a := srv.Asked
	if len(a.Access) > 0 {
		sev := Warning
		for _, line := range a.Access {
			if strings.HasSuffix(line, "(W)") {
				sev = Serious
			}
		}
		add(letsIn, sev, path, "tmux server-access -d NAME, for each", "process %d lets in %s", srv.PID, some(a.Access))
	}
	if v, err := tmux.ParseVersion(a.Version); err == nil {
		if !v.AtLeast(tmux.Version{Major: 3, Minor: 3}) {
			add(noAccessList, Info, path, "use tmux 3.3 or newer", "process %d is tmux %s", srv.PID, a.Version)
		}
		for _, d := range defects() {
			if v.AtLeast(d.since) && !v.AtLeast(d.until) {
				add(knownDefects, d.sev, path, "upgrade tmux, and restart the server when its sessions can end", "process %d is tmux %s: %s, by its version: %s", srv.PID, a.Version, d.cve, d.what)
			}
		}
	}
	if isOn(a.Passthrough) || len(a.Through) > 0 {
		where := "for all panes"
		if !isOn(a.Passthrough) {
			where = "in " + some(a.Through)
		}
		add(passesThrough, Info, path, "tmux set -g allow-passthrough off", "process %d has allow-passthrough on %s", srv.PID, where)
	}
	if a.Clipboard == "on" {
		add(clipboardOpen, Info, path, "tmux set -s set-clipboard external", "process %d has set-clipboard on", srv.PID)
	}
	var taken []string
	for _, name := range a.Updates {
		if looksSecret(name) || strings.Contains(strings.ToUpper(name), "AGENT") || strings.ContainsAny(name, "*?") {
			taken = append(taken, name)
		}
	}
	if len(taken) > 0 {
		add(takesOver, Info, path, "take them from update-environment", "update-environment of process %d has %s", srv.PID, some(taken))
	}
	if len(a.Programs) > 0 {
		add(runsPrograms, Info, path, "look at each", "process %d: %s", srv.PID, some(a.Programs))
	}
	if a.Default != "" {
		add(otherShell, Info, path, "tmux set -gu default-command, if that is not wanted", "process %d has default-command %s", srv.PID, a.Default)
	}
	if len(a.Secrets) > 0 {
		add(secretsInside, Info, path, "tmux set-environment -gu NAME, for each", "the global environment of process %d has %s", srv.PID, some(a.Secrets))
	}
}
