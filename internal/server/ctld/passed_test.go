package ctld

import (
	"errors"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/passed"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// TestWhatLingersHoldsUpNobody: somebody has as many connections as they may, and makes more, in which lies what does
// not let itself be closed. Who comes behind them is heard, where the kernel has it that anything can be passed here.
func TestWhatLingersHoldsUpNobody(t *testing.T) {
	var fds []int
	for range 24 {
		fd, _ := tmuxtest.Lingering(t)
		fds = append(fds, fd)
	}
	holdsUpNobody(t, fds)
}

// TestWhatIsLockedHoldsUpNobody: the same, with more than is put away at a time of what no signal helps with.
func TestWhatIsLockedHoldsUpNobody(t *testing.T) {
	fds, free, gone := tmuxtest.Locked(t, 120)
	holdsUpNobody(t, fds)
	free()
	tmuxtest.Eventually(t, gone, "all of it is closed")
}

func holdsUpNobody(t *testing.T, fds []int) {
	t.Helper()
	d := newDoor(t, everybody{}, func(identity.Identity, Call) (*gateway.Act, error) { return nil, errors.New("enough") })
	var held []net.Conn
	for range perUID {
		c, err := net.Dial("unix", d.path)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		held = append(held, c)
	}
	send := func(fd int) {
		c, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err == nil {
			err = unix.Connect(c, &unix.SockaddrUnix{Name: d.path})
		}
		if err == nil {
			err = unix.Sendmsg(c, []byte("x"), unix.UnixRights(fd), nil, 0)
		}
		if err != nil && !errors.Is(err, unix.EPIPE) { // it may be closed by then
			t.Fatal(err)
		}
		go passed.Shut(fd) // if nothing came of it, it is the last one
		passed.Shut(c)
	}
	for i, fd := range fds {
		if i == len(fds)/2 {
			_ = held[0].Close() // the next one is served
		}
		send(fd)
	}
	for _, c := range held {
		_ = c.Close()
	}
	tmuxtest.Eventually(t, func() bool {
		c, err := net.Dial("unix", d.path)
		if err != nil {
			return false
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(time.Second))
		_, err = c.Write([]byte("{}\n"))
		if err == nil {
			_, err = c.Read(make([]byte, 1))
		}
		return err == nil
	}, "who comes then is answered")
}
