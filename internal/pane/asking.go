package pane

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// askTime is how long muxward-pane may take to say what it wants, or to hear why not.
	askTime = 5 * time.Second
	// maxAsking is how many of one server may ask at once. More have to wait.
	maxAsking = 32
	// calm is how long to wait when there are no descriptors left.
	calm = 100 * time.Millisecond
)

// Listener is where the panes of one server ask for their sessions.
type Listener struct{ l *net.UnixListener }

// Listen listens at a path. Who may connect is for the caller to see to.
func Listen(path string) (*Listener, error) {
	l, err := net.ListenUnix("unixpacket", &net.UnixAddr{Name: path, Net: "unixpacket"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false) // what is there by then may be the next one's
	return &Listener{l}, nil
}

// Close ends Serve.
func (l *Listener) Close() error { return l.l.Close() }

// Serve has each that asks taken, until ctx ends or the listener is closed. Each has its
// own goroutine, which begin starts.
func (l *Listener) Serve(ctx context.Context, begin func(func()), take func(*Asking)) {
	stop := context.AfterFunc(ctx, func() { _ = l.l.Close() })
	defer stop()
	turns := make(chan struct{}, maxAsking)
	for {
		conn, err := l.l.AcceptUnix()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // out of descriptors: whoever asks waits
			select {
			case <-time.After(calm):
			case <-ctx.Done():
			}
			continue
		}
		turns <- struct{}{} // each is given up after a while
		begin(func() {
			defer func() { <-turns }()
			defer conn.Close()
			stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
			defer stop()
			a := &Asking{conn: conn}
			if err := a.know(); err == nil {
				defer a.held.Close()
				take(a)
			}
		})
	}
}

// Asking is one muxward-pane that asks, as the kernel says who it is. It passes no
// descriptors, and none is taken in: to look at, or to close, what somebody else has
// opened may take as long as they like (fuse(4)).
type Asking struct {
	PID  int
	UID  uint32
	conn *net.UnixConn
	held *os.File
}

// know asks the kernel who has connected, and holds that process.
func (a *Asking) know() error {
	raw, err := a.conn.SyscallConn()
	if err != nil {
		return err
	}
	pidfd := -1
	var inner error
	err = raw.Control(func(fd uintptr) {
		var cred *unix.Ucred
		if cred, inner = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); inner != nil {
			return
		}
		a.PID, a.UID = int(cred.Pid), cred.Uid
		if pidfd, inner = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_PEERPIDFD); errors.Is(inner, unix.ENOPROTOOPT) {
			pidfd, inner = unix.PidfdOpen(a.PID, 0) // before Linux 6.5
		}
	})
	if err = errors.Join(err, inner); err != nil {
		return fmt.Errorf("ask the kernel who asks: %w", err)
	}
	unix.CloseOnExec(pidfd)
	a.held = os.NewFile(uintptr(pidfd), "pidfd")
	return nil
}

// Request waits for what is asked for.
func (a *Asking) Request() (Request, error) {
	if err := a.conn.SetDeadline(time.Now().Add(askTime)); err != nil {
		return Request{}, err
	}
	buf := make([]byte, MaxRequest+1)
	n, err := a.conn.Read(buf)
	if err != nil {
		return Request{}, fmt.Errorf("what is asked for has not come: %w", err)
	}
	return ParseRequest(buf[:n])
}

// Ended reports whether it has ended.
func (a *Asking) Ended() bool {
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(a.held.Fd()), Events: unix.POLLIN}}, 0)
		if err != unix.EINTR {
			return err != nil || n > 0
		}
	}
}

// Refuse says why there is no session.
func (a *Asking) Refuse(why string) {
	_ = a.conn.SetDeadline(time.Now().Add(askTime)) // it may have gone, as below
	_, _ = a.conn.Write(Answer{Refused: why}.Encode())
}
