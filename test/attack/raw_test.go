package attack

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/internal/tmux/wire"
)

// knock connects to a door as root, which is who the tests are. It holds
// nothing on the owner's server but what the row's grants say.
func (w *world) knock() *net.UnixConn {
	w.t.Helper()
	c, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: w.door(stranger), Net: "unix"})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = c.Close() })
	return c
}

// uid is the number of an account.
func (w *world) uid(who string) uint32 {
	w.t.Helper()
	if who == root {
		return 0
	}
	return tmuxtest.As(w.t, who).UID
}

// dialAs connects as another uid, which the kernel then tells of whoever asks
// who is there. Only the calling thread is that uid, and only meanwhile.
func dialAs(uid uint32, path string) (*net.UnixConn, error) { return dialWith(uid, path, 0) }

// dialWith is dialAs with capabilities that whoever is root of a user namespace has there over all files
// of its accounts: a uid comes by another's door.
func dialWith(uid uint32, path string, caps uint32) (*net.UnixConn, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), path)
	defer f.Close()
	patience := unix.NsecToTimeval(tmuxtest.Patience.Nanoseconds())
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &patience); err != nil {
		return nil, err
	}
	runtime.LockOSThread()
	become := func(euid uint32) error {
		_, _, no := unix.RawSyscall(unix.SYS_SETRESUID, ^uintptr(0), uintptr(euid), ^uintptr(0))
		if no != 0 {
			return no
		}
		return nil
	}
	if err := become(uid); err != nil {
		return nil, err
	}
	if caps != 0 { // the kernel took them away, and all are permitted still
		err = raise(caps)
	}
	if err == nil {
		err = unix.Connect(fd, &unix.SockaddrUnix{Name: path})
	}
	if back := become(0); back != nil {
		return nil, back // the thread ends with its goroutine
	}
	runtime.UnlockOSThread()
	if err != nil {
		return nil, fmt.Errorf("connect to %s as uid %d: %w", path, uid, err)
	}
	c, err := net.FileConn(f)
	if err != nil {
		return nil, err
	}
	return c.(*net.UnixConn), nil
}

// raise makes capabilities of the calling thread, of the first 32, effective.
func raise(caps uint32) error {
	h := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var d [2]unix.CapUserData
	if err := unix.Capget(&h, &d[0]); err != nil {
		return err
	}
	d[0].Effective |= caps
	return unix.Capset(&h, &d[0])
}

// frame is a message with whatever its header says, in the older or the newer
// form.
func frame(wide bool, kind uint32, length int, flags uint16, data []byte) []byte {
	var b []byte
	b = binary.LittleEndian.AppendUint32(b, kind)
	if wide {
		b = binary.LittleEndian.AppendUint32(b, uint32(length)|uint32(flags)<<31)
	} else {
		b = binary.LittleEndian.AppendUint16(b, uint16(length))
		b = binary.LittleEndian.AppendUint16(b, flags)
	}
	b = binary.LittleEndian.AppendUint32(b, 8)
	b = binary.LittleEndian.AppendUint32(b, uint32(os.Getpid()))
	return append(b, data...)
}

// closed reports whether the other end closes the connection in time.
func closed(c *net.UnixConn, within time.Duration) bool {
	_ = c.SetReadDeadline(time.Now().Add(within))
	buf := make([]byte, 4096)
	for {
		_, err := c.Read(buf)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return false
		}
		if err != nil {
			return errors.Is(err, io.EOF) || errors.Is(err, unix.ECONNRESET)
		}
	}
}

// hungUp reports whether the other end has closed a connection that it says nothing on, without waiting.
func hungUp(c *net.UnixConn) (yes bool) {
	raw, err := c.SyscallConn()
	if err != nil {
		return true
	}
	err = raw.Control(func(fd uintptr) {
		n, _, err := unix.Recvfrom(int(fd), make([]byte, 1), unix.MSG_PEEK|unix.MSG_DONTWAIT)
		yes = err == nil && n == 0 || errors.Is(err, unix.ECONNRESET)
	})
	return yes || err != nil
}

// ask introduces a client of the tests' own making, and reports whether it
// was attached; text is what it was told.
func (w *world) ask(h *wire.Hello) (attached bool, text string) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), tmuxtest.Patience)
	defer cancel()
	return converse(ctx, w.knock(), h)
}

// converse introduces a client on a connection and hears it out.
func converse(ctx context.Context, nc *net.UnixConn, h *wire.Hello) (attached bool, text string) {
	c := wire.NewClient(nc, wire.Legacy)
	defer c.Close()
	if err := c.Identify(ctx, h); err != nil {
		return false, err.Error()
	}
	for {
		m, err := c.ReadMsg(ctx)
		if err != nil {
			return attached, text
		}
		switch m := m.(type) {
		case *wire.Ready:
			attached = true
			_ = c.WriteMsg(ctx, &wire.Exiting{})
		case *wire.Write:
			text += string(m.Data)
		case *wire.Exit:
			_ = c.WriteMsg(ctx, &wire.Exiting{})
			return attached, text
		}
	}
}
