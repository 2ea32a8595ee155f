package attack

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
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

// ask introduces a client of the tests' own making, and reports whether it
// was attached; text is what it was told.
func (w *world) ask(h *wire.Hello) (attached bool, text string) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), tmuxtest.Patience)
	defer cancel()
	c := wire.NewClient(w.knock(), wire.Legacy)
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
