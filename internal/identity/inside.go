package identity

import (
	"fmt"
	"slices"
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
	// Apart is set where what runs in the pane does not descend from the server, which is
	// believed there: an isolated one, of which nobody holds every verb.
	Apart bool
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
// terminal, else by its ancestors and, of a pane of an isolated server, their terminals. It is read between two looks at the pidfd,
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
//
// What a server says of its panes is the word of its account, who could have it name processes
// and terminals of others, to have them refused as if they were inside. So the kernel has to say that
// the process comes from that server, or whoever has begun the session of its terminal;
// by what the server says it is only told which pane that is.
func find(pid int, panes []PaneProc, known *outsiders) (string, procfs.Stat, error) {
	first, err := procfs.ReadStat(pid)
	if err != nil {
		return "", first, err
	}
	g := &guarded{panes: panes, servers: serversOf(panes), apart: apartOf(panes), known: known}
	at := g.atTerminal(first.TTY)
	if len(at) > 0 && claimed() {
		return at[0].name(), first, nil
	}
	if p, ok := g.apart[first.TTY]; ok {
		return p.name(), first, nil
	}
	if len(at) > 0 {
		// With the process that has begun a session all of it lose their terminal.
		begun, err := procfs.ReadStat(first.Session)
		if err != nil {
			return at[0].name(), first, nil // not to be seen: none of those who log in here
		}
		name, _, err := g.climb(first.Session, begun, at)
		if err != nil {
			return at[0].name(), first, nil
		}
		if name != "" {
			return name, first, nil
		}
	}
	return g.climb(pid, first, nil)
}

// guarded are the panes and servers among which a process is looked for.
type guarded struct {
	panes   []PaneProc
	servers map[int]bool
	apart   map[uint32]PaneProc // by their terminals
	known   *outsiders
}

// apartOf gives the panes that do not descend from their servers. The terminal of one, and what
// descends from a process on it, as what runs on a terminal made there, is inside.
func apartOf(panes []PaneProc) map[uint32]PaneProc {
	out := map[uint32]PaneProc{}
	for _, p := range panes {
		if !p.Apart {
			continue
		}
		if dev, ok := ttyDevice(p.TTY); ok && dev != 0 {
			out[dev] = p
		}
	}
	return out
}

// atTerminal gives the panes that are said to be on a terminal.
func (g *guarded) atTerminal(tty uint32) (at []PaneProc) {
	if tty == 0 {
		return nil
	}
	for _, p := range g.panes {
		if dev, ok := ttyDevice(p.TTY); ok && dev == tty {
			at = append(at, p)
		}
	}
	return at
}

// climb follows a process up to a server, and names the pane of that one on the way, or one
// of at. It gives "" if there is no server above it.
func (g *guarded) climb(pid int, first procfs.Stat, at []PaneProc) (string, procfs.Stat, error) {
	var line []process
	up, st := pid, first
	below := 0 // of so many of the line nothing is remembered
	for range maxAncestry {
		if g.servers[up] {
			return g.name(up, line, at), first, nil
		}
		if i := g.said(up); i >= 0 {
			return g.panes[i].name(), first, nil
		}
		if p, ok := g.apart[st.TTY]; ok {
			return p.name(), first, nil
		}
		if owner, err := g.minded(up, st); owner != "" || err != nil {
			return owner, first, err
		}
		if st.TTY != 0 {
			below = len(line) + 1 // its terminal may be that of a pane which is not known yet
		}
		if st.PPID <= 1 || g.known.has(process{up, st.Start}, g.servers) {
			g.known.add(line[max(below-1, 0):], g.servers)
			return "", first, nil
		}
		line = append(line, process{up, st.Start})
		above, same := parent(up, st)
		if !same {
			// The parent ended while we looked, and the child got
			// another: begin again. Only the first process is held
			// meanwhile; any other's id may be somebody else's by now.
			up, line, below = pid, nil, 0
			var err error
			if st, err = procfs.ReadStat(pid); err != nil {
				return "", st, err
			}
			if st.Start != first.Start {
				return "", st, ErrPeerGone
			}
			first = st
			continue
		}
		up, st = st.PPID, above
	}
	return "", first, fmt.Errorf("it has more than %d ancestors", maxAncestry)
}

// Who minds a session in a pane of an isolated server: internal/pane's Program and SuperviseArg, which is
// no layer below.
const (
	minder = "muxward-pane"
	minds  = "mind-session"
)

// minded names the server of which a process minds a session in a pane, "" if it does none. All that a pane of an
// isolated server runs descends from such a one, which is root's, from the start: also what is met before
// the pane is known, and what has left its terminal and its parents.
func (g *guarded) minded(pid int, st procfs.Stat) (string, error) {
	if st.Comm != minder {
		return "", nil
	}
	if uid, err := procfs.RealUID(pid); err != nil || uid != 0 {
		return "", err
	}
	text, err := g.known.memory.Read(pid, "cmdline", 4096)
	if err != nil {
		return "", err
	}
	args := strings.Split(string(text), "\x00")
	if len(args) < 3 || args[1] != minds {
		return "", nil
	}
	return PaneProc{Owner: args[2]}.name(), nil
}

// name says which pane of a server a line of its descendants is in.
func (g *guarded) name(server int, line []process, at []PaneProc) string {
	is := slices.IndexFunc(g.panes, func(p PaneProc) bool { return p.Pane == "" && p.PID == server })
	owner := g.panes[is].Owner
	for _, p := range at {
		if p.Owner == owner {
			return p.name()
		}
	}
	for _, one := range line {
		for _, p := range g.panes {
			if p.PID == one.pid && p.Owner == owner {
				return p.name()
			}
		}
	}
	return g.panes[is].name()
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
