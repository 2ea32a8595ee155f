package identity

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/muxward/muxward/internal/procfs"
)

// sshdProgram reports whether a program is OpenSSH's server: from 9.8 on connections
// have a program of their own. One that was replaced meanwhile says so.
func sshdProgram(exe string) bool {
	name := filepath.Base(strings.TrimSuffix(exe, " (deleted)"))
	return name == "sshd" || name == "sshd-session"
}

// isRoots reports whether a process is root's, by its /proc/PID/status: its real and its
// saved uid are. While sshd reads what a command prints, its effective uid is that of
// the command's account.
func isRoots(status []byte) bool {
	for line := range bytes.Lines(status) {
		if rest, ok := bytes.CutPrefix(line, []byte("Uid:")); ok {
			f := strings.Fields(string(rest))
			return len(f) == 4 && f[0] == "0" && f[2] == "0"
		}
	}
	return false
}

func readLink(pid int, name string) (string, error) {
	return os.Readlink("/proc/" + strconv.Itoa(pid) + "/" + name)
}

// listening reports whether a process holds a TCP socket that waits for connections.
func listening(pid int) (bool, error) {
	waits := map[string]bool{}
	for _, name := range []string{"net/tcp", "net/tcp6"} {
		table, err := procfs.Read(pid, name, 16<<20)
		if errors.Is(err, fs.ErrNotExist) {
			continue // no such sockets here
		}
		if err != nil {
			return false, err
		}
		for line := range bytes.Lines(table) {
			const listen = "0A"
			if f := strings.Fields(string(line)); len(f) > 9 && f[3] == listen {
				waits["socket:["+f[9]+"]"] = true
			}
		}
	}
	dir := "/proc/" + strconv.Itoa(pid) + "/fd"
	fds, err := os.ReadDir(dir)
	if err != nil {
		return false, err
	}
	for _, fd := range fds {
		if to, err := os.Readlink(dir + "/" + fd.Name()); err == nil && waits[to] {
			return true, nil
		}
	}
	return false, nil
}

// processOf gives a peer's process, for good.
func processOf(p *Peer) (process, error) {
	st, err := procfs.ReadStat(p.pid)
	if err != nil || !p.Alive() {
		return process{}, ErrPeerGone
	}
	return process{p.pid, st.Start}, nil
}

// sshdAbove gives the parent of a process, if that is an sshd of root's.
func sshdAbove(p *Peer) (process, error) {
	st, err := procfs.ReadStat(p.pid)
	if err != nil || !p.Alive() {
		return process{}, ErrPeerGone
	}
	up, same := parent(p.pid, st)
	if !same || st.PPID <= 1 {
		return process{}, errors.New("whoever asked for it has ended")
	}
	if err := isSSHD(st.PPID); err != nil {
		return process{}, err
	}
	again, err := procfs.ReadStat(p.pid)
	if err != nil || again.PPID != st.PPID || !p.Alive() {
		return process{}, errors.New("whoever asked for it has ended")
	}
	return process{st.PPID, up.Start}, nil
}

// isSSHD reports why a process is no sshd that runs as root. A server that waits for
// connections is none that a ticket may be for: everybody's process descends from it.
func isSSHD(pid int) error {
	status, err := procfs.Read(pid, "status", 8192)
	if err != nil {
		return err
	}
	if !isRoots(status) {
		return errors.New("it is asked for by a process that is not root's; sshd has to start muxward keys itself")
	}
	exe, err := readLink(pid, "exe")
	if err != nil {
		return err
	}
	if !sshdProgram(exe) {
		return fmt.Errorf("it is asked for by %.64q, and not by sshd", exe)
	}
	listens, err := listening(pid)
	if err == nil && listens {
		err = errors.New("it is asked for by an sshd that waits for connections, and not by one of a connection")
	}
	return err
}

// descends reports why a process is not below another.
func descends(p *Peer, from process) error {
	errElse := errors.New("the ticket is for another connection")
	st, err := procfs.ReadStat(p.pid)
	if err != nil || !p.Alive() {
		return ErrPeerGone
	}
	held, pid := st, p.pid
	for range maxAncestry {
		if (process{pid, st.Start}) == from {
			if !p.Alive() {
				return ErrPeerGone
			}
			return nil
		}
		if st.PPID <= 1 {
			return errElse
		}
		up, same := parent(pid, st)
		if same {
			pid, st = st.PPID, up
			continue
		}
		// The parent ended meanwhile: begin again, as find does.
		pid = p.pid
		if st, err = procfs.ReadStat(pid); err != nil || st.Start != held.Start {
			return ErrPeerGone
		}
	}
	return errElse
}
