package sockets

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	reviveTime  = 6 * time.Second // shorter than an errand may take
	reviveEvery = 10 * time.Millisecond
)

// revive has a server make its socket anew, under the lock that tmux takes to
// start one, so that the path is not taken meanwhile.
func (e errand) revive(signalled func() error) error {
	dir, err := openOwn(e.Dir, e.UID)
	if err != nil {
		return err
	}
	defer dir.Close()
	name := filepath.Base(string(e.Path))
	lock, err := lockStart(dir, name)
	if err != nil {
		return err
	}
	defer lock.release()
	var st unix.Stat_t
	if err := unix.Fstatat(int(dir.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW); !errors.Is(err, unix.ENOENT) {
		return leftAlone{errors.Join(err, errors.New("there is something at its path again"))}
	}
	if err := signalled(); err != nil {
		return err
	}
	return e.back(dir, name)
}

// back waits until the server's socket is there again.
func (e errand) back(dir *os.File, name string) error {
	late := time.NewTimer(reviveTime)
	defer late.Stop()
	tick := time.NewTicker(reviveEvery)
	defer tick.Stop()
	for {
		if pin, err := pinAt(int(dir.Fd()), name); err == nil {
			p := probe(int(pin.Fd()))
			_ = pin.Close()
			if p.err == nil && p.pid == e.PID {
				return nil
			}
		}
		select {
		case <-late.C:
			return fmt.Errorf("the server has not made its socket anew within %s", reviveTime)
		case <-tick.C:
		}
	}
}

// signal sends SIGUSR1 to the process that was found, and to no other that has
// its number by now. The pidfd is taken first: if the process that has the number
// then began when ours did, it is ours.
func (a *act) signal() error {
	at := "/proc/" + strconv.Itoa(a.server.PID)
	pidfd, err := unix.PidfdOpen(a.server.PID, 0)
	if errors.Is(err, unix.ESRCH) {
		return leftAlone{errors.New("the server has ended")}
	}
	if err != nil {
		return fmt.Errorf("take hold of process %d: %w", a.server.PID, err)
	}
	defer unix.Close(pidfd)
	l := newLooker(Options{})
	p, ok := l.process(a.server.PID, nil, nil, false)
	switch {
	case !ok, p.start != a.server.Start:
		return leftAlone{errors.New("the server has ended; another process has its number")}
	case p.uid != a.server.UID, p.exe != string(a.server.Exe), p.known != "executable":
		return leftAlone{errors.New("the process is not what it was")}
	case !handles(p.catches, unix.SIGUSR1), p.stopped:
		return leftAlone{errors.New("the process is stopped, or would die of the signal")}
	}
	// A signal that is handled later, when somebody has started another server at
	// this path, would take the path from that one.
	if status, err := readFile(at+"/status", maxProcFile); err != nil || handles(pendingSignals(status), unix.SIGUSR1) {
		return leftAlone{errors.New("the process has such a signal already, and has not handled it")}
	}
	if groups, err := readFile(at+"/cgroup", maxProcFile); err != nil || frozen(groups, "/sys/fs/cgroup") {
		return leftAlone{errors.New("the process is frozen by its control group")}
	}
	if inodes, _ := socketsOf(at); !slices.Contains(inodes, a.bound.Inode) {
		return leftAlone{errors.New("the server does not listen at this socket any more")}
	}
	if err := unix.PidfdSendSignal(pidfd, unix.SIGUSR1, nil, 0); err != nil {
		return fmt.Errorf("signal process %d: %w", a.server.PID, err)
	}
	return nil
}

// pendingSignals gives the signals that a process has not handled yet, from its
// /proc/PID/status.
func pendingSignals(status []byte) (pending uint64) {
	for line := range bytes.Lines(status) {
		key, rest, _ := strings.Cut(string(line), ":")
		if key != "SigPnd" && key != "ShdPnd" {
			continue
		}
		if n, err := strconv.ParseUint(strings.TrimSpace(rest), 16, 64); err == nil {
			pending |= n
		}
	}
	return pending
}

// frozen reports whether one of the control groups that /proc/PID/cgroup names is
// frozen, by cgroups(7), version 1 and 2.
func frozen(groups []byte, root string) bool {
	for line := range bytes.Lines(groups) {
		f := strings.SplitN(strings.TrimSuffix(string(line), "\n"), ":", 3)
		if len(f) != 3 {
			continue
		}
		switch f[1] {
		case "":
			events, err := readFile(filepath.Join(root, f[2], "cgroup.events"), maxProcFile)
			if err == nil && slices.Contains(strings.Split(string(events), "\n"), "frozen 1") {
				return true
			}
		case "freezer":
			state, err := readFile(filepath.Join(root, "freezer", f[2], "freezer.state"), maxProcFile)
			if err == nil && strings.TrimSpace(string(state)) != "THAWED" {
				return true
			}
		}
	}
	return false
}
