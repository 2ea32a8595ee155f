package executor

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/scrollback"
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

func (c covering) Withdraw(ctx context.Context) (bool, error) { return c.Uncover(ctx) }

// TestShownUntilItIsTakenAway: as long as something of a picture may still be shown,
// whoever takes it away finds what it rests on; also if the person's own way back
// does not, and while the terminal may hold some of it.
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
	if shown, err := s.hide(t.Context(), l); !shown || err != nil {
		t.Errorf("shown %v, %v", shown, err)
	}
	if found(); !l.over.Load() {
		t.Error("another picture could be shown that rests on it")
	}
	if shown, err := s.end(t.Context(), l); !shown || err != nil {
		t.Errorf("shown %v, %v", shown, err)
	}
	if s.rests.Load() != nil {
		t.Error("it is not over")
	}
	next := new(looking)
	s.rests.Store(next)
	s.cover = covering{during: func() {}}
	if _, err := s.end(t.Context(), l); err != nil || s.rests.Load() != next {
		t.Errorf("the end of one look back is taken for that of the next; %v", err)
	}
}

// TestRestsOnWhatWasShownBefore: what is shown rests on what was shown before, too,
// which the terminal may not have shown yet: on each right once. What is remembered of
// that is bounded in rights, not in pictures: what is before is taken away first then.
func TestRestsOnWhatWasShownBefore(t *testing.T) {
	st := new(seat) // nothing is decided in this test
	at := func(panes ...uint32) *looking {
		var needs []gateway.Need
		for _, pane := range panes {
			needs = append(needs, gateway.Need{Object: access.Object{Kind: access.Pane, Pane: access.PaneRef{ID: pane}, Links: []access.SessionRef{{ID: 7}}}})
		}
		return &looking{rights: st.rights(needs)}
	}
	panes := func(g glance) (ids []uint32) {
		for _, r := range g {
			ids = append(ids, r.Need().Object.Pane.ID)
		}
		return ids
	}
	withdrawn := 0
	s := showing{cover: covering{during: func() { withdrawn++ }}}
	begin := func(l *looking) {
		t.Helper()
		if err := s.begin(t.Context(), l); err != nil {
			t.Fatal(err)
		}
	}
	for _, on := range [][]uint32{{1, 9}, {2}, {1}, {1, 1}, {3, 9}, {2, 2}} {
		begin(at(on...))
	}
	if now := s.rests.Load(); !slices.Equal(panes(now.rights), []uint32{2}) || !slices.Equal(panes(now.before), []uint32{1, 3, 9}) {
		t.Errorf("it rests on %d, and on what was shown of %d, too", panes(now.rights), panes(now.before))
	}
	for i := range uint32(maxBefore / 50) {
		var many []uint32
		for n := range uint32(100) {
			many = append(many, 1000*(i+1)+n)
		}
		begin(at(many...))
		if n := len(s.rests.Load().before); n > maxBefore {
			t.Fatalf("%d rights are kept", n)
		}
	}
	if withdrawn != 1 {
		t.Errorf("what was shown before was taken away %d times", withdrawn)
	}
	s.cover = covering{func() {}, errors.New("a delivery does not end")}
	was := s.rests.Load()
	was.before = make(glance, 0, maxBefore)
	for i := range maxBefore {
		was.before = append(was.before, held{key: strings.Repeat("x", i+1)})
	}
	if err := s.begin(t.Context(), at(1)); err == nil || s.rests.Load() != was {
		t.Errorf("what could not be taken away is forgotten; %v", err)
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

// TestStandingFits: what is said below a picture is no longer than the terminal is
// wide, also of one that has gone and has no size any more.
func TestStandingFits(t *testing.T) {
	content, err := scrollback.Parse(scrollback.Capture{Width: 1, Height: 1, Text: "x\n", Joined: "x\n"})
	if err != nil {
		t.Fatal(err)
	}
	for cols := range len(standing) + 5 {
		l := &lookback{view: scrollback.New(content, scrollback.Settings{}, 0, 0), frame: scrollback.Frame{Cols: cols, Rows: cols, Below: 1}}
		_, text, _ := strings.Cut(string(l.below()), "\x1b[0;7m")
		text, _, _ = strings.Cut(text, "\x1b")
		if n := len(text); n > max(cols-1, 1) || cols > 1 && !strings.HasPrefix(standing, text[:min(n, len(standing))]) {
			t.Errorf("of %d columns it takes %q", cols, text)
		}
	}
}
