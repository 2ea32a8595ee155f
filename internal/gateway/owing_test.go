package gateway

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/tmux"
)

// owes is a server that is not sure yet of what these people typed by commands.
type owes struct {
	still
	err error

	mu     sync.Mutex
	people []string
	asked  []string
	heard  chan struct{} // closed when it is asked
}

func owing(err error, people ...string) *owes {
	return &owes{still: still{tmux.NewSnapshot(tmux.Snapshot{Version: tmux.Reference()})}, err: err, people: people, heard: make(chan struct{})}
}

func (o *owes) Server(owner string) Server {
	if owner == "alice" {
		return o
	}
	return nil
}

func (o *owes) Owing() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.people)
}

func (o *owes) Written(_ context.Context, person string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.asked = append(o.asked, person); len(o.asked) == 1 {
		close(o.heard)
	}
	if o.err == nil {
		o.people = slices.DeleteFunc(o.people, func(of string) bool { return of == person })
	}
	return o.err
}

// In a lockdown a server comes to what it is asked only behind all who are sent away from it: what
// was typed before is asked for before them.
func TestWrittenIsAskedFirst(t *testing.T) {
	s := owing(nil, "bob")
	g := New(Parts{Servers: s, Policy: &givers{}})
	l, _ := g.begin(t.Context(), bob(t))
	defer l.Release()
	if err := l.Keep(func(ctx context.Context, _ string) error {
		select {
		case <-s.heard:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}, Attached{Person: "bob", Owner: "alice"}); err != nil {
		t.Fatal(err)
	}
	if rep := g.ReconsiderOn(t.Context(), access.Object{}, func(string) bool { return true }, "taken"); rep.Touched != 1 || len(rep.Unconfirmed) > 0 {
		t.Errorf("%d looked at, and told %q", rep.Touched, rep.Unconfirmed)
	}
}

// Whoever takes something from people waits until what they typed by commands that have ended is
// written to the panes, of those people and on those servers, and tells of what does not come to that.
func TestReconsiderWaitsForWhatIsWritten(t *testing.T) {
	bob := func(person string) bool { return person == "bob" }
	for what, c := range map[string]struct {
		on    access.Object
		about func(string) bool
		err   error
		asked []string
	}{
		"one person":      {access.Object{}, bob, nil, []string{"bob"}},
		"everybody":       {access.Object{}, func(string) bool { return true }, nil, []string{"bob", "carol"}},
		"there":           {saidOn(access.Pane), bob, nil, []string{"bob"}},
		"elsewhere":       {access.Object{Kind: access.Server, Owner: "dave"}, bob, nil, nil},
		"it does not end": {access.Object{}, bob, errors.New("it hangs"), []string{"bob"}},
	} {
		s := owing(c.err, "bob", "carol")
		g := New(Parts{Servers: s, Policy: &givers{}})
		rep := g.ReconsiderOn(t.Context(), c.on, c.about, "taken")
		slices.Sort(s.asked)
		s.asked = slices.Compact(s.asked) // who still owes is asked again
		if !slices.Equal(s.asked, c.asked) {
			t.Errorf("%s: it is waited for %q, want %q", what, s.asked, c.asked)
		}
		// What is given, or given back, takes nothing: nobody waits, nor hears of a server that hangs.
		if rep := g.ReconsiderGiven(t.Context(), c.on, c.about, "given"); len(s.asked) != len(c.asked) || len(rep.Unconfirmed) > 0 {
			t.Errorf("%s: to give it, it is waited for %q, and told %q", what, s.asked, rep.Unconfirmed)
		}
		told := strings.Join(rep.Unconfirmed, "\n")
		if (told != "") != (c.err != nil) || c.err != nil && !strings.Contains(told, "bob") {
			t.Errorf("%s: told %q", what, told)
		}
	}
}

// A fault in who is asked first is the caller's, and ends nobody else.
func TestWrittenFaults(t *testing.T) {
	s := owing(nil, "bob")
	g := New(Parts{Servers: s, Policy: &givers{}})
	err := recovered(func() error {
		g.ReconsiderOn(t.Context(), access.Object{}, func(string) bool { panic("for a test") }, "taken")
		return nil
	})
	if !errors.Is(err, errFault) {
		t.Errorf("%v", err)
	}
}
