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

// Who waits for what is somebody's waits for nothing that others send behind it, asks once where
// nobody has, and where that has nothing under way does not wait at all. What was taken back was
// not executed.
func TestSettledOf(t *testing.T) {
	s := tmuxtest.Start(t, tmuxtest.Config{})
	c := open(t, s, Options{})
	mine, yours := new(int), new(int)
	s.Signal(syscall.SIGSTOP)
	p, err := c.SendOf(mine, "set-option -g @x mine")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.SendOf(yours, "set-option -g @x yours"); err != nil {
		t.Fatal(err)
	}
	if err := c.SettledOf(ctxOf(t), new(int)); err != nil {
		t.Errorf("nothing of theirs is on its way: %v", err)
	}
	short, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := c.SettledOf(short, mine); !errors.Is(err, ErrUnknownOutcome) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the server stands still: %v", err)
	}
	told := make(chan error, 1)
	go func() { told <- c.SettledOf(ctxOf(t), mine) }()
	s.Signal(syscall.SIGCONT)
	if err := <-told; err != nil {
		t.Errorf("the server goes on: %v", err)
	}
	select {
	case <-p.done:
	default:
		t.Error("executed, and the command is not answered")
	}
	if _, err := p.Wait(ctxOf(t)); err != nil {
		t.Error(err)
	}
	if c.Owes(mine) {
		t.Error("settled, and something is owed")
	}
	if err := c.Executed(ctxOf(t)); err != nil {
		t.Error(err)
	}
	// An answer alone does not tell that what was typed has come to the terminal.
	if q, err := c.SendOf(mine, "set-option -g @x again"); err != nil {
		t.Fatal(err)
	} else if _, err := q.Wait(ctxOf(t)); err != nil {
		t.Fatal(err)
	}
	tmuxtest.Eventually(t, c.answeredAll, "nothing is on its way")
	if !c.Owes(mine) {
		t.Error("answered, with nothing asked behind it, and nothing is owed")
	}
	before := c.number()
	if err := c.SettledOf(ctxOf(t), mine); err != nil {
		t.Error(err)
	}
	if n := c.number() - before; n != 1 || c.Owes(mine) {
		t.Errorf("it was asked %d times whether that is settled; owed: %v", n, c.Owes(mine))
	}
	s.Signal(syscall.SIGSTOP)
	defer s.Signal(syscall.SIGCONT)
	var last error
	if err := c.SendThen(mine, "set-option -g @x late", func(_ Reply, err error) { last = err }); err != nil {
		t.Fatal(err)
	}
	if _, err := c.SendOf(yours, "set-option -g @x later"); err != nil {
		t.Fatal(err)
	}
	go func() { told <- c.SettledOf(ctxOf(t), mine) }()
	tmuxtest.Eventually(t, func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		n := c.queue.len()
		return n == 2 && c.queue.at(0).reached != nil && c.queue.at(1).reached == nil
	}, "somebody waits for the first")
	c.Cut(ctxOf(t))
	if err := <-told; !errors.Is(err, ErrNotExecuted) || !errors.Is(last, ErrNotExecuted) {
		t.Errorf("taken back: %v, %v", err, last)
	}
}
