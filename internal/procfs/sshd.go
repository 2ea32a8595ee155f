package procfs

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// SSHD reports why a process is no sshd that runs as root. A server that waits for
// connections is none that a ticket may be for: everybody's process descends from it. It takes
// root to see that.
func SSHD(pid int) error {
	status, err := Read(pid, "status", 8192)
	if err != nil {
		return err
	}
	if !isRoots(status) {
		return errors.New("it is asked for by a process that is not root's; sshd has to start muxward keys itself")
	}
	exe, err := os.Readlink("/proc/" + strconv.Itoa(pid) + "/exe")
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

// listening reports whether a process holds a TCP socket that waits for connections.
func listening(pid int) (bool, error) {
	waits := map[string]bool{}
	for _, name := range []string{"net/tcp", "net/tcp6"} {
		table, err := Read(pid, name, 16<<20)
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
