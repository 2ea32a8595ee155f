package pam

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/procfs"
)

// maxRounds bounds how often it is looked for what a login has started: what it goes on
// to start meanwhile is found the next time.
const maxRounds = 20

// sweep kills what a process has started, which is stopped, or has ended. As long as it
// lives, what loses its parent below it becomes its own child (PR_SET_CHILD_SUBREAPER),
// so all of that is found. Once it has ended, only what has stayed in its session is.
func sweep(pid int, ended bool) {
	if !ended && childless(pid) {
		return
	}
	for range maxRounds {
		found := started(pid)
		if len(found) == 0 {
			return
		}
		for _, p := range found {
			_ = unix.Kill(p, unix.SIGKILL) // it may have gone, or be somebody's whom we cannot kill
		}
	}
}

// childless reports whether a process is known to have no children: mostly so, and then
// nothing else has to be looked at.
func childless(pid int) bool {
	lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil || len(lists) == 0 {
		return false
	}
	for _, l := range lists {
		data, err := os.ReadFile(l)
		if err != nil || len(bytes.TrimSpace(data)) > 0 {
			return false
		}
	}
	return true
}

// started gives the living processes below a process, or in its session.
func started(pid int) (out []int) {
	all := map[int]procfs.Stat{}
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, d := range dirs {
		n, err := strconv.Atoi(filepath.Base(d))
		if err != nil {
			continue
		}
		if p, err := procfs.ReadStat(n); err == nil {
			all[n] = p
		}
	}
	for n, p := range all {
		if n == pid || p.Ended() {
			continue
		}
		if p.Session == pid || below(all, n, pid) {
			out = append(out, n)
		}
	}
	return out
}

// below reports whether a process descends from another.
func below(all map[int]procfs.Stat, n, pid int) bool {
	for range len(all) { // what is read one by one need not fit together
		p, ok := all[n]
		if !ok || p.PPID == 0 {
			return false
		}
		if p.PPID == pid {
			return true
		}
		n = p.PPID
	}
	return false
}
