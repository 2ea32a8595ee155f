package identity

import (
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/procfs"
)

// PaneProc is a guarded pane as the process table shows it, or, with an empty
// Pane, a guarded tmux server itself, whose children are its jobs and popups.
type PaneProc struct {
	// Owner is the person whose server it is; Pane its id there, as %N.
	Owner string
	Pane  string
	// PID is the process that tmux started in the pane, or tmux.
	PID int
	// TTY is the pane's terminal, as #{pane_tty} says: /dev/pts/N.
	TTY string
}

// name is what [Identity.Inside] says.
func (p PaneProc) name() string {
	if p.Pane == "" {
		return p.Owner + "/server"
	}
	return p.Owner + "/" + p.Pane
}

// maxAncestry is how far up a process is followed.
const maxAncestry = 64

// inside finds the pane that the process lives in: by its controlling
// terminal, else by its ancestors. It is read between two looks at the pidfd,
// so that it is about this process. A process that has left its terminal and
// its parents altogether cannot be told from one that was never inside. What was seen of
// it on the way is told along, as looking is most of what this costs.
func inside(p *Peer, panes []PaneProc, known *outsiders) (string, procfs.Stat, error) {
	if !p.Alive() {
		return "", procfs.Stat{}, ErrPeerGone
	}
	name, st, err := find(p.pid, panes, known)
	if !p.Alive() {
		return "", procfs.Stat{}, ErrPeerGone
	}
	if err != nil {
		return "", procfs.Stat{}, fmt.Errorf("find out whether process %d is inside a guarded pane: %w", p.pid, err)
	}
	return name, st, nil
}

// detached reports whether a process has no controlling terminal, or its parent has
// ended: then it may come from anywhere of its account, as from a pane that it has left.
func detached(st procfs.Stat) bool { return st.TTY == 0 || st.PPID == 1 }

// find looks for a process among the panes, and tells how it was seen last.
func find(pid int, panes []PaneProc, known *outsiders) (string, procfs.Stat, error) {
	first, err := procfs.ReadStat(pid)
	if err != nil {
		return "", first, err
	}
	if first.TTY != 0 {
		for _, p := range panes {
			if dev, ok := ttyDevice(p.TTY); ok && dev == first.TTY {
				return p.name(), first, nil
			}
		}
	}
	byPID := make(map[int]PaneProc, len(panes))
	for _, p := range panes {
		if p.PID > 1 {
			byPID[p.PID] = p
		}
	}
	servers := serversOf(panes)
	var line []process
	at, st := pid, first
	for range maxAncestry {
		if p, ok := byPID[at]; ok {
			return p.name(), first, nil
		}
		if st.PPID <= 1 || known.has(process{at, st.Start}, servers) {
			known.add(line, servers)
			return "", first, nil
		}
		line = append(line, process{at, st.Start})
		up, same := parent(at, st)
		if !same {
			// The parent ended while we looked, and the child got
			// another: begin again. Only the first process is held
			// meanwhile; any other's id may be somebody else's by now.
			at, line = pid, nil
			if st, err = procfs.ReadStat(pid); err != nil {
				return "", st, err
			}
			if st.Start != first.Start {
				return "", st, ErrPeerGone
			}
			first = st
			continue
		}
		at, st = st.PPID, up
	}
	return "", first, fmt.Errorf("it has more than %d ancestors", maxAncestry)
}

// parent reads the parent's line. It is the parent's only if it is older than
// the child: ids are reused. If both began within the same tick, the child must
// still name it afterwards.
func parent(pid int, st procfs.Stat) (procfs.Stat, bool) {
	up, err := procfs.ReadStat(st.PPID)
	if err != nil || up.Start > st.Start {
		return procfs.Stat{}, false
	}
	if up.Start < st.Start {
		return up, true
	}
	again, err := procfs.ReadStat(pid)
	if err != nil || again.PPID != st.PPID || again.Start != st.Start {
		return procfs.Stat{}, false
	}
	return up, true
}

// Pseudo-terminals have the major 136, and their number as minor
// (/proc/tty/drivers).
const ptsMajor = 136

// ttyDevice gives a terminal's device as /proc/PID/stat writes it.
func ttyDevice(path string) (uint32, bool) {
	if num, ok := strings.CutPrefix(path, "/dev/pts/"); ok {
		n, err := strconv.ParseUint(num, 10, 20)
		if err != nil {
			return 0, false
		}
		return encodeDevice(ptsMajor, uint32(n)), true
	}
	if !strings.HasPrefix(path, "/dev/") {
		return 0, false
	}
	var st unix.Stat_t
	if unix.Stat(path, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFCHR {
		return 0, false
	}
	return encodeDevice(unix.Major(uint64(st.Rdev)), unix.Minor(uint64(st.Rdev))), true
}

// encodeDevice is the kernel's new_encode_dev.
func encodeDevice(major, minor uint32) uint32 {
	return minor&0xff | major<<8 | (minor&^0xff)<<12
}
