package pane

import (
	"crypto/rand"
	"encoding/hex"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/procfs"
)

// branch is a cgroup of one session, below ours. Without one, where no cgroup2 can be
// written, it is empty, and what a session leaves behind is found by its session id.
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

// Contained reports whether sessions have cgroups of their own here.
func Contained() bool {
	b := newBranch()
	defer b.close()
	return b.dir != nil
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

// end kills all that is left of a session. With a branch that is everything. Without, it
// is what has the session's id: who has made a session of their own stays.
func end(b *branch, session int) {
	if b.dir != nil && os.WriteFile(b.path+"/cgroup.kill", []byte("1"), 0) == nil {
		return
	}
	for range endRounds {
		if !killSession(session) {
			return
		}
		time.Sleep(endPause)
	}
}

// killSession kills the processes of a session, and reports whether there were any.
func killSession(session int) (any bool) {
	names, err := os.ReadDir("/proc")
	if err != nil {
		return false
	}
	for _, e := range names {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		st, err := procfs.ReadStat(pid)
		if err != nil || st.Session != session || st.Ended() {
			continue
		}
		fd, err := unix.PidfdOpen(pid, 0)
		if err != nil {
			continue // it has ended
		}
		if again, err := procfs.ReadStat(pid); err == nil && again.Session == session && !again.Ended() {
			any = unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0) == nil || any
		}
		_ = unix.Close(fd)
	}
	return any
}
