//go:build cgo

// Command muxward-pam asks PAM about one login at the ssh door, or opens and closes the
// session of one pane of an isolated server. muxward or muxward-pane starts it, speaks
// with it over descriptor 3 (docs/protocol/pam.md), and ends it: modules may do what they
// like to this process. It is the only program of the project that is linked with C.
package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	libpam "github.com/msteinert/pam/v2"
	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/pam"
	"github.com/muxward/muxward/internal/pane"
)

// onFirst keeps this goroutine on the thread that the process began with: some modules
// look at what the kernel has of the process under the number of the thread they run on.
// In main it would be too late to be sure.
var onFirst = keepThread()

func keepThread() bool {
	runtime.LockOSThread()
	return unix.Gettid() == unix.Getpid()
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "muxward-pam:", err)
		os.Exit(1)
	}
}

func run() error {
	if len(os.Args) == 2 && os.Args[1] == pane.OpenArg {
		return openSession()
	}
	unix.Umask(0o077)
	unix.CloseOnExec(pam.LineFD)
	kind, err := unix.GetsockoptInt(pam.LineFD, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err != nil || kind != unix.AF_UNIX {
		return errors.New("this is started by muxward, which asks PAM by it; there is nothing to do here by hand")
	}
	if !onFirst {
		return errors.New("this goroutine is not on the first thread")
	}
	if err := confine(); err != nil {
		return err
	}
	line := os.NewFile(pam.LineFD, "line")
	defer line.Close()
	return pam.Serve(line, begin)
}

// confine keeps passwords out of dumps and from debuggers, and has what modules start
// found: see the sweep of internal/pam.
func confine() error {
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return fmt.Errorf("have no core files: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("keep debuggers out: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("keep what modules start: %w", err)
	}
	return nil
}

// transaction is libpam's.
type transaction struct{ t *libpam.Transaction }

// begin begins one.
func begin(r pam.Request, converse pam.Converse) (pam.Transaction, error) {
	t, err := libpam.StartFunc(r.Service, r.Account, func(s libpam.Style, text string) (string, error) {
		return converse(style(s), text)
	})
	if err != nil {
		return nil, err
	}
	if err := errors.Join(withoutDelay(t), t.SetItem(libpam.Rhost, r.From), t.SetItem(libpam.Tty, "ssh")); err != nil {
		return nil, errors.Join(err, t.End())
	}
	return transaction{t}, nil
}

// style is "" for what PAM may not ask here, which the other side refuses.
func style(s libpam.Style) pam.Style {
	switch s {
	case libpam.PromptEchoOn:
		return pam.Shown
	case libpam.PromptEchoOff:
		return pam.Hidden
	case libpam.TextInfo:
		return pam.Info
	case libpam.ErrorMsg:
		return pam.Wrong
	}
	return ""
}

// Authenticate takes no empty passwords, whatever the stack says.
func (t transaction) Authenticate() error { return t.t.Authenticate(libpam.DisallowNullAuthtok) }

func (t transaction) Account() (expired bool, err error) {
	err = t.t.AcctMgmt(libpam.DisallowNullAuthtok)
	if errors.Is(err, libpam.ErrNewAuthtokReqd) {
		return true, nil
	}
	return false, err
}

func (t transaction) Change() error { return t.t.ChangeAuthTok(libpam.ChangeExpiredAuthtok) }

func (t transaction) User() (string, error) { return t.t.GetItem(libpam.User) }

func (t transaction) End() error { return t.t.End() }
