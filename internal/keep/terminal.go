package keep

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/pane"
	"github.com/muxward/muxward/internal/procfs"
)

// This file is where it is made sure that a terminal is a pane's. Names and numbers lead to
// it, and nothing is believed by them: another devpts has the same ones, and whoever asks
// may change all that is theirs between two looks. What is believed is what root has
// opened, and the kernel's word on a descriptor in one read.

// terminal makes sure who asks, and opens its terminal.
func (s *server) terminal(a *pane.Asking) (*os.File, error) {
	if err := s.isPane(a); err != nil {
		return nil, err
	}
	name, err := os.Readlink(procFile(a.PID, "fd/0"))
	if err != nil {
		return nil, err
	}
	index, err := strconv.ParseUint(strings.TrimPrefix(name, pts), 10, 20)
	if err != nil || !strings.HasPrefix(name, pts) {
		return nil, fmt.Errorf("process %d has no terminal", a.PID)
	}
	tty, st, err := openTerminal(int(index), s.rec.Account.UID)
	if err != nil {
		return nil, err
	}
	if err := s.isTerminal(a, int(index), st); err != nil {
		return nil, errors.Join(err, tty.Close())
	}
	return tty, nil
}

// isTerminal makes sure that a terminal that is open is the one that asks, and a pane's.
func (s *server) isTerminal(a *pane.Asking, index int, st unix.Stat_t) error {
	if err := hasTerminal(a.PID, st.Ino); err != nil {
		return err
	}
	held, err := s.holdsTerminal(index)
	if err != nil {
		return err
	}
	if !fromServer(held) {
		return fmt.Errorf("/dev/pts/%d is not a pane's: the tmux server does not hold it", index)
	}
	if err := s.isPane(a); err != nil { // still
		return err
	}
	if s.ended() || a.Ended() {
		return ErrEnded
	}
	return nil
}

// isPane makes sure who asks: a process of the server's account that tmux itself has
// started, in a session of its own.
func (s *server) isPane(a *pane.Asking) error {
	if !fromServer(a.UID == s.rec.Account.UID) {
		return fmt.Errorf("uid %d asks, which is not the server's account", a.UID)
	}
	st, err := procfs.ReadStat(a.PID)
	if err != nil {
		return err
	}
	if !fromServer(st.PPID == s.rec.PID && st.Session == a.PID) {
		return fmt.Errorf("process %d asks, which the tmux server has not started in a pane", a.PID)
	}
	return nil
}

// Pseudo-terminals have the major 136, and as minor their number (devices.txt of the
// kernel).
const (
	pts      = "/dev/pts/"
	ptsMajor = 136
)

// terminalOf gives the number of a pseudo-terminal from its device, as /proc/PID/stat has
// it.
func terminalOf(device uint32) (int, bool) {
	return int(device&0xff | device>>12&^0xff), device>>8&0xfff == ptsMajor
}

// openTerminal opens this host's terminal of that number, if it is the account's own: the
// kernel gives a terminal to who has made it, and programs that log in to who has. So it is
// neither another person's nor root's, whatever else is found out.
func openTerminal(index int, uid uint32) (*os.File, unix.Stat_t, error) {
	var dir, st unix.Stat_t
	if err := unix.Stat(pts, &dir); err != nil {
		return nil, st, err
	}
	name := pts + strconv.Itoa(index)
	// It is looked at before it is open: to open and close has effects on some terminals.
	at, err := unix.Open(name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, st, fmt.Errorf("open the pane's terminal: %w", err)
	}
	defer unix.Close(at)
	if err = ownTerminal(at, index, uid, dir.Dev); err != nil {
		return nil, st, err
	}
	fd, err := unix.Open("/proc/self/fd/"+strconv.Itoa(at), unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, st, fmt.Errorf("open the pane's terminal: %w", err)
	}
	tty := os.NewFile(uintptr(fd), name)
	if err = ownTerminal(fd, index, uid, dir.Dev); err == nil {
		err = unix.Fstat(fd, &st)
	}
	if err != nil {
		return nil, st, errors.Join(err, tty.Close())
	}
	return tty, st, nil
}

// ownTerminal makes sure that what is open is that terminal, of the devpts whose device is
// given, and the account's.
func ownTerminal(fd, index int, uid uint32, devpts uint64) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	n, ok := int(unix.Minor(st.Rdev)), unix.Major(st.Rdev) == ptsMajor
	switch {
	case st.Mode&unix.S_IFMT != unix.S_IFCHR || !ok || n != index || st.Dev != devpts:
		return fmt.Errorf("/dev/pts/%d is not a terminal of this host", index)
	case !fromServer(st.Uid == uid):
		return fmt.Errorf("/dev/pts/%d belongs to uid %d, not to the server's account", index, st.Uid)
	}
	return nil
}

// hasTerminal makes sure that the standard input of a process is this host's terminal with
// that inode, open for reading and writing.
func hasTerminal(pid int, ino uint64) error {
	mounts, err := terminalMounts()
	if err != nil {
		return err
	}
	d, err := descriptorOf(pid, "0")
	if err != nil {
		return err
	}
	if !fromServer(d.both && mounts[d.mount] && d.ino == ino) {
		return fmt.Errorf("the standard input of process %d is not its terminal, of this host", pid)
	}
	return nil
}

// descriptor is what the kernel says of one in one read (proc_pid_fdinfo(5)): the file that
// it says it of is one and the same.
type descriptor struct {
	both  bool // open for reading and writing
	mount string
	ino   uint64
	index string // of a terminal whose other end this is, else ""
}

// errNoInode is the error of a kernel that does not say which file a descriptor is of.
var errNoInode = errors.New("the kernel does not say which file a descriptor is of: isolated servers need Linux 5.14")

func descriptorOf(pid int, fd string) (descriptor, error) {
	info, err := procfs.Read(pid, "fdinfo/"+fd, maxInfo)
	if err != nil {
		return descriptor{}, err
	}
	flags, err := strconv.ParseInt(infoOf(info, "flags"), 8, 64)
	if err != nil {
		return descriptor{}, fmt.Errorf("descriptor %s of process %d: %w", fd, pid, err)
	}
	ino, err := strconv.ParseUint(infoOf(info, "ino"), 10, 64)
	if err != nil {
		return descriptor{}, errNoInode
	}
	return descriptor{flags&(unix.O_ACCMODE|unix.O_PATH) == unix.O_RDWR, infoOf(info, "mnt_id"), ino, infoOf(info, "tty-index")}, nil
}

const maxInfo = 4096

// infoOf gives a field of a file of fdinfo.
func infoOf(info []byte, field string) string {
	for line := range lines(info) {
		if v, ok := strings.CutPrefix(line, field+":"); ok {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// terminalMounts gives the numbers of the mounts here that have this host's /dev/pts.
func terminalMounts() (map[string]bool, error) {
	var st unix.Stat_t
	if err := unix.Stat(pts, &st); err != nil {
		return nil, err
	}
	info, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	device := fmt.Sprintf("%d:%d", unix.Major(st.Dev), unix.Minor(st.Dev))
	out := map[string]bool{}
	for line := range lines(info) {
		if f := strings.Fields(line); len(f) > 3 && f[2] == device {
			out[f[0]] = true
		}
	}
	return out, nil
}

// opener is a file that makes terminals of this host.
type opener struct {
	mount string
	ino   uint64
}

// openers gives them: the one in this host's devpts, by each mount of it, and /dev/ptmx where
// it is a file of its own, which makes them in the devpts that is at pts beside it (devpts in
// the kernel's documentation) — by that very mount: elsewhere another one may be beside it.
func openers() (map[opener]bool, error) {
	mounts, err := terminalMounts()
	if err != nil {
		return nil, err
	}
	out := map[opener]bool{}
	var st unix.Stat_t
	if err := unix.Stat(filepath.Join(pts, "ptmx"), &st); err == nil {
		for m := range mounts {
			out[opener{m, st.Ino}] = true
		}
	}
	var x unix.Statx_t
	if err := unix.Statx(unix.AT_FDCWD, "/dev/ptmx", 0, unix.STATX_INO|unix.STATX_MNT_ID, &x); err == nil && x.Mask&unix.STATX_MNT_ID != 0 {
		out[opener{strconv.FormatUint(x.Mnt_id, 10), x.Ino}] = true
	}
	return out, nil
}

// maxDescriptors is how many descriptors of a tmux server are looked at.
const maxDescriptors = 8192

// holdsTerminal reports whether the tmux server holds the other end of this host's terminal
// of that number.
func (s *server) holdsTerminal(index int) (bool, error) {
	return holdsTerminal(s.rec.PID, index)
}

func holdsTerminal(pid, index int) (bool, error) {
	made, err := openers()
	if err != nil {
		return false, err
	}
	dir, err := os.Open(procFile(pid, "fdinfo"))
	if err != nil {
		return false, err
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(maxDescriptors) // what cannot be listed is not held
	for _, name := range names {
		d, err := descriptorOf(pid, name)
		switch {
		case errors.Is(err, errNoInode):
			return false, err
		case err == nil && d.index == strconv.Itoa(index) && made[opener{d.mount, d.ino}]:
			return true, nil
		}
	}
	return false, nil
}
