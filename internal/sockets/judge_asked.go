package sockets

import (
	"fmt"
	"strings"

	"github.com/muxward/muxward/internal/tmux"
)

// defect is a published one of tmux, by the versions that have it.
type defect struct {
	cve   string
	since tmux.Version // the first that has it
	until tmux.Version // the first that does not
	sev   Severity
	// has reports whether this server has it, by what else it says; perhaps counts as well.
	has  func(a *Asked) bool
	what string
}

// defects are those for whose id and versions there is a source, and that a version which
// is asked can have. CVE-2026-11623: oss-security of 2026-06-15 (up to 3.6a, mended in
// 3.6b, only if built with SIXEL); tmux's CHANGES have SIXEL from 3.4 on.
//
// Others are left out: CVE-2022-47016 and CVE-2018-19387 were rejected as no defects, and
// CVE-2020-27347 ends with 3.1c, and no version before 3.2 is asked.
func defects() []defect {
	v := func(major, minor int, patch byte) tmux.Version {
		return tmux.Version{Major: major, Minor: minor, Patch: patch}
	}
	return []defect{
		{"CVE-2026-11623", v(3, 4, 0), v(3, 6, 'b'), Info, func(a *Asked) bool { return a.Sixel != "0" }, "if it is built with SIXEL, what a program prints may end it"},
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
			if writes(line) {
				sev = Serious
			}
		}
		add(letsIn, sev, path, "tmux server-access -d NAME, for each; -g -d for a group", "process %d lets in %s", srv.PID, some(a.Access))
	}
	if v, err := tmux.ParseVersion(a.Version); err == nil {
		if !v.AtLeast(tmux.Version{Major: 3, Minor: 3}) {
			add(noAccessList, Info, path, "use tmux 3.3 or newer", "process %d is tmux %s", srv.PID, a.Version)
		}
		for _, d := range defects() {
			if v.AtLeast(d.since) && !v.AtLeast(d.until) && d.has(a) {
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
