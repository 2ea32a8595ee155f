package control

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// Who waits for what was sent before waits for all of it, sends nothing, and where there
// is nothing to wait for asks no server. Of what was taken back it is told that it was not run.
func TestExecuted(t *testing.T) {
	s := tmuxtest.Start(t, tmuxtest.Config{})
	c := open(t, s, Options{})
	for i := range 100 {
		p, err := c.Send(fmt.Sprintf("set-option -g @x %d", i))
		if err != nil {
			t.Fatal(err)
		}
		c.mu.Lock()
		sent := c.accepted
		c.mu.Unlock()
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() {
				if err := c.Executed(ctxOf(t)); err != nil {
					t.Error(err)
				}
				select {
				case <-p.done:
				default:
					t.Error("executed, and the command before is not answered")
				}
			})
		}
		wg.Wait()
		c.mu.Lock()
		if c.accepted != sent {
			t.Error("who waits has sent something")
		}
		c.mu.Unlock()
	}
	s.Signal(syscall.SIGSTOP)
	defer s.Signal(syscall.SIGCONT)
	if err := c.Executed(ctxOf(t)); err != nil {
		t.Errorf("nothing is on its way: %v", err)
	}
	if _, err := c.Send("set-option -g @x late"); err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := c.Executed(short); !errors.Is(err, ErrUnknownOutcome) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the server stands still: %v", err)
	}
	if _, err := c.Send("set-option -g @x later"); err != nil {
		t.Fatal(err)
	}
	told := make(chan error, 1)
	go func() { told <- c.Executed(ctxOf(t)) }()
	tmuxtest.Eventually(t, func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.queue.at(c.queue.len()-1).reached != nil
	}, "somebody waits")
	c.Cut(ctxOf(t))
	if err := <-told; err == nil {
		t.Error("what was taken back is said to be executed")
	}
	if err := c.Executed(ctxOf(t)); !errors.Is(err, ErrNotExecuted) {
		t.Errorf("after the end: %v", err)
	}
}
