package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/siblings"
)

// Serving is what a running muxward leaves for its own commands to find it: in its
// state directory, and where that is the account's that it runs as, muxward-helper in
// RUN.
type Serving struct {
	PID    int    `json:"pid"`
	Ctl    string `json:"ctl"`
	Doors  string `json:"doors"`
	Policy string `json:"policy"`
	// State is the state directory, and File the configuration, "" if there is none.
	State string `json:"state,omitempty"`
	File  string `json:"file,omitempty"`
	// Tmux is the program that clients are to run.
	Tmux string `json:"tmux,omitempty"`
	// Account is what muxward runs as beside muxward-helper, if it does.
	Account string `json:"account,omitempty"`
	// SSH is the SSH door, if it is open.
	SSH *ServingSSH `json:"ssh,omitempty"`
}

// ServingSSH is the SSH door as its clients need it.
type ServingSSH struct {
	Addr        string `json:"addr"`
	Fingerprint string `json:"fingerprint"`
	HostKey     string `json:"host_key"`
	// Authority is the key that has certified the host key, if any.
	Authority string `json:"authority,omitempty"`
	// TOTP is the file of secrets for codes, if there is one.
	TOTP string `json:"totp,omitempty"`
}

const servingFile = "serve.json"

// maxServing bounds it.
const maxServing = 64 << 10

// Save writes where we serve. The directory has to be ours alone.
func (s Serving) Save(dir string) error {
	data, err := json.Marshal(s)
	if err != nil {
		return err
	}
	path := filepath.Join(dir, servingFile)
	if err := os.WriteFile(path+".new", append(data, '\n'), 0o644); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// notServing is the error where there is no muxward; it is fs.ErrNotExist.
type notServing struct{ error }

func (notServing) Is(target error) bool { return target == fs.ErrNotExist }

// AskedServing reads where the muxward serves, or served last, that somebody's command is
// for: of the state directory that was given, else of MUXWARD_STATE's, else the one whose
// doors they go through, else their own, else the host's, which on a host that is shared is
// the only one that there is. doors is the TMUX_TMPDIR by which they go through one, "" if
// that says nothing. passed is the state directory of their own muxward where they have one
// and it is the host's all the same: whoever means the one must not take the other for it.
func AskedServing(given, doors string) (s Serving, passed string, err error) {
	host, _, _ := System()
	own, err := StateDir(given)
	switch {
	case err != nil && given == "" && os.Getenv("MUXWARD_STATE") == "": // they have no home
		s, hostErr := FindServing(host)
		if hostErr != nil {
			return s, "", errors.Join(err, hostErr)
		}
		return s, "", nil
	case err != nil:
		return Serving{}, "", err
	case given != "" || os.Getenv("MUXWARD_STATE") != "" || own == host:
		s, err = FindServing(own)
		return s, "", err
	}
	return eitherServing(own, host, doors)
}

// eitherServing chooses between somebody's own muxward and the host's: the one whose doors
// they go through, else their own as long as there is one.
func eitherServing(own, host, doors string) (s Serving, passed string, err error) {
	ours, err := FindServing(own)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return ours, "", err
	}
	if doors != "" {
		doors = filepath.Clean(doors)
	}
	theirs, hostErr := FindServing(host)
	switch {
	case errors.Is(hostErr, fs.ErrNotExist) && err != nil:
		return Serving{}, "", notServing{fmt.Errorf("no muxward has served from %s, nor from the host's %s; start it with: muxward serve, "+
			"have whoever looks after this host start the host's, or name its state directory with --state", own, host)}
	case err != nil:
		return theirs, "", hostErr
	case hostErr == nil && ours.Doors != doors && (theirs.Doors == doors || !there(ours.Ctl)):
		return theirs, own, nil
	}
	return ours, "", nil
}

func there(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// FindServing reads where the muxward of a state directory serves, or served
// last. What it gives was written by root or by whoever we are. A state directory that
// is another account's says only where to look: what counts is in RUN, where
// muxward-helper has written it.
func FindServing(state string) (Serving, error) {
	none := notServing{fmt.Errorf("no muxward has served from %s; start it with: muxward serve, or name its state "+
		"directory with --state", state)}
	var at unix.Stat_t
	fd, err := unix.Open(state, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) {
		return Serving{}, none
	}
	if err != nil {
		return Serving{}, &fs.PathError{Op: "open", Path: state, Err: err}
	}
	defer unix.Close(fd)
	if err := unix.Fstat(fd, &at); err != nil {
		return Serving{}, &fs.PathError{Op: "stat", Path: state, Err: err}
	}
	s, owner, err := readServing(fd, filepath.Join(state, servingFile))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Serving{}, none
	case err != nil:
		return Serving{}, err
	case trusted(at.Uid) && trusted(owner):
		return s, nil
	}
	return helpersServing(s.Doors, state, at)
}

// trusted reports whether what an account has written is believed: root's, and our own.
func trusted(uid uint32) bool { return uid == 0 || uid == uint32(os.Geteuid()) }

// readServing reads the file of an open directory, of which no byte need be true.
func readServing(dir int, path string) (s Serving, owner uint32, err error) {
	fd, err := unix.Openat(dir, servingFile, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return s, 0, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	f := os.NewFile(uintptr(fd), path)
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return s, 0, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return s, 0, fmt.Errorf("%s is no file; see what it is, and start muxward again", path)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxServing))
	if err != nil {
		return s, 0, err
	}
	if err := json.Unmarshal(data, &s); err != nil {
		return s, 0, fmt.Errorf("%s cannot be read: %w; start muxward again", path, err)
	}
	return s, st.Uid, nil
}

// helpersServing reads what muxward-helper has written for a state directory of another
// account's: below doors, which that account has named, where all has to be root's, and
// has to name this directory.
func helpersServing(doors, state string, at unix.Stat_t) (Serving, error) {
	theirs := fmt.Errorf("%s is uid %d's, and what stands there is not believed by anybody else", state, at.Uid)
	if !filepath.IsAbs(doors) {
		return Serving{}, fmt.Errorf("%w; run this as that account", theirs)
	}
	path, err := siblings.RealAbove(filepath.Join((&Config{Doors: doors}).Run(), servingFile))
	run := filepath.Dir(path)
	if err == nil {
		_, err = os.Lstat(path)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return Serving{}, notServing{fmt.Errorf("%w; no muxward-helper serves from there: start it, or run this as that account", theirs)}
	}
	if err == nil {
		err = siblings.CheckPath(path)
	}
	if err != nil {
		return Serving{}, fmt.Errorf("%w, and what should be muxward-helper's is not either: %w", theirs, err)
	}
	dir, err := unix.Open(run, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return Serving{}, &fs.PathError{Op: "open", Path: run, Err: err}
	}
	defer unix.Close(dir)
	s, owner, err := readServing(dir, path)
	if err != nil {
		return Serving{}, err
	}
	var of unix.Stat_t
	if err := unix.Stat(s.State, &of); err != nil || owner != 0 || of.Dev != at.Dev || of.Ino != at.Ino {
		return Serving{}, fmt.Errorf("%w, and %s is not muxward-helper's of that directory", theirs, path)
	}
	return s, nil
}
