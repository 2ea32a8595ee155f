package pane

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"syscall"

	"golang.org/x/sys/unix"
)

// Session is what is to run on a terminal. It comes from whoever has root's rights, and
// is believed.
type Session struct {
	// Form is that of this type in the release that has written it: the programs through which it
	// goes are read from the disk one after the other, and may be of several.
	Form     string
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

	// Account is the name of UID. Owner is the server's name, Person who asked for the
	// pane, or the account that did, and TTY the path of the terminal.
	Account, Owner, Person, TTY string
	// ID tells the server from another of that name, as one of another muxward here.
	ID string
	// ServerGroups are the groups of isolated servers' accounts, which are in nobody else's groups.
	ServerGroups []uint32
	// Fixed are the names of variables in Env that PAM does not set.
	Fixed []string
	// Rules has PAM asked; nil asks nothing.
	Rules *Rules
	// Bounds are those of its cgroup.
	Bounds Bounds

	// The rest is filled in on the way. Branched: it has a cgroup2, which whoever becomes the
	// session begins in. Join are cgroups that it enters by itself. Limits are those of
	// its processes, where PAM has a word in that. Keyed: it has a keyring. Said is what
	// modules had to tell.
	Branched bool
	Join     []string
	Limits   []Limit
	Keyed    bool
	Said     string

	// why is where the log's word goes of a program that cannot be run, in each process on
	// the way; nil: nowhere.
	why *os.File
}

const maxSession = 1 << 20

// sessionVersion changes when a field comes to mean something else.
const sessionVersion = 1

// sessionForm is the form of sessions in this release: two that have other fields have another.
func sessionForm() string {
	sum := fnv.New64a()
	describe(sum, reflect.TypeFor[Session]())
	return fmt.Sprintf("%d-%016x", sessionVersion, sum.Sum64())
}

// describe writes the fields of a type that go into its JSON, with those of the types that it is
// made of: what is inside of types of Go's own differs between versions of Go.
func describe(w io.Writer, t reflect.Type) {
	fmt.Fprint(w, t.Kind(), " ")
	switch t.Kind() {
	case reflect.Struct:
		for i := range t.NumField() {
			if f := t.Field(i); f.IsExported() {
				fmt.Fprint(w, f.Name, " ")
				describe(w, f.Type)
			}
		}
		fmt.Fprint(w, "end ")
	case reflect.Pointer, reflect.Slice:
		describe(w, t.Elem())
	}
}

// write sends the session to a process of ours that reads it.
func (s *Session) write(w *os.File) error {
	s.Form = sessionForm()
	return errors.Join(json.NewEncoder(w).Encode(s), w.Close())
}

// errForm is the error of a session that was written by another release.
var errForm = errors.New("muxward, muxward-pane and muxward-pam are not of one release: install them together, and start muxward again")

func readSession(r io.Reader) (*Session, error) {
	var s Session
	d := json.NewDecoder(io.LimitReader(r, maxSession))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		return nil, fmt.Errorf("read what is to run: %w (%w)", err, errForm)
	}
	if s.Form != sessionForm() {
		return nil, errForm
	}
	if s.UID == 0 || s.GID == 0 || s.UID == s.Server || s.Shell == "" {
		return nil, errors.New("a pane runs as an account of its own, never as root")
	}
	return &s, nil
}

// Descriptors of the process that becomes the session: its terminal is 0, 1 and 2, and the
// program that it is another one.
const (
	enterSession = 3
	enterProgram = 4
	enterWhy     = 5
)

// errUnrun is what a pane is told; what is run there is not for everybody who sees it.
var errUnrun = errors.New("what is to run here cannot be run; muxward's log says more")

// Enter becomes the session's program. It is root, in a session of its own, whose
// controlling terminal becomes the pane's. It returns only if something has failed; then there
// is no session, and the log is told why by whoever reads there.
func Enter() error {
	unix.CloseOnExec(enterWhy)
	err := enter()
	_, _ = unix.Write(enterWhy, []byte(clip(err.Error()))) // they may have gone
	return errUnrun
}

// enter returns only if something has failed.
func enter() error {
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
	for _, dir := range s.Join {
		if err := os.WriteFile(dir+"/cgroup.procs", []byte("0"), 0); err != nil {
			return fmt.Errorf("enter the session's cgroup: %w", err)
		}
	}
	restoreSignals()
	unix.Umask(s.Umask)
	if err := raiseLimits(s.Limits); err != nil {
		return err
	}
	if err := s.become(); err != nil {
		return err
	}
	if s.Said != "" {
		_, _ = os.Stdout.WriteString(s.Said) // whoever looks sees the shell as well
	}
	for _, dir := range []string{s.Dir, s.Home, "/"} {
		if dir != "" && unix.Chdir(dir) == nil {
			break
		}
	}
	program, argv := s.program()
	if err := setLimits(s.Limits); err != nil {
		return err
	}
	return fmt.Errorf("run %s: %w", program, syscall.Exec(program, argv, s.Env))
}

// program is what the session begins with.
func (s *Session) program() (path string, argv []string) {
	switch {
	case len(s.Argv) > 0:
		return s.Argv[0], s.Argv
	case s.Command != "":
		return s.Shell, []string{filepath.Base(s.Shell), "-c", s.Command}
	}
	return s.Shell, []string{"-" + filepath.Base(s.Shell)}
}

// become takes the account's rights and gives ours up, for good.
func (s *Session) become() error {
	if err := unix.CloseRange(enterSession, ^uint(0), unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return fmt.Errorf("close what is open: %w", err)
	}
	if !s.Keyed {
		if err := newKeyring(); err != nil {
			return err
		}
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

// newKeyring leaves what the kernel keeps for sessions of root, for an anonymous keyring.
func newKeyring() error {
	_, err := unix.KeyctlInt(unix.KEYCTL_JOIN_SESSION_KEYRING, 0, 0, 0, 0)
	if err != nil && !errors.Is(err, unix.ENOSYS) && !errors.Is(err, unix.EPERM) {
		return fmt.Errorf("leave our keyring: %w", err)
	}
	return nil
}
