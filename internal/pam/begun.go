package pam

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Begun is a login that has begun for another process, which goes on with it by its line.
type Begun struct {
	p    *process
	line *os.File
}

// Begin starts a process for a login and tells it the service and the account. Which those are
// is settled with that: the line has no message for it any more. left is called when the
// process has ended, or does not end.
func Begin(ctx context.Context, program string, r Request, left func()) (*Begun, error) {
	err := errors.Join(CheckService(r.Service), CheckName(r.Account))
	var p *process
	if err == nil {
		p, err = startProcess(program, left)
	}
	if err != nil {
		left()
		return nil, err
	}
	stop := context.AfterFunc(ctx, p.hush)
	defer stop()
	c := conversation{p: p}
	err = c.begin(ctx, r)
	b := &Begun{p: p}
	if err == nil {
		b.line, err = b.copied()
	}
	if err != nil {
		p.end()
		return nil, fmt.Errorf("begin a login: %w", err)
	}
	go b.shut()
	return b, nil
}

// copied gives the line once more. Ours stays open until the end, so that the process does not end
// by itself, and leave behind what it has started, when the other lets go of theirs.
func (b *Begun) copied() (*os.File, error) {
	var fd int
	err := b.control(func(line int) (err error) {
		fd, err = unix.FcntlInt(uintptr(line), unix.F_DUPFD_CLOEXEC, 3)
		return err
	})
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), "pam"), nil
}

// shut has the other read to the end once the process has ended, also where something that it
// has started has the line still.
func (b *Begun) shut() {
	select {
	case <-b.p.exited:
		_ = b.control(func(line int) error { return unix.Shutdown(line, unix.SHUT_RDWR) }) // it may be closed
	case <-b.p.gone:
	}
}

func (b *Begun) control(do func(fd int) error) error {
	raw, err := b.p.line.SyscallConn()
	if err != nil {
		return err
	}
	var done error
	err = raw.Control(func(fd uintptr) { done = do(int(fd)) })
	return errors.Join(err, done)
}

// Line is the line of the login, for another process. It is closed by whoever gives it away.
func (b *Begun) Line() *os.File { return b.line }

// End ends the process, and what it has started.
func (b *Begun) End() { b.p.end() }
