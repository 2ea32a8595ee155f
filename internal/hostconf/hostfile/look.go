package hostfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// account is the one that muxward setup makes, and its group.
const account = "muxward"

// Look finds what has to be known of a host whose files are below root, "" for /, to say
// what it is to have. policyDir is its policy directory. What is no regular file is not
// looked at: an apply refuses to write there.
func Look(root, policyDir string) (Present, error) {
	p := Present{Files: map[string]Seen{}}
	for _, name := range Shared() {
		seen, err := see(filepath.Join("/", root, name))
		switch {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ELOOP), errors.Is(err, unix.ENOTDIR):
		case err != nil:
			return p, err
		default:
			p.Files[name] = seen
		}
	}
	if group, err := see(filepath.Join("/", root, "etc/group")); err == nil && strings.Contains("\n"+group.Content, "\n"+account+":") {
		p.Group = account
	}
	d, err := os.Open(filepath.Join("/", root, policyDir))
	if errors.Is(err, fs.ErrNotExist) {
		return p, nil
	}
	if err != nil {
		return p, err
	}
	defer d.Close()
	p.Policy, err = d.Readdirnames(maxFiles + 1)
	if err != nil && !errors.Is(err, io.EOF) {
		return p, fmt.Errorf("%s: %w", d.Name(), err)
	}
	if len(p.Policy) > maxFiles {
		return p, fmt.Errorf("%s: more than %d files", d.Name(), maxFiles)
	}
	return p, nil
}

func see(at string) (Seen, error) {
	f, err := os.OpenFile(at, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return Seen{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return Seen{}, err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || !info.Mode().IsRegular() {
		return Seen{}, fs.ErrNotExist
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("%s: larger than %d bytes", at, maxFile)
	}
	return Seen{Content: string(data), Owner: strconv.Itoa(int(st.Uid)), Group: strconv.Itoa(int(st.Gid)), Mode: st.Mode & 0o7777}, err
}
