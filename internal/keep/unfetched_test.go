package keep

import (
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// Sockets of a door that is replaced before anybody has fetched the one before hold up nobody, though what lies there does
// not let itself be closed; and where there are many of those the door is not replaced again.
func TestUnfetchedHoldNobodyUp(t *testing.T) {
	syscall.ForkLock.RLock() // a child would have the last one
	defer syscall.ForkLock.RUnlock()
	pipes, free, gone := tmuxtest.Locked(t, maxHanging+2)
	k := &Keep{events: queue{more: make(chan struct{}, 1)}}
	d, other := &door{root: &root{}}, &door{root: &root{}, place: Place{Server: "b"}, generation: 2}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for n, p := range pipes {
			path := filepath.Join(t.TempDir(), strconv.Itoa(n))
			l, err := listenAt(path)
			if err != nil {
				t.Error(err)
				return
			}
			fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				t.Error(err)
				return
			}
			defer unix.Close(fd)
			if err = unix.Connect(fd, &unix.SockaddrUnix{Name: path}); err == nil {
				err = unix.Sendmsg(fd, []byte("x"), unix.UnixRights(p), nil, 0)
			}
			if err != nil {
				t.Error(err)
				return
			}
			_ = unix.Close(p) // it is not the last one
			if n == maxHanging+1 {
				k.replaced(other, l)
				continue
			}
			if err := d.mayReplace(); err != nil {
				t.Errorf("after %d: %v", n, err)
			}
			k.replaced(d, l)
		}
		k.events.dropReplaced(2)
		k.events.close()
	}()
	select {
	case <-done:
	case <-time.After(tmuxtest.Patience):
		t.Error("it does not come to its end")
	}
	if err := d.mayReplace(); err == nil || !strings.Contains(err.Error(), "cannot be closed") {
		t.Errorf("one more is put there: %v", err)
	}
	if gone() {
		t.Error("they let themselves be closed: this shows nothing")
	}
	free()
	tmuxtest.Eventually(t, gone, "all are closed")
	tmuxtest.Eventually(t, func() bool { return d.mayReplace() == nil }, "there is room again")
}
