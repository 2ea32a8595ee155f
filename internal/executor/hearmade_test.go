package executor

import (
	"context"
	"net"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/tmux"
	"github.com/muxward/muxward/internal/tmux/wire"
)

// A person whose client has gone is not told any more what they made, and muxward
// still hears it from tmux, until that has said it, or that there is nothing.
func TestHearMade(t *testing.T) {
	for _, said := range []bool{true, false} {
		here, there := pair(t)
		server := wire.NewServer(there)
		defer server.Close()
		m, _ := making(&gateway.Plan{Invocation: &tmux.Invocation{Row: tmux.FindCommand("split-window")}})
		r := relay{server: wire.NewClient(here, wire.Unknown), maker: m, streams: map[int32]stream{}}
		defer r.server.Close()
		ctx, cancel := context.WithTimeout(t.Context(), outlastTime)
		defer cancel()
		msgs := []wire.Message{
			&wire.WriteOpen{Stream: 3, FD: 1, Path: ""}, &wire.Write{Stream: 3, Data: []byte(m.mark + "$1:@2")},
			&wire.Write{Stream: 3, Data: []byte(".%3 \n")},
		}
		if !said {
			msgs = []wire.Message{&wire.Exit{Code: 1}}
		}
		for _, msg := range msgs {
			if err := server.WriteMsg(ctx, msg); err != nil {
				t.Fatal(err)
			}
		}
		r.hearMade(ctx)
		if made := m.made(nobodysServer{}); (len(made) == 1) != said || ctx.Err() != nil {
			t.Errorf("tmux says it: %v; heard is %v, %v", said, made, ctx.Err())
		}
	}
}

// pair gives the two ends of a connection.
func pair(t *testing.T) (a, b *net.UnixConn) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	var ends [2]*net.UnixConn
	for i, fd := range fds {
		f := os.NewFile(uintptr(fd), "socket")
		c, err := net.FileConn(f)
		_ = f.Close()
		if err != nil {
			t.Fatal(err)
		}
		ends[i] = c.(*net.UnixConn)
	}
	return ends[0], ends[1]
}
