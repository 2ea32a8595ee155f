package identity

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
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
		table, err := readProc(pid, name, 16<<20)
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
