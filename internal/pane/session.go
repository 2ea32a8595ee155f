package pane

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// Session is what is to run on a terminal. It comes from whoever has root's rights, and
// is believed.
type Session struct {
	UID, GID uint32
	Groups   []uint32
	Shell    string
	Home     string
	// Dir is where the account would like to begin; where it may not, it is its home.
	Dir     string
	Command string // "" is a login shell
	// Argv, if it is set, is a program that runs in the place of the shell, by its path.
	Argv  []string
	Env   []string
	Umask int
	// Server is the account that the terminal goes back to.
	Server uint32
	// TTYGroup is the group that may write to terminals (write(1)), or -1.
	TTYGroup int
}

const maxSession = 1 << 20

// write sends the session to a process of ours that reads it.
func (s *Session) write(w *os.File) error {
	return errors.Join(json.NewEncoder(w).Encode(s), w.Close())
}

func readSession(r io.Reader) (*Session, error) {
	var s Session
	if err := json.NewDecoder(io.LimitReader(r, maxSession)).Decode(&s); err != nil {
		return nil, fmt.Errorf("read what is to run: %w", err)
	}
	if s.UID == 0 || s.GID == 0 || s.UID == s.Server || s.Shell == "" {
		return nil, errors.New("a pane runs as an account of its own, never as root")
	}
	return &s, nil
}

// Descriptors of the process that becomes the session: its terminal is 0, 1 and 2.
const enterSession = 3

// Enter becomes the session's program. It is root, in a session of its own, whose
// controlling terminal becomes the pane's. It returns only if something has failed; then there
// is no session.
func Enter() error {
	unix.CloseOnExec(enterSession)
	in := os.NewFile(enterSession, "session")
	s, err := readSession(in)
	if err != nil {
		return err
	}
	_ = in.Close() // it was read
	// Without force: muxward-pane has given it up, and any other session keeps it
	// (ioctl_tty(2)).
	if err := unix.IoctlSetInt(0, unix.TIOCSCTTY, 0); err != nil {
		return fmt.Errorf("take the terminal, which is to be no other session's: %w", err)
	}
	restoreSignals()
	unix.Umask(s.Umask)
	if err := s.become(); err != nil {
		return err
	}
	for _, dir := range []string{s.Dir, s.Home, "/"} {
		if dir != "" && unix.Chdir(dir) == nil {
			break
		}
	}
	if len(s.Argv) > 0 {
		return fmt.Errorf("run %s: %w", s.Argv[0], syscall.Exec(s.Argv[0], s.Argv, s.Env))
	}
	argv := []string{"-" + filepath.Base(s.Shell)}
	if s.Command != "" {
		argv = []string{filepath.Base(s.Shell), "-c", s.Command}
	}
	return fmt.Errorf("run %s: %w", s.Shell, syscall.Exec(s.Shell, argv, s.Env))
}

// become takes the account's rights and gives ours up, for good.
func (s *Session) become() error {
	if err := unix.CloseRange(enterSession, ^uint(0), unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return fmt.Errorf("close what is open: %w", err)
	}
	// What the kernel keeps for sessions of root is not for this one: an anonymous keyring.
	if _, err := unix.KeyctlInt(unix.KEYCTL_JOIN_SESSION_KEYRING, 0, 0, 0, 0); err != nil && !errors.Is(err, unix.ENOSYS) && !errors.Is(err, unix.EPERM) {
		return fmt.Errorf("leave our keyring: %w", err)
	}
	groups := make([]int, len(s.Groups))
	for i, g := range s.Groups {
		groups[i] = int(g)
	}
	if err := syscall.Setgroups(groups); err != nil {
		return fmt.Errorf("take the groups: %w", err)
	}
	if err := syscall.Setresgid(int(s.GID), int(s.GID), int(s.GID)); err != nil {
		return fmt.Errorf("take the group: %w", err)
	}
	if err := syscall.Setresuid(int(s.UID), int(s.UID), int(s.UID)); err != nil {
		return fmt.Errorf("take the account: %w", err)
	}
	if os.Getuid() != int(s.UID) || os.Geteuid() != int(s.UID) || syscall.Setuid(0) == nil {
		return errors.New("root's rights do not go")
	}
	return nil
}
