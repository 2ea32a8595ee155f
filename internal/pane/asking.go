package pane

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// askTime is how long muxward-pane may take to say what it wants, or to hear why not.
	askTime = 5 * time.Second
	// maxAsking is how many of one server may ask at once. More have to wait.
	maxAsking = 32
	// putTime is how long it is waited for something to be put away.
	putTime = time.Second
	// calm is how long to wait when there are no descriptors left.
	calm = 100 * time.Millisecond
)

// Listener is where the panes of one server ask for their sessions.
//
// Who connects may send descriptors along. To put one away may take as long as they like (a
// TCP connection that lingers, socket(7)), and the kernel does it in the thread that reads
// the message, or that closes the connection, whether or not it wants descriptors. From
// Linux 6.16 on none can be sent here (SO_PASSRIGHTS). For before that, each read and each
// close is done aside, and nobody waits for it longer than for anything else; those that
// hang keep their turns, so there are never more than that.
type Listener struct{ l *net.UnixListener }

// Listen listens at a path. Who may connect is for the caller to see to.
func Listen(path string) (*Listener, error) { return listen(path, 0) }

// listen is Listen, where descriptors can be passed if passed is 1.
func listen(path string, passed int) (*Listener, error) {
	lc := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		var inner error
		err := raw.Control(func(fd uintptr) {
			if inner = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_PASSRIGHTS, passed); errors.Is(inner, unix.ENOPROTOOPT) {
				inner = nil // before Linux 6.16: see Listener
			}
		})
		return errors.Join(err, inner)
	}}
	listening, err := lc.Listen(context.Background(), "unixpacket", path)
	if err != nil {
		return nil, err
	}
	l, ok := listening.(*net.UnixListener)
	if !ok {
		return nil, errors.Join(fmt.Errorf("listen at %s: it is no socket of a path", path), listening.Close())
	}
	l.SetUnlinkOnClose(false) // what is there by then may be the next one's
	return &Listener{l}, nil
}

// Close ends Serve. Who has asked and was not heard is put away aside.
func (l *Listener) Close() error {
	closed := make(chan error, 1)
	go func() { closed <- l.l.Close() }()
	select {
	case err := <-closed:
		return err
	case <-time.After(putTime):
		return errors.New("what was sent to a pane's socket does not let itself be put away")
	}
}

// Serve has each that asks taken, until ctx ends or the listener is closed. Each has its
// own goroutine, which begin starts. Neither those nor Serve hang by what was sent.
func (l *Listener) Serve(ctx context.Context, begin func(func()), take func(*Asking)) {
	stop := context.AfterFunc(ctx, func() { _ = l.l.Close() })
	defer stop()
	come, done := make(chan *net.UnixConn), make(chan struct{})
	defer close(done)
	go l.accept(come, done)
	turns := make(chan struct{}, maxAsking)
	bucket := newBucket(time.Now())
	for conn := range come {
		if !bucket.wait(ctx) {
			go conn.Close()
			return
		}
		select {
		case turns <- struct{}{}: // each is given up after a while, but for those that hang
		case <-ctx.Done():
			go conn.Close()
			return
		}
		begin(func() {
			stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
			defer stop()
			defer aside(func() { _ = conn.Close(); <-turns })
			a := &Asking{conn: conn, done: ctx.Done()}
			if err := a.know(); err == nil {
				defer a.held.Close()
				take(a)
			}
		})
	}
}

// accept takes in connections until the listener is closed: it may be the one that really
// closes it, and hang there.
func (l *Listener) accept(come chan<- *net.UnixConn, done <-chan struct{}) {
	defer close(come)
	for {
		conn, err := l.l.AcceptUnix()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil: // out of descriptors: whoever asks waits
			select {
			case <-time.After(calm):
			case <-done:
				return
			}
		default:
			select {
			case come <- conn:
			case <-done:
				_ = conn.Close() // nobody waits for us
				return
			}
		}
	}
}

// aside has something done, and waits for it no longer than it takes among friends.
func aside(do func()) bool {
	done := make(chan struct{})
	go func() { defer close(done); do() }()
	select {
	case <-done:
		return true
	case <-time.After(putTime):
		return false
	}
}

// Asking is one muxward-pane that asks, as the kernel says who it is. It passes no
// descriptors, and none is taken in.
type Asking struct {
	PID  int
	UID  uint32
	conn *net.UnixConn
	held *os.File
	done <-chan struct{}
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
	type message struct {
		data []byte
		err  error
	}
	read := make(chan message, 1)
	go func() {
		buf := make([]byte, MaxRequest+1)
		n, err := a.conn.Read(buf)
		read <- message{buf[:n], err}
	}()
	select {
	case m := <-read:
		if m.err != nil {
			return Request{}, fmt.Errorf("what is asked for has not come: %w", m.err)
		}
		return ParseRequest(m.data)
	case <-time.After(askTime + putTime):
		return Request{}, errors.New("what is asked for cannot be read: what was sent with it does not let itself be put away")
	case <-a.done:
		return Request{}, context.Canceled
	}
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
