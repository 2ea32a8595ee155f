package pane

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/procfs"
)

// branch is a cgroup of one session, below ours. Without one, where no cgroup2 can be
// written, it is empty, and what a session leaves behind is found among our descendants.
type branch struct {
	path string
	dir  *os.File
}

// newBranch makes one, if it can.
func newBranch() *branch {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return &branch{}
	}
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return &branch{}
	}
	above := cgroupAbove(string(mounts), string(own))
	if above == "" {
		return &branch{}
	}
	var name [8]byte
	_, _ = rand.Read(name[:]) // never fails (crypto/rand)
	b := &branch{path: filepath.Join(above, "muxward-pane-"+hex.EncodeToString(name[:]))}
	if os.Mkdir(b.path, 0o755) != nil {
		return &branch{}
	}
	// Without this file (Linux 5.14) it is of no use.
	if _, err := os.Stat(b.path + "/cgroup.kill"); err == nil {
		if b.dir, err = os.Open(b.path); err == nil {
			return b
		}
	}
	_ = os.Remove(b.path) // it is empty
	return &branch{}
}

// cgroupAbove gives the directory of the cgroup2 that we are in, "" if there is none.
func cgroupAbove(mounts, own string) string {
	within := ""
	for line := range strings.Lines(own) {
		if path, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "0::"); ok {
			within = path
		}
	}
	if !strings.HasPrefix(within, "/") || strings.Contains(within, "/..") {
		return ""
	}
	for line := range strings.Lines(mounts) {
		before, after, ok := strings.Cut(line, " - ")
		f := strings.Fields(before)
		if !ok || len(f) < 6 || !strings.HasPrefix(after, "cgroup2 ") || strings.Contains(f[4], `\`) {
			continue
		}
		rest, inside := strings.CutPrefix(within, strings.TrimSuffix(f[3], "/"))
		if inside && (rest == "" || rest[0] == '/') {
			return filepath.Join(f[4], rest)
		}
	}
	return ""
}

// with has a process begin in the branch.
func (b *branch) with(attr *syscall.SysProcAttr) {
	if b.dir != nil {
		attr.UseCgroupFD, attr.CgroupFD = true, int(b.dir.Fd())
	}
}

// close removes the branch, which is empty.
func (b *branch) close() {
	if b.dir == nil {
		return
	}
	_ = b.dir.Close()
	for range endRounds { // those that were killed are not gone at once
		if err := os.Remove(b.path); err == nil || os.IsNotExist(err) {
			return
		}
		time.Sleep(endPause)
	}
}

const (
	endRounds = 200
	endPause  = 5 * time.Millisecond
)

// end kills all that is left of a session. In a branch the kernel does it at once. Without,
// it is what descends from us: whoever has lost their parent has us for one (keepOrphans),
// so nobody leaves by a session of their own.
func end(b *branch) {
	if b.dir != nil && os.WriteFile(b.path+"/cgroup.kill", []byte("1"), 0) == nil {
		return
	}
	for range endRounds {
		if !killBelow(os.Getpid()) {
			return
		}
		time.Sleep(endPause)
	}
}

// keepOrphans has those below us whose parents end be our children.
func keepOrphans() error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("keep hold of what a session begins: %w", err)
	}
	return nil
}

// seen is a process as it was seen.
type seen struct {
	parent int
	start  uint64
	ended  bool
}

// processes lists them all.
func processes() map[int]seen {
	names, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	all := map[int]seen{}
	for _, e := range names {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if st, err := procfs.ReadStat(pid); err == nil {
			all[pid] = seen{st.PPID, st.Start, st.Ended()}
		}
	}
	return all
}

// maxDepth is longer than any line of descent is, of processes.
const maxDepth = 10000

// killBelow kills the processes that descend from one, and reports whether there were any.
func killBelow(top int) (any bool) {
	all := processes()
	for pid, p := range all {
		at := p.parent
		for depth := 0; at != top && at > 1 && depth < maxDepth; depth++ {
			at = all[at].parent
		}
		if at != top || p.ended {
			continue
		}
		fd, err := unix.PidfdOpen(pid, 0)
		if err != nil {
			continue // it has ended
		}
		if st, err := procfs.ReadStat(pid); err == nil && st.Start == p.start && !st.Ended() {
			any = unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0) == nil || any
		}
		_ = unix.Close(fd)
	}
	return any
}

// reapOrphans waits for children of ours that have ended, but for the one that the session
// began with, until stop is closed.
func reapOrphans(leader int, stop <-chan struct{}) {
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, unix.SIGCHLD)
	defer signal.Stop(ended)
	for {
		select {
		case <-ended:
		case <-stop:
			return
		}
		for pid, p := range processes() {
			if p.parent == os.Getpid() && p.ended && pid != leader {
				_, _ = unix.Wait4(pid, nil, unix.WNOHANG, nil) // the next look finds it otherwise
			}
		}
		select { // a session that leaves many behind is not looked after all the time
		case <-time.After(reapPause):
		case <-stop:
			return
		}
	}
}

const reapPause = time.Second
