package executor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/tmux"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// TestAttendingIsLiteral: what the options tell of people are names and nothing that
// an owner's status line, or a shell there, could make something of.
func TestAttendingIsLiteral(t *testing.T) {
	people, typing := attending([]gateway.Present{
		{Person: "alice", MayType: true}, {Person: "b#(id)}',;$`\"\n\x1bob", Typing: true}, {Person: "é", MayType: true, Typing: true},
	})
	if people != "alice* +1 +1*" || typing != "+1 +1" {
		t.Errorf("%q, %q", people, typing)
	}
	var many []gateway.Present
	for i := range maxNamed + 7 {
		many = append(many, gateway.Present{Person: fmt.Sprint("p", i)})
	}
	if people, _ := attending(many); !strings.HasSuffix(people, "p19 +7") {
		t.Errorf("of many it is %q", people)
	}
	if people, typing := attending(nil); people != "" || typing != "" {
		t.Errorf("of nobody it is %q, %q", people, typing)
	}
}

// reader is a server that is told who is present.
type reader struct {
	Server
	owner string
	stuck bool

	mu   sync.Mutex
	put  []string // what it was told, and has done
	lost int      // so many answers do not come
}

func (s *reader) Owner() string     { return s.owner }
func (*reader) Incarnation() string { return "1" }

func (s *reader) Snapshot(ctx context.Context, _ tmux.Detail) (*tmux.Snapshot, error) {
	if s.stuck {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return tmux.NewSnapshot(tmux.Snapshot{Sessions: []tmux.Session{{ID: 1, Name: "work"}}}), nil
}

func (s *reader) set(_ context.Context, _ tmux.ParseOptions, _ tmux.SessionID, values [2]string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.put = append(s.put, values[0])
	if s.lost--; s.lost >= 0 {
		return errors.New("nobody knows what became of it")
	}
	return nil
}

func (s *reader) all() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.put)
}

// wall is one for this server, where these people are.
func (s *reader) wall(people ...string) *wall {
	w := &wall{server: s, put: s.set, due: make(chan string, 1), told: map[tmux.SessionID]posted{}}
	w.present = func(*tmux.Snapshot) map[tmux.SessionID][]gateway.Present {
		if len(people) == 1 && people[0] == "fault" {
			panic("a fault")
		}
		all := map[tmux.SessionID][]gateway.Present{}
		for _, p := range people {
			all[1] = append(all[1], gateway.Present{Person: p})
		}
		return all
	}
	return w
}

// TestUnsureIsSetAgain: what the server may have been told, without an answer, is told
// again, or taken away, as what it was told for sure; what is known is not.
func TestUnsureIsSetAgain(t *testing.T) {
	s := &reader{owner: "alice", lost: 1}
	w := s.wall("bob")
	for i, wrong := range []bool{true, false, false} {
		if err := w.renew(t.Context()); (err != nil) != wrong {
			t.Errorf("%d: %v", i, err)
		}
	}
	if got := s.all(); !slices.Equal(got, []string{"bob", "bob"}) {
		t.Errorf("it was told %q", got)
	}
	s.lost = 1
	w.present = s.wall().present // he has gone
	if err := w.renew(t.Context()); err == nil {
		t.Error("that there was no answer is not said")
	}
	if err := w.unpost(); err != nil || !slices.Equal(s.all(), []string{"bob", "bob", "", ""}) {
		t.Errorf("at the end it was told %q, %v", s.all(), err)
	}
}

// TestWrongIsToldOnce: whoever reads muxward's messages is told once that a server
// does not take it, and not with each try.
func TestWrongIsToldOnce(t *testing.T) {
	s := &reader{owner: "alice", lost: 5}
	w := s.wall("bob")
	var said []string
	for i := range 8 {
		w.at = time.Time{}
		w.post(t.Context(), "bob", func(what string) { said = append(said, what) })
		if i == 0 && len(said) > 0 {
			t.Errorf("a session that has ended just then is %q", said)
		}
	}
	if len(said) != 1 || !strings.Contains(said[0], "alice's") || w.failed != 0 {
		t.Errorf("it is said %q; %d have failed", said, w.failed)
	}
}

type street map[string]*reader

func (s street) Owners() (all []string) {
	for owner := range s {
		all = append(all, owner)
	}
	return all
}

func (s street) IsOwner(string) bool { return true }

func (s street) Server(owner string) gateway.Server { return s[owner] }

// written is a wall on which something stands.
func written(w *wall) *wall {
	w.told[1] = posted{[2]string{"bob"}, true}
	return w
}

// TestOneServerHoldsUpNoOther: one that does not answer, and one where there is a
// fault, keep no other from being told, nor from being told no more at the end.
func TestOneServerHoldsUpNoOther(t *testing.T) {
	all := street{"faulty": {owner: "faulty"}}
	for i := range 8 {
		owner := fmt.Sprint("stuck", i)
		all[owner] = &reader{owner: owner, stuck: true}
	}
	all["alice"] = &reader{owner: "alice"}
	town := &town{servers: all, who: func() []gateway.Attached { return nil }, complain: func(string) {}, open: func(s Server) *wall {
		if s.Owner() == "faulty" {
			return written(all["faulty"].wall("fault"))
		}
		if w := all[s.Owner()].wall("bob"); s.Owner() == "alice" {
			return w
		}
		return written(all[s.Owner()].wall("bob"))
	}}
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan struct{})
	go func() { town.run(ctx); close(over) }()
	tmuxtest.Eventually(t, func() bool { return slices.Equal(all["alice"].all(), []string{"bob"}) }, "alice's is told")
	tmuxtest.Eventually(t, func() bool { return slices.Equal(all["faulty"].all(), []string{""}) }, "what stood where the fault is goes")
	cancel()
	tmuxtest.Eventually(t, func() bool { return slices.Equal(all["alice"].all(), []string{"bob", ""}) }, "at the end it is told so")
	began := time.Now()
	<-over
	if took := time.Since(began); took > 4*exitTime {
		t.Errorf("all together they took %v to end", took)
	}
}
