package keeper

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/attach/screen"
)

// Held is a terminal to be kept. The descriptors stay the caller's: the keeper
// has copies of its own until [Keeper.Release], for a successor of the process
// that is given everything again. So no number in here ever means a descriptor
// that was opened since.
type Held struct {
	TTY    int
	Client int // the client's connection, or -1
	Saved  screen.Saved
	// Now and Ever are the marks of the screen so far.
	Now, Ever screen.Marks
}

// Keeper is muxward's side of the keeper process. Its methods may be called
// from any goroutine and wait for nothing longer than a second.
type Keeper struct {
	argv, env []string

	mu     sync.Mutex
	held   map[uint64]Held
	last   uint64
	sock   int // -1 while there is no process
	proc   *os.Process
	closed bool
	err    error // why there is no process

	closing chan struct{} // Close was called
	ended   chan struct{} // and the process is gone
}

// Start starts the process argv, which must call [Serve] on descriptor [FD],
// with env added to its otherwise small environment. ctx bounds the start only.
func Start(ctx context.Context, argv, env []string) (*Keeper, error) {
	if len(argv) == 0 {
		return nil, errors.New("keeper: no command given")
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	k := &Keeper{argv: argv, env: env, held: make(map[uint64]Held), sock: -1,
		closing: make(chan struct{}), ended: make(chan struct{})}
	k.mu.Lock()
	defer k.mu.Unlock()
	cmd, err := k.spawn()
	if err != nil {
		return nil, err
	}
	go k.watch(cmd)
	return k, nil
}

// spawn starts a process; k.mu is held.
func (k *Keeper) spawn() (*exec.Cmd, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("start the keeper: %w", err)
	}
	theirs := os.NewFile(uintptr(fds[1]), "keeper")
	defer theirs.Close()
	cmd := exec.Command(k.argv[0], k.argv[1:]...)
	cmd.Dir = "/"
	cmd.Env = append([]string{"GOGC=20", "GOMEMLIMIT=16MiB", "GOMAXPROCS=1", "PATH=/usr/bin:/bin"}, k.env...)
	cmd.ExtraFiles = []*os.File{theirs}
	// A session of its own: what ends muxward's does not end the keeper.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		unix.Close(fds[0])
		return nil, fmt.Errorf("start the keeper: %w", err)
	}
	_ = unix.SetNonblock(fds[0], true)
	k.sock, k.proc, k.err = fds[0], cmd.Process, nil
	return cmd, nil
}

// watch replaces the process when it dies, less often the more often it does.
func (k *Keeper) watch(cmd *exec.Cmd) {
	defer close(k.ended)
	pause := time.Duration(0)
	for {
		begun := time.Now()
		err := cmd.Wait()
		if time.Since(begun) > time.Minute {
			pause = 0
		}
		if !k.lost(fmt.Errorf("terminals are not restored if muxward is killed now: the keeper ended: %v", err)) {
			return
		}
		for cmd = nil; cmd == nil; pause = min(max(2*pause, 10*time.Millisecond), time.Second) {
			select {
			case <-k.closing:
				return
			case <-time.After(pause):
			}
			cmd = k.replace()
		}
	}
}

// lost notes that the process is gone, and reports whether to replace it.
func (k *Keeper) lost(err error) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	unix.Close(k.sock)
	k.sock, k.proc, k.err = -1, nil, err
	return !k.closed
}

// replace starts another process and gives it everything; nil if that failed.
func (k *Keeper) replace() *exec.Cmd {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return nil
	}
	cmd, err := k.spawn()
	if err != nil {
		k.err = err
		return nil
	}
	for id, h := range k.held {
		_ = k.send(id, h)
	}
	return cmd
}

// PID returns the process's id, and 0 while there is none.
func (k *Keeper) PID() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.proc == nil {
		return 0
	}
	return k.proc.Pid
}

// Err tells why no terminal would be restored now; nil if all is well.
func (k *Keeper) Err() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.err
}

// Hold has the process keep a terminal, and returns its name for Mark and
// Release. The process has it even if this one is killed directly afterwards.
// While the process is being replaced that is not so; it is given it then.
func (k *Keeper) Hold(h Held) (uint64, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return 0, errors.New("the keeper was closed")
	}
	h, err := h.copied()
	if err != nil {
		return 0, fmt.Errorf("give the terminal to the keeper: %w", err)
	}
	k.last++
	k.held[k.last] = h
	if err := k.send(k.last, h); err != nil {
		delete(k.held, k.last)
		h.close()
		return 0, err
	}
	return k.last, nil
}

// copied gives the terminal with descriptors of its own.
func (h Held) copied() (Held, error) {
	var err error
	if h.TTY, err = unix.FcntlInt(uintptr(h.TTY), unix.F_DUPFD_CLOEXEC, 3); err != nil {
		return h, err
	}
	if h.Client >= 0 {
		if h.Client, err = unix.FcntlInt(uintptr(h.Client), unix.F_DUPFD_CLOEXEC, 3); err != nil {
			unix.Close(h.TTY)
		}
	}
	return h, err
}

func (h Held) close() {
	unix.Close(h.TTY)
	if h.Client >= 0 {
		unix.Close(h.Client)
	}
}

func (k *Keeper) send(id uint64, h Held) error {
	fds := []int{h.TTY}
	if h.Client >= 0 {
		fds = append(fds, h.Client)
	}
	return k.packet(&message{Op: hold, ID: id, Flags: uint32(h.Saved.Flags),
		Now: h.Now, Ever: h.Ever, Termios: h.Saved.Termios}, fds)
}

// Mark tells what the display has changed on the terminal.
func (k *Keeper) Mark(id uint64, now, ever screen.Marks) {
	k.mu.Lock()
	defer k.mu.Unlock()
	h, ok := k.held[id]
	if !ok {
		return
	}
	h.Now, h.Ever = now, ever
	k.held[id] = h
	_ = k.packet(&message{Op: mark, ID: id, Now: now, Ever: ever}, nil)
}

// Release has the process forget a terminal.
func (k *Keeper) Release(id uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	h, ok := k.held[id]
	if !ok {
		return
	}
	delete(k.held, id)
	h.close()
	_ = k.packet(&message{Op: release, ID: id}, nil)
}

// packet sends one message; k.mu is held. A process that is gone is no error:
// its successor gets what is in k.held. One that takes nothing is killed.
func (k *Keeper) packet(m *message, fds []int) error {
	if k.sock < 0 {
		return nil
	}
	p, err := m.encode()
	if err != nil {
		return err
	}
	var oob []byte
	if len(fds) > 0 {
		oob = unix.UnixRights(fds...)
	}
	for limit := time.Now().Add(time.Second); ; {
		err := unix.Sendmsg(k.sock, p, oob, nil, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT)
		switch err {
		case nil, unix.EPIPE, unix.ECONNRESET, unix.ENOTCONN, unix.ECONNREFUSED:
			return nil
		case unix.EINTR:
		case unix.EAGAIN:
			left := time.Until(limit)
			if left <= 0 {
				_ = k.proc.Kill()
				return nil
			}
			fds := []unix.PollFd{{Fd: int32(k.sock), Events: unix.POLLOUT}}
			_, _ = unix.Poll(fds, int(left.Milliseconds())+1)
		default:
			return fmt.Errorf("give the terminal to the keeper: %w", err)
		}
	}
}

// Close ends the process, which first puts back what was not released. It
// waits until it is gone, or for ctx, and then kills it.
func (k *Keeper) Close(ctx context.Context) error {
	k.mu.Lock()
	if !k.closed {
		k.closed = true
		close(k.closing)
		if k.sock >= 0 {
			_ = unix.Shutdown(k.sock, unix.SHUT_RDWR)
		}
	}
	proc := k.proc
	k.mu.Unlock()
	defer k.forget()
	select {
	case <-k.ended:
		return nil
	case <-ctx.Done():
		if proc != nil {
			_ = proc.Kill()
		}
		<-k.ended
		return ctx.Err()
	}
}

// forget lets go of what was never released.
func (k *Keeper) forget() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for id, h := range k.held {
		h.close()
		delete(k.held, id)
	}
}
