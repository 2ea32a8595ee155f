package executor

import (
	"context"
	"fmt"
	"net"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/tmux"
	"github.com/muxward/muxward/internal/tmux/wire"
)

// telling is what tmux does about a pane that was made.
type telling struct {
	open  []int32 // the streams that it opens
	asked bool    // they were seen before the client had gone
	said  bool
}

func (c telling) tell(ctx context.Context, server *wire.Conn, m *maker) error {
	hello, err := server.Accept(ctx, nil)
	if err != nil {
		return err
	}
	_ = hello.Close()
	for id, fd := range c.open {
		if c.asked {
			continue
		}
		if err := server.WriteMsg(ctx, &wire.WriteOpen{Stream: int32(id), FD: fd}); err != nil {
			return err
		}
	}
	for range c.open {
		msg, err := server.ReadMsg(ctx)
		if err != nil {
			return err
		}
		ready, ok := msg.(*wire.WriteReady)
		if !ok {
			return fmt.Errorf("%T instead of a word to print", msg)
		}
		data := "it failed\n"
		if c.open[ready.Stream] == 1 {
			data = m.mark + "$1:@2.%3/4 \n"
		}
		for _, piece := range []string{data[:9], data[9:]} {
			if err := server.WriteMsg(ctx, &wire.Write{Stream: ready.Stream, Data: []byte(piece)}); err != nil {
				return err
			}
		}
	}
	if c.said {
		return nil
	}
	return server.WriteMsg(ctx, &wire.Exit{Code: 1})
}

// A person whose client has gone is not told any more what they made, and muxward
// still hears it from tmux, until that has said it, or that there is nothing. tmux
// prints when it is told that it may, and says first what else it has to say.
func TestHearMade(t *testing.T) {
	for name, c := range map[string]telling{
		"tmux prints it":               {[]int32{1}, false, true},
		"it was about to":              {[]int32{1}, true, true},
		"a hook fails behind it":       {[]int32{2, 1}, false, true},
		"tmux ends it without a word":  {nil, false, false},
		"tmux has nothing but a fault": {[]int32{2}, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			here, there := pair(t)
			server := wire.NewServer(there)
			defer server.Close()
			m, _ := making(&gateway.Plan{Invocation: &tmux.Invocation{Row: tmux.FindCommand("split-window")}})
			r := relay{server: wire.NewClient(here, wire.Unknown), maker: m, streams: map[int32]stream{}}
			defer r.server.Close()
			ctx, cancel := context.WithTimeout(t.Context(), outlastTime)
			defer cancel()
			done := make(chan error, 1)
			go func() { done <- c.tell(ctx, server, m) }()
			if err := r.server.Identify(ctx, &wire.Hello{Flags: wire.FlagUTF8, Cwd: "/", Argv: []string{"split-window"}}); err != nil {
				t.Fatal(err)
			}
			if c.asked {
				r.streams[0] = stream{fd: 1}
			}
			r.hearMade(ctx)
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			if made := m.made(nobodysServer{}); (made != nil) != c.said || ctx.Err() != nil {
				t.Errorf("heard is %v, %v", made, ctx.Err())
			}
		})
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
