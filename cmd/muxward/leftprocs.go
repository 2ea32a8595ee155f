package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/tmux"
)

// leftProcess is a process of a pane.
type leftProcess struct {
	PID     int    `json:"pid"`
	Command string `json:"command"`
	// Away is set for one that has left the pane's terminal and its parents, and says by
	// its environment, which anybody can write, that it comes from there.
	Away bool `json:"away,omitempty"`
}

// mostProcesses is how many are told of one pane.
const mostProcesses = 200

// proc is a line of the process table.
type proc struct {
	pid, parent int
	tty         uint64
	name        string
	// socket and pane are what the environment says that it began with.
	socket, pane string
}

// processTable reads the processes there are. What ends meanwhile is left out.
func processTable() []proc {
	names, _ := filepath.Glob("/proc/[0-9]*/stat")
	var all []proc
	for _, name := range names {
		text, err := os.ReadFile(name)
		begin, end := bytes.IndexByte(text, '('), bytes.LastIndexByte(text, ')')
		if err != nil || begin < 0 || end < begin {
			continue
		}
		fields := strings.Fields(string(text[end+1:]))
		if len(fields) < 5 {
			continue
		}
		p := proc{name: tmux.Clean(string(text[begin+1 : end]))}
		p.pid, _ = strconv.Atoi(strings.TrimSpace(string(text[:begin])))
		p.parent, _ = strconv.Atoi(fields[1])
		p.tty, _ = strconv.ParseUint(fields[4], 10, 32)
		p.socket, p.pane = saysPane(p.pid)
		all = append(all, p)
	}
	return all
}

// ofPane gives the processes of a pane: those on its terminal, those that come from
// its first one, and those that say so.
func ofPane(all []proc, place *leftServer, pane *tmux.Pane) []leftProcess {
	var st unix.Stat_t
	var tty uint64
	if unix.Stat(pane.TTY, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFCHR {
		major, minor := unix.Major(uint64(st.Rdev)), unix.Minor(uint64(st.Rdev))
		tty = uint64(minor&0xff | major<<8 | minor&^0xff<<12) // as the table writes it
	}
	parents := make(map[int]int, len(all))
	for _, p := range all {
		parents[p.pid] = p.parent
	}
	var out []leftProcess
	for _, p := range all {
		here := tty != 0 && p.tty == tty || comesFrom(parents, p.pid, pane.PID)
		if !here && (p.pane != pane.ID.String() || p.socket != place.server.InnerDoor().Path()) {
			continue
		}
		if len(out) < mostProcesses {
			out = append(out, leftProcess{p.pid, p.name, !here})
		}
	}
	slices.SortFunc(out, func(a, b leftProcess) int { return a.PID - b.PID })
	return out
}

// comesFrom reports whether a process is another, or was begun by it or by one that was.
func comesFrom(parents map[int]int, pid, from int) bool {
	for range len(parents) + 1 { // a table that was read in pieces may have a circle
		if pid == from && from > 1 {
			return true
		}
		if pid = parents[pid]; pid <= 1 {
			return false
		}
	}
	return false
}

// saysPane gives the socket and the pane that a process's environment names. That of
// another account is not told to everybody.
func saysPane(pid int) (socket, pane string) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
	if err != nil {
		return "", ""
	}
	for word := range strings.SplitSeq(string(text), "\x00") {
		if v, ok := strings.CutPrefix(word, "TMUX="); ok {
			socket, _, _ = strings.Cut(v, ",")
		}
		if v, ok := strings.CutPrefix(word, "TMUX_PANE="); ok {
			pane = v
		}
	}
	return socket, pane
}
