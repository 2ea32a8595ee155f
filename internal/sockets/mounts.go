package sockets

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// mount is what we use of a line of /proc/self/mountinfo (proc(5)).
type mount struct {
	point string
	fs    string
	upper string // of an overlay: the directory that takes what is written
}

// mounts is the list, in the kernel's order.
type mounts []mount

func parseMounts(data []byte) mounts {
	var out mounts
	for line := range bytes.Lines(data) {
		f := strings.Fields(string(line))
		sep := -1
		for i := 6; i < len(f); i++ {
			if f[i] == "-" {
				sep = i
				break
			}
		}
		if sep < 0 || len(f) < sep+3 {
			continue
		}
		m := mount{point: unescapeMount(f[4]), fs: f[sep+1]}
		if m.fs == "overlay" && len(f) > sep+3 {
			for opt := range strings.SplitSeq(f[sep+3], ",") {
				if dir, ok := strings.CutPrefix(opt, "upperdir="); ok {
					m.upper = unescapeMount(dir)
				}
			}
		}
		out = append(out, m)
	}
	return out
}

// unescapeMount undoes \ooo, which stands for blanks, backslashes and more.
func unescapeMount(s string) string {
	var out []byte
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				out = append(out, byte(n))
				i += 3
				continue
			}
		}
		out = append(out, s[i])
	}
	return string(out)
}

// of gives the mount a path is on, going by the path alone: nothing is touched,
// as an automounter, or a file system that hangs, would notice.
func (all mounts) of(path string) mount {
	var best mount
	for _, m := range all {
		if m.point != "" && under(path, m.point) && len(m.point) >= len(best.point) {
			best = m // a later one lies over an earlier one
		}
	}
	return best
}

// far says why a socket in dir may be listened at from where neither our kernel
// nor our path to it leads.
func (all mounts) far(dir string) string {
	if fs := all.of(dir).fs; !local(fs) {
		return "it is on a file system (" + escape(fs) + ") that other hosts may use, too"
	}
	for _, m := range all {
		// One that is relative is so to a directory that nobody tells.
		if filepath.IsAbs(m.upper) && under(dir, m.upper) || m.upper != "" && !filepath.IsAbs(m.upper) && strings.Contains(dir+"/", "/"+m.upper+"/") {
			return "it is the layer of a container, which has it at " + cmp.Or(escape(m.point), "/")
		}
	}
	return ""
}

// local lists the file systems that are this kernel's alone.
func local(fs string) bool {
	switch fs {
	case "ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "tmpfs", "ramfs", "rootfs", "zfs", "jfs", "reiserfs",
		"bcachefs", "nilfs2", "overlay", "squashfs", "erofs":
		return true
	}
	return false
}

func under(path, dir string) bool {
	return path == dir || dir == "/" || strings.HasPrefix(path, dir+"/")
}

// localTypes are the same by their numbers in statfs(2).
func localTypes() []int64 {
	const zfs, jfs, bcachefs = 0x2fc12fc1, 0x3153464a, 0xca451a4e
	return []int64{unix.EXT4_SUPER_MAGIC, unix.XFS_SUPER_MAGIC, unix.BTRFS_SUPER_MAGIC, unix.F2FS_SUPER_MAGIC, unix.TMPFS_MAGIC,
		unix.RAMFS_MAGIC, unix.OVERLAYFS_SUPER_MAGIC, unix.REISERFS_SUPER_MAGIC, unix.NILFS_SUPER_MAGIC, unix.SQUASHFS_MAGIC,
		unix.EROFS_SUPER_MAGIC_V1, zfs, jfs, bcachefs}
}

// farAt says why a socket that is held, or that is in a directory that is held, may
// be listened at from where neither our kernel nor our path to it leads. It goes by
// where the thing is, wherever links to it led.
func (l *looker) farAt(fd int, dir bool) string {
	var st unix.Statfs_t
	if err := unix.Fstatfs(fd, &st); err != nil {
		return "its file system does not say what it is: " + err.Error()
	}
	path, err := os.Readlink(procFD(fd))
	if err != nil || !filepath.IsAbs(path) {
		return "where it is cannot be told"
	}
	if !dir {
		path = filepath.Dir(path)
	}
	if why := l.mounts.far(path); why != "" {
		return why
	}
	if !slices.Contains(localTypes(), int64(st.Type)) {
		return fmt.Sprintf("it is on a file system (of type %#x) that other hosts may use, too", st.Type)
	}
	for _, dir := range append(slices.Clone(l.opt.Far), l.exports...) {
		if under(path, dir) {
			return "other hosts have " + escape(dir) + ", too"
		}
	}
	return ""
}

// parseExports gives the directories that other hosts may mount, from a list of
// exports(5) as the kernel or exportfs(8) keeps it.
func parseExports(data []byte) (dirs []string) {
	for line := range bytes.Lines(data) {
		if f := strings.Fields(string(line)); len(f) > 0 && strings.HasPrefix(f[0], "/") {
			dirs = append(dirs, unescapeMount(f[0]))
		}
	}
	return dirs
}

// readMounts reads what file systems are here, and what of them is somewhere else.
func (l *looker) readMounts() error {
	info, err := os.ReadFile(l.proc + "/self/mountinfo")
	if err != nil {
		return fmt.Errorf("the mounts of this host: %w", err)
	}
	l.mounts = parseMounts(info)
	for _, list := range []string{"/proc/fs/nfsd/exports", "/var/lib/nfs/etab"} {
		if data, err := readFile(list, maxProcList); err == nil { // else there are none, or they are not for us to see
			l.exports = append(l.exports, parseExports(data)...)
		}
	}
	return nil
}

// layers adds the layers of containers that servers are in, which our own list of
// mounts need not have.
func (l *looker) layers(ctx context.Context, processes []process) {
	seen := map[string]bool{}
	for _, p := range processes {
		if !slices.Contains(p.apart, "mnt") {
			continue
		}
		at := fmt.Sprintf("%s/%d", l.proc, p.pid)
		ns, err := os.Readlink(at + "/ns/mnt")
		if err != nil || seen[ns] || ctx.Err() != nil {
			continue
		}
		seen[ns] = true
		info, err := readFile(at+"/mountinfo", maxProcList)
		if err != nil {
			continue // it has ended
		}
		for _, m := range parseMounts(info) {
			if m.upper != "" {
				l.mounts = append(l.mounts, mount{point: "", upper: m.upper})
			}
		}
	}
}
