package procfs

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// Stat is what we use of /proc/PID/stat.
type Stat struct {
	// Comm is the program's name, which it chooses itself.
	Comm string
	// State is the kernel's letter: T is one that was stopped.
	State byte
	PPID  int
	// Session is the process that its session began with.
	Session int
	// TTY is the controlling terminal as the kernel encodes it, 0 for none.
	TTY uint32
	// Foreground is the process group in the foreground of that terminal, or -1.
	Foreground int
	// Threads is how many threads it has, the first one among them also when that has ended.
	Threads int
	// Start is when the process began, in clock ticks since boot.
	Start uint64
}

// Ended reports whether the process has ended, and is only there to be asked how. One whose
// first thread alone has ended has the same letter, and goes on (tried with pthread_exit(3)).
func (s Stat) Ended() bool { return s.State == 'Z' && s.Threads <= 1 || s.State == 'X' }

// maxStat is longer than the line can be, in bytes.
const maxStat = 4096

// ReadStat reads the line of a process.
func ReadStat(pid int) (Stat, error) {
	data, err := Read(pid, "stat", maxStat)
	if err != nil {
		return Stat{}, err
	}
	return ParseStat(data)
}

// ParseStat reads the line. The second field is the program's name, which the
// program chooses and which may hold anything, so fields are counted from
// behind the last parenthesis.
func ParseStat(data []byte) (Stat, error) {
	open, end := bytes.IndexByte(data, '('), bytes.LastIndexByte(data, ')')
	if open < 0 || end < open {
		return Stat{}, errors.New("/proc/PID/stat has no program name")
	}
	var f [20][]byte
	n := 0
	for word := range bytes.FieldsSeq(data[end+1:]) {
		if n < len(f) {
			f[n] = word
		}
		n++
	}
	if n < len(f) || len(f[0]) != 1 {
		return Stat{}, fmt.Errorf("/proc/PID/stat has %d fields", n+2)
	}
	ppid, err1 := strconv.Atoi(string(f[1]))
	session, err2 := strconv.Atoi(string(f[3]))
	tty, err3 := strconv.ParseInt(string(f[4]), 10, 32)
	start, err4 := strconv.ParseUint(string(f[19]), 10, 64)
	front, err5 := strconv.Atoi(string(f[5]))
	threads, err6 := strconv.Atoi(string(f[17]))
	if err := errors.Join(err1, err2, err3, err4, err5, err6); err != nil {
		return Stat{}, fmt.Errorf("/proc/PID/stat: %w", err)
	}
	return Stat{Comm: string(data[open+1 : end]), State: f[0][0], PPID: ppid, Session: session, TTY: uint32(tty), Foreground: front, Threads: threads, Start: start}, nil
}

// Read reads at most so many bytes of a file of a process. It is done for every
// connection, so with plain system calls: files of proc never make a reader wait.
func Read(pid int, name string, limit int64) ([]byte, error) {
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
