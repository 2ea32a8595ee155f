package control

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/soak"
	"github.com/muxward/muxward/internal/tmux"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

func newModel(t testing.TB, c *Client) *Model {
	t.Helper()
	m := NewModel(c)
	t.Cleanup(func() {
		_ = c.Close()
		m.Wait()
	})
	return m
}

func current(t testing.TB, m *Model, d tmux.Detail, maxAge time.Duration) *tmux.Snapshot {
	t.Helper()
	s, err := m.Current(ctxOf(t), d, maxAge)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestModelSeesWhatIs(t *testing.T) {
	eachWay(t, func(t *testing.T, s *tmuxtest.Server, c *Client) {
		m := newModel(t, c)
		for _, d := range []tmux.Detail{tmux.Core, tmux.Full, tmux.Places} {
			snap := current(t, m, d, 0)
			if snap.Incarnation.PID != s.PID || len(snap.Sessions) != 1 || snap.Sessions[0].Name != "one" || snap.Now == 0 {
				t.Errorf("%+v", snap)
			}
			if len(snap.Clients) != 0 {
				t.Errorf("we see ourselves: %+v", snap.Clients)
			}
		}
		// Without an age allowed, every change is seen by who asks afterwards.
		for i := range 20 {
			s.Run("new-window", "-d", "-t", "one:", "-n", fmt.Sprint("w", i), "cat")
			if snap := current(t, m, tmux.Core, 0); len(snap.Windows) != i+2 {
				t.Fatalf("%d windows, want %d", len(snap.Windows), i+2)
			}
		}
	})
}

func TestModelWithoutSessions(t *testing.T) {
	s := tmuxtest.Start(t, tmuxtest.Config{})
	needSessionless(t, s)
	m := newModel(t, open(t, s, Options{}))
	for _, d := range []tmux.Detail{tmux.Core, tmux.Full, tmux.Places} {
		if snap := current(t, m, d, 0); len(snap.Sessions) != 0 || snap.Incarnation.PID != s.PID {
			t.Errorf("%+v", snap)
		}
	}
}

// Whatever the server's owner calls things, the model sees the same.
func TestModelOfAServerWithAliases(t *testing.T) {
	eachWay(t, func(t *testing.T, s *tmuxtest.Server, c *Client) {
		m, f := newModel(t, c), framing(t, s)
		for i, alias := range []string{"list-clients=set-option -g @ran", "display-message=set-option -g @ran", "show=set-option -g @ran", "lsb=set-option -g @ran"} {
			if i > 0 { // the first is there before anybody looks
				current(t, m, tmux.Full, 0)
			}
			s.Run("set-option", "-s", fmt.Sprintf("command-alias[%d]", 90+i), alias)
			snap := current(t, m, tmux.Full, 0)
			if snap.Incarnation.PID != s.PID || len(snap.Sessions) != 1 || !slices.ContainsFunc(snap.Options.Aliases, func(a tmux.CommandAlias) bool {
				return a.Name+"="+a.Value == alias
			}) {
				t.Errorf("%s: %+v", alias, snap)
			}
		}
		c2 := openFramed(t, s, f, c.opts)
		if snap := current(t, newModel(t, c2), tmux.Full, 0); len(snap.Sessions) != 1 {
			t.Errorf("a new model: %+v", snap)
		}
	})
}

// How to ask is kept; but not beyond what the server's owner calls things, whoever has noticed that.
func TestModelAsksAnewForOtherAliases(t *testing.T) {
	eachWay(t, func(t *testing.T, s *tmuxtest.Server, c *Client) {
		m := newModel(t, c)
		s.Run("set-buffer", "-b", "one", "text")
		current(t, m, tmux.Full, 0)
		current(t, m, tmux.Core, 0)
		s.Run("set-option", "-s", "command-alias[90]", "list-buffers=list-buffers -f 0")
		current(t, m, tmux.Core, 0)
		if snap := current(t, m, tmux.Full, 0); len(snap.Buffers) != 1 {
			t.Errorf("%+v; it is asked as if there were no alias", snap.Buffers)
		}
	})
}

func TestModelAge(t *testing.T) {
	s := tmuxtest.Start(t, tmuxtest.Config{})
	s.NewSession("one", "")
	m := newModel(t, open(t, s, Options{}))
	if m.Last(tmux.Core) != nil {
		t.Error("something is known before anybody asked")
	}
	changed, cancel := m.Subscribe()
	defer cancel()
	current(t, m, tmux.Core, time.Hour)
	tmuxtest.Eventually(t, func() bool { return current(t, m, tmux.Core, time.Hour) == m.Last(tmux.Core) }, "an old snapshot will do")
	first := m.Last(tmux.Core)
	if again := current(t, m, tmux.Core, time.Hour); again != first {
		t.Error("fetched again without need")
	}
	if again := current(t, m, tmux.Core, 0); again == first {
		t.Error("not fetched again")
	}
	s.NewSession("two", "")
	// The first signal may still be one for our own coming.
	for len(current(t, m, tmux.Core, time.Hour).Sessions) != 2 {
		select {
		case <-changed:
		case <-ctxOf(t).Done():
			t.Fatal("no signal for a new session")
		}
	}
}

// Many who ask at once share trips, and none gets one that began before.
func TestModelSharesFetches(t *testing.T) {
	s := tmuxtest.Start(t, tmuxtest.Config{})
	s.NewSession("one", "")
	c := open(t, s, Options{})
	m := newModel(t, c)
	var wg sync.WaitGroup
	for g := range 16 {
		wg.Go(func() {
			for i := range soak.N(200, 4) {
				name := fmt.Sprintf("g%d-%d", g, i)
				if r, err := c.Do(ctxOf(t), "rename-session -t '$0' "+name, "new-session -d -s "+name+"x cat"); err != nil || r[1].Err != nil {
					t.Error(err, r)
					return
				}
				snap, err := m.Current(ctxOf(t), tmux.Core, 0)
				if err != nil || snap.SessionByName(name+"x") == nil {
					t.Errorf("%s is not seen: %v", name, err)
					return
				}
				if _, err := c.Do(ctxOf(t), "kill-session -t ="+name+"x"); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

func TestModelOfAServerThatGoes(t *testing.T) {
	checkLeaks(t)
	s := tmuxtest.Start(t, tmuxtest.Config{})
	s.NewSession("one", "")
	m := newModel(t, open(t, s, Options{}))
	changed, cancel := m.Subscribe()
	defer cancel()
	tmuxtest.Eventually(t, func() bool {
		current(t, m, tmux.Core, time.Hour)
		snap, _ := m.Fresh(tmux.Core, time.Hour)
		return snap != nil
	}, "nothing changes any more")
	s.Stop()
	m.mu.Lock()
	m.views[tmux.Core].stale = true
	m.mu.Unlock()
	short, stop := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer stop()
	if _, err := m.Current(short, tmux.Core, 0); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("stopped: %v", err)
	}
	if snap, _ := m.Fresh(tmux.Core, time.Hour); snap != nil {
		t.Error("what has changed passes for fresh while it is asked for")
	}
	s.Kill()
	for range 3 {
		if _, err := m.Current(ctxOf(t), tmux.Core, 0); !errors.Is(err, ErrServerGone) {
			t.Errorf("gone: %v", err)
		}
	}
	m.Wait()
	<-changed
	if _, err := m.Refresh(ctxOf(t), tmux.Core); !errors.Is(err, ErrServerGone) {
		t.Errorf("ended: %v", err)
	}
}

func TestModelSignalsAreFew(t *testing.T) {
	s := tmuxtest.Start(t, tmuxtest.Config{})
	s.NewSession("one", "")
	c := open(t, s, Options{})
	m := newModel(t, c)
	changed, cancel := m.Subscribe()
	began := time.Now()
	for i := range 2000 {
		do(t, c, fmt.Sprintf("rename-session -t '$0' n%d", i))
	}
	most := int(time.Since(began)/changeGap) + 2
	cancel()
	n := 0
	for {
		select {
		case <-changed:
			n++
			continue
		default:
		}
		break
	}
	if n == 0 || n > most {
		t.Errorf("%d signals, at most %d", n, most)
	}
}

// What was asked for and is waited for by nobody, or by somebody who leaves, holds up nobody
// else, and is no answer to who asks later.
func TestModelAskedAhead(t *testing.T) {
	eachWay(t, func(t *testing.T, s *tmuxtest.Server, c *Client) {
		m := newModel(t, c)
		current(t, m, tmux.Core, 0) // how to ask is known from here on
		m.Start(tmux.Core)
		gone, leave := context.WithCancel(ctxOf(t))
		leave()
		ahead := m.Start(tmux.Core)
		if _, err := ahead.Wait(gone); !errors.Is(err, context.Canceled) {
			t.Errorf("who has left hears %v", err)
		}
		for i := range 10 {
			s.Run("new-window", "-d", "-t", "one:", "-n", fmt.Sprint("w", i), "cat")
			first := m.Start(tmux.Core)
			if _, err := first.Wait(gone); err != nil && !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
			again := m.Start(tmux.Core)
			for _, f := range []Fetch{again, first} {
				if snap, err := f.Wait(ctxOf(t)); err != nil || len(snap.Windows) != i+2 {
					t.Fatalf("%+v, %v; want %d windows", snap, err, i+2)
				}
			}
		}
	})
}

// The server has the question when Start returns: it is not asked by whoever waits.
func TestModelAsksAtOnce(t *testing.T) {
	eachWay(t, func(t *testing.T, s *tmuxtest.Server, c *Client) {
		m := newModel(t, c)
		current(t, m, tmux.Core, 0)
		f := m.Start(tmux.Core)
		if err := c.Drain(ctxOf(t)); err != nil {
			t.Fatal(err)
		}
		s.Run("new-window", "-d", "-t", "one:", "cat")
		if snap, err := f.Wait(ctxOf(t)); err != nil || len(snap.Windows) != 1 {
			t.Errorf("%+v, %v; it was asked before the second window was made", snap, err)
		}
	})
}

// Places are all but the clients, and who asks for them can do with a state that has those too.
func TestModelOfPlaces(t *testing.T) {
	s := tmuxtest.Start(t, tmuxtest.Config{})
	s.NewSession("one", "")
	s.Attach(t, tmuxtest.TerminalConfig{}, "attach", "-t", "one").WaitFor("[one]")
	m := newModel(t, open(t, s, Options{}))
	places, core := current(t, m, tmux.Places, 0), current(t, m, tmux.Core, 0)
	if len(places.Clients) != 0 || len(core.Clients) != 1 {
		t.Errorf("%+v, %+v", places.Clients, core.Clients)
	}
	core = core.Visible(func(*tmux.Session, *tmux.Winlink, *tmux.Pane) bool { return true })
	core.Clients, core.Detail, core.Now = nil, places.Detail, places.Now
	if a, b := fmt.Sprintf("%+v", *places), fmt.Sprintf("%+v", *core); a != b {
		t.Errorf("they differ:\n%s\n%s", a, b)
	}
	tmuxtest.Eventually(t, func() bool {
		core := current(t, m, tmux.Core, 0)
		snap, at := m.Fresh(tmux.Places, time.Hour)
		if snap == core && at.IsZero() {
			t.Error("it has no time")
		}
		return snap == core
	}, "the newer one is given")
	places = current(t, m, tmux.Places, 0)
	if snap, _ := m.Fresh(tmux.Core, time.Hour); snap == places {
		t.Error("who asks for clients is given a state without")
	}
}
