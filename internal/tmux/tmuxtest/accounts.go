package tmuxtest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// Account is an account that exists while the tests run. The zero Account
// stands for the one the tests run as.
type Account struct {
	Name     string
	UID, GID uint32
	Home     string // mode 0700, owned by the account
}

// Names of the accounts. Each has a group of its own with the same number.
const (
	Alice   = "mwalice"
	Bob     = "mwbob"
	Carol   = "mwcarol"
	Mallory = "mwmallory"
	// Work is nobody's: people share it.
	Work = "mwwork"
	// Ward is what muxward runs as where it has no rights of root's.
	Ward = "mwward"

	firstUID = 61001
)

func accounts(base string) []Account {
	var all []Account
	for i, name := range []string{Alice, Bob, Carol, Mallory, Work, Ward} {
		id := uint32(firstUID + i)
		all = append(all, Account{Name: name, UID: id, GID: id, Home: filepath.Join(base, "home", name)})
	}
	return all
}

// Accounts is [Main] for packages whose tests need more than one account. As
// root it runs the tests in a child with a mount namespace of its own, where
// copies of /etc/passwd and /etc/group that hold the accounts lie over the
// real ones and the base directory is a file system in memory. As anybody
// else the tests run as they are, and those that call [As] are skipped.
func Accounts(m Runner) int {
	if code, ok := role(); ok {
		return code
	}
	if os.Geteuid() != 0 {
		return runTests(m)
	}
	if os.Getenv(roleVar) != roleTests {
		return isolate()
	}
	if err := setUpAccounts(os.Getenv(baseVar)); err != nil {
		return complain(fmt.Errorf("accounts: %w", err))
	}
	if err := os.Setenv(nsVar, "1"); err != nil {
		return complain(err)
	}
	return runTests(m)
}

// isolate runs this binary again, in a mount namespace of its own.
func isolate() int {
	base, err := newBase()
	if err != nil {
		return complain(err)
	}
	defer removeAll(base)
	// The child is killed with the thread that started it: keep the thread.
	runtime.LockOSThread()
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(os.Environ(), roleVar+"="+roleTests, baseVar+"="+base)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, unix.SIGQUIT, unix.SIGTERM)
	if err := cmd.Start(); err != nil {
		return complain(fmt.Errorf("a mount namespace for the accounts: %w", err))
	}
	go func() {
		for s := range signals {
			_ = cmd.Process.Signal(s) // it may be gone
		}
	}()
	err = cmd.Wait()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit) && exit.ExitCode() >= 0:
		return exit.ExitCode()
	}
	return complain(err)
}

// setUpAccounts changes this process's view of the file system.
func setUpAccounts(base string) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := unix.Mount("tmpfs", base, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=0755"); err != nil {
		return fmt.Errorf("tmpfs on %s: %w", base, err)
	}
	var passwd, group strings.Builder
	for _, a := range accounts(base) {
		shell := "/bin/sh"
		if a.Name == Ward {
			shell = "/usr/sbin/nologin" // nobody is it
		}
		fmt.Fprintf(&passwd, "%s:x:%d:%d:%s of the tests:%s:%s\n", a.Name, a.UID, a.GID, a.Name, a.Home, shell)
		fmt.Fprintf(&group, "%s:x:%d:\n", a.Name, a.GID)
		if err := os.MkdirAll(filepath.Dir(a.Home), 0o755); err != nil {
			return err
		}
		if err := os.Mkdir(a.Home, 0o700); err != nil {
			return err
		}
		if err := os.Chown(a.Home, int(a.UID), int(a.GID)); err != nil {
			return err
		}
	}
	if err := overlay(base, "/etc/passwd", passwd.String()); err != nil {
		return err
	}
	const wtmp = "/var/log/wtmp" // that panes have sessions is told in one of the tests' own
	if _, err := os.Stat(wtmp); err == nil {
		if err := put(base, wtmp, nil); err != nil {
			return err
		}
	}
	if err := logIn(base, "/run/systemd/users"); err != nil {
		return err
	}
	return overlay(base, "/etc/group", group.String())
}

// logIn has the login manager of this host, if it has one, know the accounts: of who is logged
// out muxward tells that servers run for nobody.
func logIn(base, users string) error {
	known, err := os.ReadDir(users)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	dir := filepath.Join(base, "logged-in")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	names := []string{}
	for _, k := range known {
		names = append(names, k.Name())
	}
	for _, a := range accounts(base) {
		names = append(names, strconv.FormatUint(uint64(a.UID), 10))
	}
	for _, name := range names {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			return err
		}
	}
	if err := unix.Mount(dir, users, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("put the accounts over %s: %w", users, err)
	}
	return nil
}

// overlay puts a copy of the file with more lines in its place.
func overlay(base, path, more string) error {
	old, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if len(old) > 0 && old[len(old)-1] != '\n' {
		old = append(old, '\n')
	}
	return put(base, path, append(old, more...))
}

// put puts a file with that text in the place of one.
func put(base, path string, text []byte) error {
	copied := filepath.Join(base, filepath.Base(path))
	if err := os.WriteFile(copied, text, 0o644); err != nil {
		return err
	}
	if err := unix.Mount(copied, path, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("put the accounts over %s: %w", path, err)
	}
	return nil
}

// HasAccounts reports whether the accounts exist here.
func HasAccounts() bool { return os.Getenv(nsVar) != "" }

// As returns the account of that name. Without root the test is skipped; in a
// package whose TestMain does not call [Accounts] it fails.
func As(t testing.TB, name string) Account {
	t.Helper()
	dir := base(t)
	if !HasAccounts() {
		if os.Geteuid() != 0 {
			Skip(t, "needs root: runs as several accounts")
		}
		t.Fatal("tmuxtest: TestMain has to call tmuxtest.Accounts, not Main")
	}
	for _, a := range accounts(dir) {
		if a.Name == name {
			return a
		}
	}
	t.Fatalf("tmuxtest: no account %q", name)
	return Account{}
}

// SysProcAttr makes a child run as the account, with its group and no other.
// For the zero Account it is empty.
func (a Account) SysProcAttr() *syscall.SysProcAttr {
	if a.Name == "" {
		return &syscall.SysProcAttr{}
	}
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: a.UID, Gid: a.GID}}
}

// Env returns a clean environment for the account, with more appended.
func (a Account) Env(more ...string) []string {
	home, name := a.Home, a.Name
	if name == "" {
		home, name = os.Getenv("HOME"), os.Getenv("USER")
	}
	env := []string{
		"PATH=" + searchPath(), "HOME=" + home, "USER=" + name, "LOGNAME=" + name,
		"SHELL=/bin/sh", "LANG=C.UTF-8", "LC_ALL=C.UTF-8",
	}
	return append(env, more...)
}

// Command returns a command that runs as the account, in its home directory,
// with a clean environment. [Output] runs it.
func (a Account) Command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.SysProcAttr = a.SysProcAttr()
	cmd.Env = a.Env()
	cmd.Dir = "/"
	if a.Home != "" {
		cmd.Dir = a.Home
	}
	return cmd
}
