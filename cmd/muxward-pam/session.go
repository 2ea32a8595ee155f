//go:build cgo

package main

import (
	"errors"
	"os"

	libpam "github.com/msteinert/pam/v2"
	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/pane"
)

// openSession opens the session of a pane, from the thread that the process began with: an
// audit session is for that one to begin (pam_loginuid).
func openSession() error {
	kind, err := unix.GetsockoptInt(pane.OpenLine, unix.SOL_SOCKET, unix.SO_DOMAIN)
	switch {
	case err != nil || kind != unix.AF_UNIX || os.Getuid() != 0:
		return errors.New("this is started by muxward-pane; there is nothing to do here by hand")
	case !onFirst:
		return errors.New("this goroutine is not on the first thread")
	}
	return pane.Open(beginSession)
}

// session is libpam's transaction.
type session struct{ t *libpam.Transaction }

func beginSession(a pane.Asked) (pane.Transaction, error) {
	t, err := libpam.StartFunc(a.Service, a.Account, func(s libpam.Style, text string) (string, error) {
		switch s {
		case libpam.TextInfo, libpam.ErrorMsg:
			a.Tell(text)
			return "", nil
		}
		return "", errors.New("nobody is there to answer") // a pane begins by itself
	})
	if err != nil {
		return nil, err
	}
	err = t.SetItem(libpam.Tty, a.TTY)
	if a.Person != "" {
		err = errors.Join(err, t.SetItem(libpam.Ruser, a.Person))
	}
	if err != nil {
		return nil, errors.Join(err, t.End())
	}
	return session{t}, nil
}

// Account lets nobody in whose password has expired: nobody is there to give another one.
func (s session) Account() error   { return s.t.AcctMgmt(0) }
func (s session) Establish() error { return s.t.SetCred(libpam.EstablishCred) }
func (s session) Delete() error    { return s.t.SetCred(libpam.DeleteCred) }
func (s session) Open() error      { return s.t.OpenSession(0) }
func (s session) Close() error     { return s.t.CloseSession(0) }

func (s session) User() (string, error) { return s.t.GetItem(libpam.User) }

func (s session) Environ() ([]string, error) {
	set, err := s.t.GetEnvList()
	var out []string
	for k, v := range set {
		out = append(out, k+"="+v)
	}
	return out, err
}

func (s session) End() error { return s.t.End() }
