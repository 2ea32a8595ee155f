package executor

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/tmux"
)

// covering stands in for the terminal that a picture is shown on.
type covering struct {
	during func()
	err    error
}

func (c covering) Uncover(context.Context) (bool, error) {
	c.during()
	return true, c.err
}

// TestShownUntilItIsTakenAway: as long as a picture may still be written, whoever
// takes it away finds what it rests on; also if the person's own way back fails.
func TestShownUntilItIsTakenAway(t *testing.T) {
	l := new(looking)
	var s showing
	s.rests.Store(l)
	stuck := errors.New("a delivery does not end")
	found := func() {
		if s.rests.Load() != l {
			t.Error("nobody finds what the picture rests on")
		}
	}
	s.cover = covering{found, stuck}
	if _, err := s.end(t.Context(), l); !errors.Is(err, stuck) {
		t.Errorf("the end of it is %v", err)
	}
	found()
	s.cover = covering{during: found}
	if shown, err := s.end(t.Context(), l); !shown || err != nil {
		t.Errorf("shown %v, %v", shown, err)
	}
	if s.rests.Load() != nil {
		t.Error("it is not over")
	}
	if s.restsOn(l) {
		t.Error("a picture that is shown now would be nobody's to take away")
	}
	next := &looking{view: new(gateway.Right)}
	s.rests.Store(next)
	if s.over(l); !s.restsOn(next) {
		t.Error("the end of one look back is taken for that of the next")
	}
}

// TestDeafToAWord: of what somebody types who is not looking back any more, and
// does not know yet, no part is typed: not the end of a long word either.
func TestDeafToAWord(t *testing.T) {
	var d deafness
	now := time.Unix(1000, 0)
	if d.drops(now) {
		t.Error("a key is dropped that was meant for nothing else")
	}
	d.begin(now)
	for range 40 {
		if now = now.Add(deafTime / 4); !d.drops(now) {
			t.Fatal("a part of the word is typed")
		}
	}
	if d.drops(now.Add(deafTime)) {
		t.Error("it does not hear again")
	}
}

// TestPastedAsTyped: what somebody has copied for themselves ends lines by the key
// that does, unless the command says something else.
func TestPastedAsTyped(t *testing.T) {
	for flags, want := range map[string]string{"": "a\rb", "r": "a\nb", "s": "a, b"} {
		inv := &tmux.Invocation{Row: tmux.FindCommand("paste-buffer")}
		switch flags {
		case "r":
			inv.SetBare('r')
		case "s":
			inv.Set('s', ", ")
		}
		if got := pasted(inv, "a\nb"); got != want {
			t.Errorf("with -%s it is %q, want %q", flags, got, want)
		}
	}
}
