package tmuxd

import (
	"slices"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/server/crowd"
	"github.com/muxward/muxward/internal/tmux/wire"
)

// TestLend: a person's own server hears nothing of the account that they are lent, and
// nobody's that a forced command began it.
func TestLend(t *testing.T) {
	s := &Server{Home: func(person string) string { return "/home/" + person }}
	env := []string{"MUXWARD_FORCED=1", "EDITOR=vi", "TERM=xterm", "LC_ALL=C", "TERMINFO=/x", "LD_PRELOAD=x"}
	h := &wire.Hello{Env: slices.Clone(env), Cwd: "/home/work"}
	s.lend(identity.Supposed(identity.Subject{Person: "carol", UID: -1}), h)
	if got := strings.Join(h.Env, " "); got != "TERM=xterm LC_ALL=C" || h.Cwd != "/home/carol" {
		t.Errorf("of an account that is lent: %q in %s", got, h.Cwd)
	}
	h = &wire.Hello{Env: slices.Clone(env), Cwd: "/home/bob"}
	s.lend(identity.Supposed(identity.Subject{Person: "bob", UID: 7}), h)
	if !slices.Equal(h.Env, env[1:]) || h.Cwd != "/home/bob" {
		t.Errorf("of their own: %q in %s", h.Env, h.Cwd)
	}
}

// TestLentPlaces: who is lent an account takes their own places there and nobody else's,
// and gives them back.
func TestLentPlaces(t *testing.T) {
	s := &Server{}
	carol, bob := identity.Supposed(identity.Subject{Person: "carol", UID: -1}), identity.Supposed(identity.Subject{Person: "bob", UID: 7})
	enter := func() *visit {
		t.Helper()
		v := &visit{fresh: &stay{}, here: &stay{}}
		for i := range v.calls {
			c, err := s.all.Enter(7, "", crowd.Bounds{Each: 2 * perUIDAll, All: totalAll}, crowd.Unknown, nil)
			if err != nil {
				t.Fatal("the account has no place left")
			}
			v.calls[i] = c
		}
		v.calls[0].Leave()
		v.here.change(v.calls[1].Leave)
		return v
	}
	come := func(who identity.Identity) (*stay, error) {
		v := enter()
		return v.here, s.place(who, v)
	}
	var here []*stay
	for range perUIDAll {
		st, err := come(carol)
		if err != nil {
			t.Fatal(err)
		}
		here = append(here, st)
	}
	st, err := come(carol)
	if err == nil {
		t.Error("carol has any number of places")
	}
	st.give()
	if s.all.Len() != 0 || s.lent.Len() != perUIDAll {
		t.Errorf("%d places of the account are taken, %d of people", s.all.Len(), s.lent.Len())
	}
	if st, err = come(bob); err != nil || s.all.Len() != 1 {
		t.Errorf("bob, whose account it is: %v, %d", err, s.all.Len())
	}
	st.give()
	for _, st := range here {
		st.give()
		st.give()
	}
	late := enter()
	late.here.give() // it was left behind before it was known who it is
	if err := s.place(carol, late); err != nil {
		t.Error(err)
	}
	if s.all.Len() != 0 || s.lent.Len() != 0 {
		t.Errorf("when all have gone: %d, %d", s.all.Len(), s.lent.Len())
	}
}
