package attach

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/attach/keeper"
	"github.com/muxward/muxward/internal/attach/screen"
	"github.com/muxward/muxward/internal/ctxlock"
	"github.com/muxward/muxward/internal/failpoint"
	"github.com/muxward/muxward/internal/passed"
)

// nudgeEvery is how often a call that blocks in the kernel is freed again.
const nudgeEvery = 20 * time.Millisecond

// TTY is a person's terminal on this host, as the stock client passes it: an
// open file description that their shell shares. Therefore nothing here trusts
// that O_NONBLOCK stays set, and nothing here opens the terminal by name.
type TTY struct {
	device
	saved  screen.Saved
	keeper *keeper.Keeper // nil: nobody restores after a kill -9
	client int            // descriptor of the client's connection for the keeper, or -1

	lmu       sync.Mutex // Enter, Leave, Mark
	id        uint64     // at the keeper; 0: not held
	now, ever screen.Marks
}

var _ Terminal = (*TTY)(nil)

// OpenTTY takes over f, which it closes, whatever comes. It refuses what is
// not a terminal. The terminal's modes are remembered as they are now.
//
// If k is not nil, the terminal is put back even when this process is killed.
// client may be the person's connection to the door: then the keeper holds
// that open, too, until the terminal is back, so that their client does not
// print its last words on a screen that is about to go. It is not closed here
// and must stay open until Close.
func OpenTTY(f *os.File, k *keeper.Keeper, client *os.File) (*TTY, error) {
	defer f.Close()
	t := &TTY{keeper: k, client: -1}
	t.away.Store(true)
	fd, err := dup(f)
	if err != nil {
		return nil, err
	}
	if t.saved, err = screen.Save(fd); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("not a terminal: %w", err)
	}
	if client != nil {
		if t.client, err = dup(client); err != nil {
			unix.Close(fd)
			return nil, err
		}
	}
	if err := t.open(fd, "terminal"); err != nil {
		t.forget()
		return nil, fmt.Errorf("take over the terminal: %w", err)
	}
	return t, nil
}

func dup(f *os.File) (int, error) {
	fd, err := passed.Copy(f)
	if err != nil {
		return -1, fmt.Errorf("duplicate %s: %w", f.Name(), err)
	}
	return fd, nil
}

func (t *TTY) setFlags(flags int) error {
	_, err := unix.FcntlInt(uintptr(t.fd), unix.F_SETFL, flags)
	return err
}

// Enter implements [Terminal].
func (t *TTY) Enter() error {
	t.lmu.Lock()
	defer t.lmu.Unlock()
	if !t.away.Load() {
		return nil
	}
	return t.control(func(fd int) error {
		if t.keeper != nil {
			id, err := t.keeper.Hold(keeper.Held{
				TTY: fd, Client: t.client, Saved: t.saved, Now: t.now, Ever: t.ever})
			if err != nil {
				return err
			}
			t.id = id
		}
		err := t.makeRaw(fd)
		if err == nil {
			err = t.SetReadDeadline(time.Time{})
		}
		if err != nil { // not entered: it stays the shell's
			_ = unix.IoctlSetTermios(fd, unix.TCSETS, &t.saved.Termios)
			_ = t.setFlags(t.saved.Flags)
			t.letGo()
			return err
		}
		t.away.Store(false)
		return nil
	})
}

func (t *TTY) makeRaw(fd int) error {
	if err := t.setFlags(t.saved.Flags | unix.O_NONBLOCK); err != nil {
		return fmt.Errorf("set the terminal's flags: %w", err)
	}
	raw := t.saved.Termios
	makeRaw(&raw)
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, &raw); err != nil {
		return fmt.Errorf("set the terminal's modes: %w", err)
	}
	if err := unix.IoctlSetInt(fd, unix.TCFLSH, unix.TCOFLUSH); err != nil {
		return fmt.Errorf("flush the terminal: %w", err)
	}
	return nil
}

// letGo has the keeper forget the terminal; t.lmu is held.
func (t *TTY) letGo() {
	if t.id != 0 {
		t.keeper.Release(t.id)
		t.id = 0
	}
}

// Mark implements [Terminal].
func (t *TTY) Mark(now, ever screen.Marks) {
	t.lmu.Lock()
	defer t.lmu.Unlock()
	t.now, t.ever = now, ever
	if t.id != 0 {
		t.keeper.Mark(t.id, now, ever)
	}
}

// Leave implements [Terminal]. If ctx ends first, the terminal may still be
// given back later, but nothing else is read or written.
func (t *TTY) Leave(ctx context.Context, how Leaving) error {
	t.lmu.Lock()
	defer t.lmu.Unlock()
	if t.away.Swap(true) {
		return nil
	}
	_ = t.SetReadDeadline(longAgo)
	stuck := errors.Join(t.settle(ctx, &t.rmu), t.settle(ctx, &t.wmu))

	var fd int
	err := t.control(func(old int) (err error) {
		fd, err = unix.FcntlInt(uintptr(old), unix.F_DUPFD_CLOEXEC, 3)
		return err
	})
	if err != nil {
		return err
	}
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(time.Second)
	}
	done := make(chan error, 1)
	giveBack := func() error {
		failpoint.At("attach-restore")
		return t.saved.GiveBack(fd, screen.Restore(how.Now, how.Ever), how.Discard,
			Printable(how.Text), deadline.Add(-5*time.Millisecond))
	}
	go func() {
		defer unix.Close(fd)
		err := Guard(giveBack)
		if fault := new(Fault); errors.As(err, &fault) { // once more: it is all that the person is left with
			err = errors.Join(err, Guard(giveBack))
		}
		done <- err
	}()
	err = t.wait(ctx, done)
	t.letGo()
	return errors.Join(stuck, err)
}

// settle waits until no system call is under way under mu.
func (t *TTY) settle(ctx context.Context, mu *sync.Mutex) error {
	last := time.Now()
	err := ctxlock.LockAnd(ctx, mu, func() {
		if time.Since(last) > nudgeEvery {
			last = time.Now()
			screen.Nudge(t.fd)
		}
	})
	if err != nil {
		return fmt.Errorf("the terminal holds up a call: %w", err)
	}
	mu.Unlock()
	return nil
}

func (t *TTY) wait(ctx context.Context, done <-chan error) error {
	tick := time.NewTicker(nudgeEvery)
	defer tick.Stop()
	for {
		select {
		case err := <-done:
			return err
		case <-ctx.Done():
			return fmt.Errorf("the terminal takes no bytes: %w", ctx.Err())
		case <-tick.C:
			screen.Nudge(t.fd)
		}
	}
}

// Window implements [Terminal].
func (t *TTY) Window() (w Window, err error) {
	err = t.control(func(fd int) (err error) {
		w, err = windowOf(fd)
		return err
	})
	return w, err
}

// Erase implements [Terminal].
func (t *TTY) Erase() byte { return t.saved.Termios.Cc[unix.VERASE] }

// Drop implements [Terminal].
func (t *TTY) Drop() error {
	if t.away.Load() {
		return nil
	}
	return t.control(func(fd int) error {
		return unix.IoctlSetInt(fd, unix.TCFLSH, unix.TCOFLUSH)
	})
}

// Gone implements [Terminal]. The kernel has thrown it away at once.
func (t *TTY) Gone(context.Context) error { return nil }

// FlushInput implements [Terminal].
func (t *TTY) FlushInput() error {
	return t.control(func(fd int) error {
		return unix.IoctlSetInt(fd, unix.TCFLSH, unix.TCIFLUSH)
	})
}

// Close implements [Terminal]. If the person still makes a call block, the
// descriptor is given up as soon as they cannot any more.
func (t *TTY) Close() error {
	t.away.Store(true)
	t.forget()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	stuck := errors.Join(t.settle(ctx, &t.rmu), t.settle(ctx, &t.wmu))
	if stuck == nil {
		return t.device.Close()
	}
	go func() {
		forever := context.Background()
		_ = errors.Join(t.settle(forever, &t.rmu), t.settle(forever, &t.wmu), t.device.Close())
	}()
	return stuck
}

// forget lets go of what is held beside the terminal itself: it at the keeper,
// and the client's connection.
func (t *TTY) forget() {
	t.lmu.Lock()
	defer t.lmu.Unlock()
	t.letGo()
	if t.client >= 0 {
		unix.Close(t.client)
		t.client = -1
	}
}
