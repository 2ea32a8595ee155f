package keeper

import (
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/attach/screen"
)

const (
	// FD is the descriptor at which the process finds its socket.
	FD = 3
	// patience is how long a terminal may take to be put back.
	patience = 500 * time.Millisecond
	// maxHeld bounds the terminals held, below the limit of descriptors.
	maxHeld = 4096
)

// kept is one terminal in the keeper's hands.
type kept struct {
	tty, client int // descriptors; client may be -1
	saved       screen.Saved
	now, ever   screen.Marks
}

// Serve is the process: it keeps what comes over conn, until conn ends, and
// then puts back what it still has. It takes no notice of signals that end
// muxward or a session; it returns when there is nothing left to do.
func Serve(conn *os.File) error {
	signal.Ignore(syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM,
		syscall.SIGPIPE, syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU, syscall.SIGUSR1, syscall.SIGUSR2)
	debug.SetGCPercent(20)
	debug.SetMemoryLimit(16 << 20)
	var lim unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &lim) == nil {
		lim.Cur = lim.Max
		_ = unix.Setrlimit(unix.RLIMIT_NOFILE, &lim)
	}
	// A file that nobody uses any more is closed by the garbage collector, and
	// its number then means the next terminal that comes.
	defer runtime.KeepAlive(conn)
	// One thread waits here for most of its life, so no poller is needed.
	fd := int(conn.Fd())
	if err := unix.SetNonblock(fd, false); err != nil {
		return fmt.Errorf("keeper: %w", err)
	}
	held := make(map[uint64]*kept)
	err := receive(fd, held)
	putBack(held)
	return err
}

// receive handles messages until the other end is gone.
func receive(fd int, held map[uint64]*kept) error {
	p := make([]byte, 512)
	oob := make([]byte, unix.CmsgSpace(8*4))
	for {
		n, oobn, _, _, err := unix.Recvmsg(fd, p, oob, unix.MSG_CMSG_CLOEXEC)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return fmt.Errorf("keeper: %w", err)
		case n == 0:
			return nil
		}
		handle(held, p[:n], descriptors(oob[:oobn]))
	}
}

func descriptors(oob []byte) []int {
	msgs, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil
	}
	var fds []int
	for i := range msgs {
		if got, err := unix.ParseUnixRights(&msgs[i]); err == nil {
			fds = append(fds, got...)
		}
	}
	return fds
}

func handle(held map[uint64]*kept, p []byte, fds []int) {
	m, err := decode(p)
	if err == nil && m.Op == hold && len(fds) > 0 && len(fds) <= 2 && len(held) < maxHeld && held[m.ID] == nil {
		k := &kept{tty: fds[0], client: -1, now: m.Now, ever: m.Ever,
			saved: screen.Saved{Termios: m.Termios, Flags: int(m.Flags)}}
		if len(fds) == 2 {
			k.client = fds[1]
		}
		held[m.ID] = k
		return
	}
	for _, fd := range fds {
		unix.Close(fd)
	}
	k := held[m.ID]
	if err != nil || k == nil {
		return
	}
	switch m.Op {
	case mark:
		k.now, k.ever = m.Now, m.Ever
	case release:
		k.close()
		delete(held, m.ID)
	}
}

func (k *kept) close() {
	unix.Close(k.tty)
	if k.client >= 0 {
		unix.Close(k.client)
	}
}

// putBack restores all at once, each on its own, so that one that is stuck
// harms no other. It returns when all are done or patience is at its end.
func putBack(held map[uint64]*kept) {
	var all sync.WaitGroup
	for _, k := range held {
		all.Go(func() {
			// Keys on their way to a pane must not end up in the person's shell.
			_ = k.saved.GiveBack(k.tty, screen.Restore(k.now, k.ever), true, "",
				time.Now().Add(patience))
			k.close()
		})
	}
	done := make(chan struct{})
	go func() { all.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(patience + 300*time.Millisecond):
	}
}
