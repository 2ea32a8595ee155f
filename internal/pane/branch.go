package pane

import (
	"fmt"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
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
	path    string
	dir     *os.File
	join    []string // cgroups of version 1, for the bounds
	missing []string // the bounds that do not hold
}

// branchPrefix begins the name of a branch; behind it is which process it is of.
const branchPrefix = "muxward-pane-"

func branchName(pid int, start uint64) string {
	return fmt.Sprintf("%s%d-%d", branchPrefix, pid, start)
}

// newBranch makes one, if it can.
func newBranch(bounds Bounds) *branch {
	mounts, errMounts := os.ReadFile("/proc/self/mountinfo")
	own, errOwn := os.ReadFile("/proc/self/cgroup")
	st, err := procfs.ReadStat(os.Getpid())
	if errMounts != nil || errOwn != nil || err != nil {
		return &branch{missing: []string{pidsController, memoryController}}
	}
	name := branchName(os.Getpid(), st.Start)
	b := &branch{}
	if above := cgroupAbove(string(mounts), string(own)); above != "" {
		b.open(filepath.Join(beside(above), name))
	}
	b.join, b.missing = bounds.set(b.path, name, string(mounts), string(own))
	return b
}

// open makes the cgroup2.
func (b *branch) open(path string) {
	if os.Mkdir(path, 0o755) != nil {
		return
	}
	// Without this file (Linux 5.14) it is of no use.
	if _, err := os.Stat(path + "/cgroup.kill"); err == nil {
		if b.dir, err = os.Open(path); err == nil {
			b.path = path
			return
		}
	}
	_ = os.Remove(path) // it is empty
}

// cgroupAbove gives the directory of the cgroup2 that we are in, "" if there is none.
func cgroupAbove(mounts, own string) string {
	within := ""
	for line := range strings.Lines(own) {
		if path, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "0::"); ok {
			within = path
		}
	}
	return mountedAt(mounts, within, func(kind []string) bool { return len(kind) > 0 && kind[0] == "cgroup2" })
}

// with has a process begin in the branch.
func (b *branch) with(attr *syscall.SysProcAttr) {
	if b.dir != nil {
		attr.UseCgroupFD, attr.CgroupFD = true, int(b.dir.Fd())
	}
}

// close removes the branch, which is empty.
func (b *branch) close() {
	if b.dir != nil {
		_ = b.dir.Close()
	}
	for _, path := range append(slices.Clone(b.join), b.path) {
		for range endRounds { // those that were killed are not gone at once
			if err := os.Remove(path); path == "" || err == nil || os.IsNotExist(err) {
				break
			}
			time.Sleep(endPause)
		}
	}
}

// Sweep removes the cgroups of sessions whose minding process was killed, and ends what is
// left in them.
func Sweep() {
	mounts, errMounts := os.ReadFile("/proc/self/mountinfo")
	own, errOwn := os.ReadFile("/proc/self/cgroup")
	if errMounts != nil || errOwn != nil {
		return
	}
	above := []string{controllerAbove(string(mounts), string(own), pidsController), controllerAbove(string(mounts), string(own), memoryController)}
	if at := cgroupAbove(string(mounts), string(own)); at != "" {
		above = append(above, beside(at))
	}
	for _, dir := range above {
		found, _ := filepath.Glob(dir + "/" + branchPrefix + "*")
		for _, path := range found {
			var pid int
			var start uint64
			if n, err := fmt.Sscanf(filepath.Base(path), branchPrefix+"%d-%d", &pid, &start); n != 2 || err != nil || dir == "" {
				continue
			}
			if st, err := procfs.ReadStat(pid); err == nil && st.Start == start && !st.Ended() {
				continue
			}
			_ = os.WriteFile(path+"/cgroup.kill", []byte("1"), 0) // version 1 has none: what is in it stays
			_ = os.Remove(path)                                   // or by the next look, when it is empty
		}
	}
}

const (
	endRounds = 200
	endPause  = 5 * time.Millisecond
	mostPause = 50 * time.Millisecond // between looks at those that do not go
	// endTime is how long it is waited for what was killed.
	endTime = 5 * time.Second
)

// end kills all that is left of a session, and reports whether it could by then. In a branch
// the kernel does it at once. Without, it is what descends from us: whoever has lost their
// parent has us for one (keepOrphans), so nobody leaves by a session of their own. Those are
// stopped before any is killed, so that they begin no others meanwhile; but one that hangs in
// the kernel, or is traced, never is, and nobody waits for that. What is spared is left alone.
func end(b *branch, spared spared, by time.Time) bool {
	for _, dir := range b.join {
		_ = os.WriteFile(dir+"/pids.max", []byte("0"), 0) // in the others there is no such file
	}
	if b.path != "" {
		_ = os.WriteFile(b.path+"/cgroup.kill", []byte("1"), 0) // what has not entered it descends from us
	}
	stopping, killing := signalled{unix.SIGSTOP, spared, map[held]byte{}}, signalled{unix.SIGKILL, spared, map[held]byte{}}
	for pause := endPause; ; pause = min(2*pause, mostPause) {
		for range endRounds {
			if _, news := stopping.below(os.Getpid()); !news || time.Now().After(by) {
				break
			}
		}
		any, news := killing.below(os.Getpid())
		switch {
		case !any:
			return true
		case time.Now().After(by):
			return false
		case news:
			pause = endPause
		}
		time.Sleep(pause)
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
	state  byte
}

func seenAs(st procfs.Stat) seen { return seen{st.PPID, st.Start, st.Ended(), st.State} }

// held is a process, whoever has its number later.
type held struct {
	pid   int
	start uint64
}

// signalled is who was sent a signal, and in which state they were then.
type signalled struct {
	sig    unix.Signal
	spared spared
	sent   map[held]byte
}

// spared is what descends from us and is not the session's: the process that holds it, and what
// modules of PAM had begun before it, with what that begins. They may need it to close the session,
// as a file system that is served by a process of theirs (pam_mount).
type spared struct {
	holder int // 0 is none
	kept   []held
}

// has reports whether a process is spared, as they were seen.
func (s spared) has(all map[int]seen, pid, top int) bool {
	if pid == s.holder {
		return true
	}
	for depth := 0; len(s.kept) > 0 && pid != top && pid > 1 && depth < maxDepth; depth++ {
		if slices.Contains(s.kept, held{pid, all[pid].start}) {
			return true
		}
		pid = all[pid].parent
	}
	return false
}

// descendants gives so many of the processes that descend from one.
func descendants(top, most int) (out []held) {
	all := processes()
	for _, pid := range slices.Sorted(maps.Keys(all)) {
		if !all[pid].ended && descends(all, pid, top) && len(out) < most {
			out = append(out, held{pid, all[pid].start})
		}
	}
	return out
}

// processes lists them all, ourselves among them; none is that they cannot be listed.
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
			all[pid] = seenAs(st)
		}
	}
	return all
}

// maxDepth is longer than any line of descent is, of processes.
const maxDepth = 10000

// below signals the processes that descend from one, and reports whether there were any, and
// whether that is news: they were not signalled before, or have changed since. What was seen
// is not one moment: a number can have been given away meanwhile, so each line of descent is
// looked at again while its process is held.
func (s *signalled) below(top int) (any, news bool) {
	all := processes()
	if len(all) == 0 {
		return true, false // it is not known that there are none
	}
	for pid, p := range all {
		if p.ended || s.spared.has(all, pid, top) || s.sig == unix.SIGSTOP && p.state == 'T' || !descends(all, pid, top) {
			continue
		}
		fd, err := unix.PidfdOpen(pid, 0)
		if err != nil {
			any = any || err != unix.ESRCH // there are no descriptors; it has not ended
			continue
		}
		if still(all, pid, top) {
			if unix.PidfdSendSignal(fd, s.sig, nil, 0) == nil {
				before, known := s.sent[held{pid, p.start}]
				s.sent[held{pid, p.start}] = p.state
				any, news = true, news || !known || before != p.state
			}
		} else if st, err := procfs.ReadStat(pid); err == nil && st.Start == p.start && !st.Ended() {
			any, news = true, true // it is looked at again
		}
		_ = unix.Close(fd)
	}
	return any, news
}

// descends reports whether a process descends from another, as they were seen.
func descends(all map[int]seen, pid, top int) bool {
	at := all[pid].parent
	for depth := 0; at != top && at > 1 && depth < maxDepth; depth++ {
		at = all[at].parent
	}
	return at == top
}

// still reports whether the line of descent is as it was seen. Who has lost a parent since has
// another one, and is found by the next look.
func still(all map[int]seen, pid, top int) bool {
	for at := pid; at != top; at = all[at].parent {
		st, err := procfs.ReadStat(at)
		if err != nil || at <= 1 || st.Start != all[at].start || st.PPID != all[at].parent || at == pid && st.Ended() {
			return false
		}
	}
	return true
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
