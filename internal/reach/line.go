package reach

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/passed"
)

// Line is muxward's end of the line to one process. It is for one goroutine, but for
// [Line.Close].
type Line struct {
	conn *net.UnixConn
	buf  [maxPacket + 1]byte
}

// endTime is how long the process may take to end, with what it has started.
const endTime = 8 * time.Second

// Open takes the line's descriptor over.
func Open(f *os.File) (*Line, error) {
	defer f.Close()
	c, err := net.FileConn(f)
	if err != nil {
		return nil, fmt.Errorf("open the line: %w", err)
	}
	conn, ok := c.(*net.UnixConn)
	if !ok {
		return nil, errors.Join(errors.New("the line is no unix socket"), c.Close())
	}
	return &Line{conn: conn}, nil
}

// Close lets go of the line, and the process ends.
func (l *Line) Close() error { return l.conn.Close() }

// until has the line wait no longer than ctx. Once stop has returned, the end of ctx changes no
// deadline any more.
func (l *Line) until(ctx context.Context) (stop func()) {
	_ = l.conn.SetDeadline(time.Time{})
	over := make(chan struct{})
	after := context.AfterFunc(ctx, func() {
		defer close(over)
		_ = l.conn.SetDeadline(time.Unix(1, 0))
	})
	return func() {
		if !after() {
			<-over
		}
	}
}

func (l *Line) send(body any) error {
	data, err := json.Marshal(body)
	if err == nil && len(data) > maxPacket {
		err = errors.New("it is too long")
	}
	if err == nil {
		_, err = l.conn.Write(data)
	}
	if err != nil {
		return fmt.Errorf("tell the process that reaches: %w", err)
	}
	return nil
}

// receive reads a packet with at most so many descriptors.
func (l *Line) receive(body any, most int) ([]*os.File, error) {
	room := make([]byte, unix.CmsgSpace(4*3))
	n, rn, flags, _, err := l.conn.ReadMsgUnix(l.buf[:], room)
	if err != nil || n == 0 {
		return nil, errors.New("the process that reaches has ended, or does not answer")
	}
	files, err := passed.Files(room[:rn], "reached")
	switch {
	case err != nil:
	case flags&(unix.MSG_TRUNC|unix.MSG_CTRUNC) != 0 || len(files) > most:
		err = errors.New("a packet is not as it should be")
	default:
		err = decode(l.buf[:n], body)
	}
	if err != nil {
		passed.Close(files)
		return nil, err
	}
	return files, nil
}

// Look has the process find out what is asked for, and gives what that is.
func (l *Line) Look(ctx context.Context, a Ask) (Found, error) {
	defer l.until(ctx)()
	if err := a.valid(); err != nil {
		return Found{}, err
	}
	var f Found
	if err := l.send(a); err != nil {
		return Found{}, err
	}
	if _, err := l.receive(&f, 0); err != nil {
		return Found{}, causeOr(ctx, err)
	}
	if f.Error != "" {
		return Found{}, errors.New(f.Error)
	}
	if len(f.Addrs) > maxAddrs || checkPath(f.Path) != nil {
		return Found{}, errors.New("what was found cannot be")
	}
	for i, a := range f.Addrs {
		f.Addrs[i] = a.Unmap()
	}
	return f, nil
}

// Reached is what was reached. What there is of it is the caller's to close.
type Reached struct {
	Conn     net.Conn     // a connection, or a subsystem's standard input and output
	Errs     *os.File     // a subsystem's standard error
	Listener net.Listener // of which closing removes no path
	Path     string       // of an agent; of a subsystem its program, "" is the process itself
}

// Close closes all of it. A connection is cut off: nothing is sent any more.
func (r *Reached) Close() {
	if r.Conn != nil {
		if tcp, ok := r.Conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
		_ = r.Conn.Close()
	}
	if r.Errs != nil {
		_ = r.Errs.Close()
	}
	if r.Listener != nil {
		_ = r.Listener.Close()
	}
}

// Go has the process go on with what it has found, of which addrs were decided.
func (l *Line) Go(ctx context.Context, a Ask, addrs []netip.Addr) (*Reached, error) {
	defer l.until(ctx)()
	if err := l.send(proceed{addrs}); err != nil {
		return nil, err
	}
	var d done
	files, err := l.receive(&d, 2)
	if err != nil {
		return nil, causeOr(ctx, err)
	}
	defer passed.Close(files)
	if d.Error != "" {
		return nil, errors.New(d.Error)
	}
	r := &Reached{Path: d.Path}
	if err := r.take(a, addrs, files); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// take makes something of the descriptors, and sees that it is what was decided.
func (r *Reached) take(a Ask, addrs []netip.Addr, files []*os.File) (err error) {
	want := 1
	if a.Kind == Subsystem {
		want = 2
	}
	if len(files) != want {
		return fmt.Errorf("there are %d descriptors and not %d", len(files), want)
	}
	if a.Kind == Listen || a.Kind == Agent {
		if r.Listener, err = net.FileListener(files[0]); err != nil {
			return err
		}
		return r.boundAs(a)
	}
	if r.Conn, err = net.FileConn(files[0]); err != nil {
		return err
	}
	if a.Kind == Subsystem {
		fd, err := unix.FcntlInt(files[1].Fd(), unix.F_DUPFD_CLOEXEC, 3)
		if err != nil {
			return err
		}
		if err := unix.SetNonblock(fd, true); err != nil { // for deadlines
			return errors.Join(err, unix.Close(fd))
		}
		r.Errs = os.NewFile(uintptr(fd), "errors")
		return nil
	}
	if a.Path != "" {
		return nil
	}
	tcp, ok := r.Conn.RemoteAddr().(*net.TCPAddr)
	if !ok || int(a.Port) != tcp.Port {
		return errors.New("what was reached is not what was decided")
	}
	for _, addr := range addrs {
		if addr == tcp.AddrPort().Addr().Unmap() {
			return nil
		}
	}
	return errors.New("what was reached is not what was decided")
}

// boundAs sees that a listener is where it was decided.
func (r *Reached) boundAs(a Ask) error {
	if a.Kind == Agent || a.Path != "" {
		return nil
	}
	tcp, ok := r.Listener.Addr().(*net.TCPAddr)
	if !ok || tcp.AddrPort().Addr().Unmap() != a.Addr.Unmap() || a.Port != 0 && int(a.Port) != tcp.Port {
		return errors.New("what listens is not what was decided")
	}
	return nil
}

// Shut has a listener's path removed while what has come by it goes on.
func (l *Line) Shut(ctx context.Context) error {
	defer l.until(ctx)()
	if err := l.send(proceed{}); err != nil {
		return err
	}
	var d done
	if _, err := l.receive(&d, 0); err != nil {
		return causeOr(ctx, err)
	}
	return nil
}

// Exit waits for the end of a subsystem and gives its code.
func (l *Line) Exit(ctx context.Context) (int, error) {
	defer l.until(ctx)()
	var e ended
	if _, err := l.receive(&e, 0); err != nil {
		return 1, causeOr(ctx, err)
	}
	return e.Code & 0xff, nil
}

// ErrUnsure is that what a process has started may go on: nobody who knows has said that all
// of it has ended.
var ErrUnsure = errors.New("it is not certain that the process that reaches has ended, with all that it has started")

// End ends the process, and waits until it has ended with all that it has started. The end of
// the line alone says nothing: whoever is of the account can kill the process, and what it
// has started goes on. So it is waited for who says that all is over ([Over]).
func (l *Line) End() error {
	defer l.conn.Close()
	_ = l.conn.CloseWrite() // it may have ended
	_ = l.conn.SetDeadline(time.Now().Add(endTime))
	over := false
	for {
		n, _, _, _, err := l.conn.ReadMsgUnix(l.buf[:], nil)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return fmt.Errorf("after %v: %w", endTime, ErrUnsure)
		case (err != nil || n == 0) && !over:
			return ErrUnsure
		case err != nil || n == 0:
			return nil
		}
		over = over || string(l.buf[:n]) == Over
	}
}

func causeOr(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}
