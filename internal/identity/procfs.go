package identity

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// procStat is what we use of /proc/PID/stat (proc(5)).
type procStat struct {
	State byte
	PPID  int
	// TTY is the controlling terminal as the kernel encodes it, 0 for none.
	TTY uint32
	// Start is when the process began, in clock ticks since boot.
	Start uint64
}

func readStat(pid int) (procStat, error) {
	data, err := readProc(pid, "stat", 4096)
	if err != nil {
		return procStat{}, err
	}
	return parseStat(data)
}

// parseStat reads the line. The second field is the program's name, which the
// program chooses and which may hold anything, so fields are counted from
// behind the last parenthesis.
func parseStat(data []byte) (procStat, error) {
	i := bytes.LastIndexByte(data, ')')
	if i < 0 {
		return procStat{}, errors.New("/proc/PID/stat has no program name")
	}
	f := strings.Fields(string(data[i+1:]))
	if len(f) < 20 || len(f[0]) != 1 {
		return procStat{}, fmt.Errorf("/proc/PID/stat has %d fields", len(f)+2)
	}
	ppid, err1 := strconv.Atoi(f[1])
	tty, err2 := strconv.ParseInt(f[4], 10, 32)
	start, err3 := strconv.ParseUint(f[19], 10, 64)
	if err := errors.Join(err1, err2, err3); err != nil {
		return procStat{}, fmt.Errorf("/proc/PID/stat: %w", err)
	}
	return procStat{State: f[0][0], PPID: ppid, TTY: uint32(tty), Start: start}, nil
}

// readProc reads a file of a process. It is done for every connection, so
// with plain system calls: files of proc never make a reader wait.
func readProc(pid int, name string, limit int64) ([]byte, error) {
	path := "/proc/" + strconv.Itoa(pid) + "/" + name
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	buf := make([]byte, 0, 1024)
	for int64(len(buf)) < limit {
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
		n, err := unix.Read(fd, buf[len(buf):cap(buf)])
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return nil, &os.PathError{Op: "read", Path: path, Err: err}
		}
		if n == 0 {
			return buf, nil
		}
		buf = buf[:len(buf)+n]
	}
	return buf[:limit], nil
}

// maxEnviron is how much of a peer's environment is looked through.
const maxEnviron = 64 << 10

// claimNames are the variables in which a peer may say whom it stands for.
func claimNames() []string { return []string{"SUDO_UID", "SUDO_USER"} }

// ForcedMark is the variable that `muxward attach` gives to the tmux client that it
// becomes. Without it a client that muxward has forgotten, as it began anew, would be a
// program of the account's own. It takes away only: whoever sets it shuts themselves out.
const ForcedMark = "MUXWARD_FORCED"

// claims reads what the process says about itself. The process writes its
// environment itself: for the log, never for a decision to let somebody in.
func claims(pid int) (said map[string]string, forced bool) {
	data, err := readProc(pid, "environ", maxEnviron)
	if err != nil {
		return nil, false // another account's, or gone: nothing is claimed then
	}
	return parseClaims(data)
}

func parseClaims(environ []byte) (said map[string]string, forced bool) {
	for kv := range bytes.SplitSeq(environ, []byte{0}) {
		k, v, ok := strings.Cut(string(kv), "=")
		forced = forced || k == ForcedMark
		if !ok || !wanted(k) || !plain(v) {
			continue
		}
		if said == nil {
			said = map[string]string{}
		}
		said[k] = v
	}
	return said, forced
}

func wanted(name string) bool {
	for _, n := range claimNames() {
		if n == name {
			return true
		}
	}
	return false
}

// plain reports whether a claim may be kept: short and printable ASCII.
func plain(s string) bool {
	if s == "" || len(s) > maxName {
		return false
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
