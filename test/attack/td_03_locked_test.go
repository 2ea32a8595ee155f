package attack

import (
	"context"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/internal/tmux/wire"
)

// Mallory splices into a pipe what does not come: who closes the last of its other end waits, whatever signals come.
// She passes that as her standard input, and with connections that are to be closed at once, more than muxward puts
// away at a time, also where muxward's own commands come in. Nobody else is to wait for any of it, and all is closed once her pipe lets it.
func TestTD03WhatIsLocked(t *testing.T) {
	t.Parallel()
	row{teeth: "teeth_put", unlogged: true, gains: 1, attack: func(w *world) {
		const inputs, refused, asked = 12, 80, 12
		syscall.ForkLock.RLock() // a program that is started meanwhile would have them last, and hang before it begins
		began := sync.OnceFunc(syscall.ForkLock.RUnlock)
		defer began()
		pipes, free, gone := tmuxtest.Locked(w.t, inputs+refused+asked)
		uid, door := w.uid(stranger), w.door(stranger)
		for _, fd := range pipes[:inputs] {
			h := &wire.Hello{
				Term: "xterm", Cwd: "/", PID: int32(os.Getpid()), Flags: wire.FlagUTF8,
				Argv: []string{"list-sessions"}, Stdin: wire.NewFD(fd),
			}
			nc, err := dialWith(uid, door, 0)
			if err != nil {
				w.t.Fatal(err)
			}
			c := wire.NewClient(nc, wire.Legacy)
			if err := c.Identify(context.Background(), h); err != nil {
				w.t.Fatal(err)
			}
			tmuxtest.LetGo(h.Stdin.Take()) // theirs is the last one
			_ = c.Close()
		}
		for at, of := range map[string][]int{door: pipes[inputs : inputs+refused], w.Doors + "/run/ctl": pipes[inputs+refused:]} {
			for range 64 { // as many as she may have, or more
				c, err := dialWith(uid, at, 0)
				if err != nil {
					w.t.Fatal(err)
				}
				defer c.Close()
			}
			for _, fd := range of {
				w.dropOf(uid, at, fd)
			}
		}
		began()
		if err := w.locks(3 * time.Second); err != nil {
			w.gain("alice is kept waiting: %v", err)
		}
		if n := w.closing(); !w.control && n < inputs {
			w.t.Errorf("%d threads wait: this shows nothing", n)
		}
		free()
		if !w.soon(gone) {
			w.gain("what was passed is not closed")
		}
	}}.run(t)
}
