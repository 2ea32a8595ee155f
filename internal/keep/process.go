package keep

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/passed"
	"github.com/muxward/muxward/internal/procfs"
)

// process holds on to a tmux server by its pidfd, whether it is our child or
// was started by an earlier muxward.
type process struct {
	pid   int
	start uint64 // clock ticks since boot, as in /proc/PID/stat
	pidfd *os.File
}

// holdProcess takes hold of pid. If start is not zero it must be the one that
// began then. ErrEnded is proof that there is none such; with any other error nobody
// knows.
func holdProcess(pid int, start uint64) (*process, error) {
	p, state, err := holdPID(pid)
	switch {
	case errors.Is(err, unix.ESRCH):
		return nil, fmt.Errorf("%w (%w)", ErrEnded, err)
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOENT): // the number is now a thread's (pidfd_open(2); ENOENT: Linux 6.18)
		if begun, _, errStat := startOf(pid); errStat == nil && start != 0 && begun != start {
			return nil, fmt.Errorf("process %d: it is another one now: %w", pid, ErrEnded)
		}
		return nil, err
	case err != nil:
		return nil, err
	}
	if start != 0 && p.start != start || state == 'Z' || state == 'X' {
		p.close()
		return nil, fmt.Errorf("process %d: it is another one now, or has ended: %w", pid, ErrEnded)
	}
	return p, nil
}

// holdPID takes hold of whoever is pid. A child of ours stays that until it is
// waited for, even if it has ended.
func holdPID(pid int) (*process, byte, error) {
	fd, err := unix.PidfdOpen(pid, unix.PIDFD_NONBLOCK)
	if err != nil {
		return nil, 0, fmt.Errorf("take hold of process %d: %w", pid, err)
	}
	p := &process{pid: pid, pidfd: os.NewFile(uintptr(fd), "pidfd")}
	begun, state, err := startOf(pid)
	if err != nil {
		if p.dead() { // and was waited for: whoever has the number now is another one
			err = errors.Join(unix.ESRCH, err)
		}
		p.close()
		return nil, 0, fmt.Errorf("take hold of process %d: %w", pid, err)
	}
	p.start = begun
	return p, state, nil
}

// holdChild takes hold of a child of ours that was just started. If that cannot be done, it
// is ended: nobody would know of it any more. Until it is waited for, its number is its own.
func holdChild(pid int) (*process, error) {
	p, _, err := holdPID(pid)
	if err == nil {
		return p, nil
	}
	_ = unix.Kill(pid, unix.SIGKILL) // ESRCH cannot be
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	late := time.NewTimer(endTime)
	defer late.Stop()
	for {
		if got, errWait := unix.Wait4(pid, nil, unix.WNOHANG, nil); got == pid || errWait != nil && errWait != unix.EINTR {
			return nil, err
		}
		select {
		case <-tick.C:
		case <-late.C:
			return nil, fmt.Errorf("%w; it was killed and does not end: %w", err, errStays)
		}
	}
}

// errStays is the error of a server whose record is to stay, for the next muxward to find.
var errStays = errors.New("what is written down of it stays")

// wait returns when the process has ended (true) or close was called (false).
func (p *process) wait() bool {
	raw, err := p.pidfd.SyscallConn()
	if err != nil {
		return false
	}
	ended := false
	_ = raw.Read(func(fd uintptr) bool { // the error is that of close
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
		ended = err == nil && n > 0
		return ended || err != nil && err != unix.EINTR
	})
	return ended
}

// dead reports whether the process is known to have ended: the kernel says so of the very
// process that is held, whatever its number is by now (pidfd_open(2)).
func (p *process) dead() bool {
	raw, err := p.pidfd.SyscallConn()
	if err != nil {
		return false
	}
	ended := false
	_ = raw.Control(func(fd uintptr) { // its error is that it is closed
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
		ended = err == nil && n > 0
	})
	return ended
}

// ending reaps the process if it is our child and says how it ended.
func (p *process) ending() string {
	var ws unix.WaitStatus
	pid, err := unix.Wait4(p.pid, &ws, unix.WNOHANG, nil)
	switch {
	case err != nil || pid != p.pid:
		return "it ended" // started by an earlier muxward: nobody tells how
	case ws.Signaled():
		return "it was killed by signal " + strconv.Itoa(int(ws.Signal())) + " (" + ws.Signal().String() + ")"
	}
	return "it exited with code " + strconv.Itoa(ws.ExitStatus())
}

func (p *process) signal(sig syscall.Signal) error {
	raw, err := p.pidfd.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	err = raw.Control(func(fd uintptr) { inner = unix.PidfdSendSignal(int(fd), sig, nil, 0) })
	return errors.Join(err, inner)
}

func (p *process) close() { _ = p.pidfd.Close() }

// held gives another descriptor of the process, for who may use it while close is called.
func (p *process) held() (*os.File, error) {
	fd, err := passed.Copy(p.pidfd)
	if err != nil {
		return nil, fmt.Errorf("hold its server: %w", err)
	}
	return os.NewFile(uintptr(fd), "pidfd"), nil
}

// startOf reads a process's start time and state.
func startOf(pid int) (start uint64, state byte, err error) {
	st, err := procfs.ReadStat(pid)
	return st.Start, st.State, err
}

func procFile(pid int, name string) string {
	return filepath.Join("/proc", strconv.Itoa(pid), name)
}

// runsAs tells the uid and the program of a process.
func (p *process) runsAs() (uid uint32, exe string, err error) {
	var st unix.Stat_t
	if err := unix.Stat(procFile(p.pid, ""), &st); err != nil {
		return 0, "", err
	}
	exe, err = os.Readlink(procFile(p.pid, "exe"))
	// The package may have been upgraded since.
	return st.Uid, strings.TrimSuffix(exe, " (deleted)"), err
}

// processes lists all process ids.
func processes() ([]int, error) {
	ents, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("list the processes: %w", err)
	}
	var out []int
	for _, e := range ents {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			out = append(out, pid)
		}
	}
	return out, nil
}

// startedFor finds a tmux server of uid by its command line, for the case that we were
// killed between starting it and writing down its id. Others can have the same command
// line, and do not count; of the account's own those that run the program tmux come
// first. ErrEnded: there is none for sure.
func startedFor(m *procfs.Memory, inner string, uid uint32, tmux string) (int, error) {
	pids, err := processes()
	if err != nil {
		return 0, err
	}
	if real, err := filepath.EvalSymlinks(tmux); err == nil {
		tmux = real
	}
	found, unseen := 0, error(nil)
	for _, pid := range pids {
		var st unix.Stat_t
		err := unix.Stat(procFile(pid, ""), &st)
		if err == nil && st.Uid != uid {
			continue
		}
		var cmd []byte
		if err == nil {
			cmd, err = m.Read(pid, "cmdline", maxArgs)
		}
		if err != nil {
			if !gone(err) {
				unseen = fmt.Errorf("look at process %d: %w", pid, err)
			}
			continue
		}
		argv := strings.Split(string(cmd), "\x00")
		switch at := slices.Index(argv, inner); {
		case at < 3 || argv[at-1] != "-S" || argv[at-2] != "-D":
		case at > 3:
			unseen = fmt.Errorf("process %d is about to become tmux", pid)
		default:
			_, exe, _ := (&process{pid: pid}).runsAs() // it need not be ours to see
			if exe == tmux {
				return pid, nil
			}
			if found == 0 {
				found = pid
			}
		}
	}
	switch {
	case unseen != nil:
		return 0, unseen
	case found == 0:
		return 0, ErrEnded
	}
	return found, nil
}

// gone reports whether it is the error of a process that is not there any more (proc(5)).
func gone(err error) bool { return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ESRCH) }

// maxArgs bounds what is read of a command line, and of an environment.
const maxArgs = 1 << 20

// reportTime is how long a report may take in all: others are waited for by one process each.
const reportTime = 3 * time.Second

// maxLeft bounds a report of processes.
const maxLeft = 64

// leftBehind finds the processes that have TMUX=INNER,… in their environment:
// what a server that was killed leaves running. A process that has cleared its
// environment is not found, nor one whose environment is not ours to read, or does not let
// itself be read: it is a report.
func leftBehind(m *procfs.Memory, inner string) []int {
	mark := []byte("TMUX=" + inner + ",")
	var out []int
	pids, _ := processes() // a report, and nothing rests on it
	for end := time.Now().Add(reportTime); len(pids) > 0 && time.Now().Before(end); pids = pids[1:] {
		pid := pids[0]
		env, err := m.Read(pid, "environ", maxArgs)
		if err != nil {
			continue
		}
		if bytes.HasPrefix(env, mark) || bytes.Contains(env, append([]byte{0}, mark...)) {
			if out = append(out, pid); len(out) == maxLeft {
				break
			}
		}
	}
	return out
}

// describe names processes for people.
func describe(pids []int) string {
	var b strings.Builder
	for i, pid := range pids {
		comm, _ := os.ReadFile(procFile(pid, "comm")) // gone by now is fine
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%d %q", pid, strings.TrimSuffix(string(comm), "\n"))
	}
	return b.String()
}
