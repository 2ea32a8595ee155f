package executor

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/muxward/muxward/internal/tmux"
	"github.com/muxward/muxward/internal/tmux/control"
)

// What is on the board is gone by for a while, but not past a command or a
// hand that may have changed it, nor past a moment that somebody names.
func TestBoardIsLookedAtAnew(t *testing.T) { synctest.Test(t, boardIsLookedAtAnew) }

// How old a view is does not hang on the machine here, nor below.
func boardIsLookedAtAnew(t *testing.T) {
	now := time.Now()
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	for _, c := range []struct {
		what           string
		v              *view
		after          time.Time
		changed, typed time.Duration // ago; 0 for never
		fresh          bool
	}{
		{"nothing yet", nil, time.Time{}, 0, 0, false},
		{"just now", &view{at: ago(10 * time.Millisecond), lasts: time.Minute}, time.Time{}, 0, 0, true},
		{"long ago", &view{at: ago(2 * time.Minute), lasts: time.Minute}, time.Time{}, 0, 0, false},
		{"before the key", &view{at: ago(time.Second), lasts: time.Minute}, ago(time.Millisecond), 0, 0, false},
		{"after the key", &view{at: ago(time.Second), lasts: time.Minute}, ago(2 * time.Second), 0, 0, true},
		{"before a command", &view{at: ago(2 * time.Second), lasts: time.Minute}, time.Time{}, time.Second, 0, false},
		{"after a command", &view{at: ago(time.Second), lasts: time.Minute}, time.Time{}, 2 * time.Second, 0, true},
		{"before somebody typed", &view{at: ago(time.Second), lasts: time.Minute}, time.Time{}, 0, time.Millisecond, false},
		{"while somebody types", &view{at: now, lasts: time.Minute}, time.Time{}, 0, -time.Second, true},
		{"after somebody typed", &view{at: ago(time.Second), lasts: time.Minute}, time.Time{}, 0, 2 * time.Second, true},
		{"in vain", &view{at: ago(time.Second), lasts: time.Minute, err: errors.New("no answer")}, now, time.Millisecond, 0, true},
		{"in vain, long ago", &view{at: ago(time.Hour), lasts: time.Minute, err: errors.New("no answer")}, time.Time{}, 0, 0, false},
	} {
		b := &board{}
		b.now.Store(c.v)
		if c.changed != 0 {
			b.changed.Store(ago(c.changed).UnixNano())
		}
		if c.typed != 0 {
			b.typed.Store(ago(c.typed).UnixNano())
		}
		if got := b.fresh(c.after); (got != nil) != c.fresh || got != nil && got != c.v {
			t.Errorf("%s: fresh %v", c.what, got != nil)
		}
	}
}

// deaf is a server that cannot be asked.
type deaf struct {
	Server
	asked func(ctx context.Context)
}

func (d deaf) Control(ctx context.Context) (*control.Client, error) {
	d.asked(ctx)
	return nil, errors.New("no connection")
}

// What one person's look finds out is for everybody: it does not fail because they
// leave, and a late look takes nothing away that was seen after it.
func TestBoardIsEverybodys(t *testing.T) {
	ctx, leave := context.WithCancel(t.Context())
	tables := &tmux.KeyTables{}
	newer := &view{at: time.Now().Add(time.Minute), lasts: time.Hour, tables: tables}
	b := &board{busy: make(chan struct{}, 1)}
	b.server = deaf{asked: func(ctx context.Context) {
		leave()
		if ctx.Err() != nil {
			t.Error("it ended with the person who looked")
		}
		b.now.Store(newer)
	}}
	b.now.Store(&view{at: time.Now().Add(-time.Hour), tables: tables})
	if v := b.look(ctx, time.Now(), tmux.ParseOptions{}); v.err == nil || v.tables != tables {
		t.Errorf("%+v", v)
	}
	if b.now.Load() != newer {
		t.Error("a newer view is gone")
	}
	b.show(&view{at: newer.at.Add(time.Second)})
	if b.now.Load() == newer {
		t.Error("the newest view is not shown")
	}
}

// A server that does not answer is waited for once, and not with the next key.
func TestBoardWaitsOnceForNobody(t *testing.T) {
	asked := 0
	b := &board{busy: make(chan struct{}, 1)}
	b.server = deaf{asked: func(ctx context.Context) {
		asked++
		<-ctx.Done()
	}}
	for range 5 {
		if v := b.look(t.Context(), time.Now(), tmux.ParseOptions{}); v.err == nil {
			t.Errorf("%+v", v)
		}
	}
	if asked != 1 {
		t.Errorf("it was waited for %d times", asked)
	}
	if v := b.fresh(time.Time{}); v == nil || v.keys(7) != nil {
		t.Errorf("%+v", v)
	}
}

// While somebody types, the tables are looked at beside that once they are half as old
// as they may be, and by one look; while nobody does, nobody looks.
func TestBoardIsLookedAtBesideTyping(t *testing.T) { synctest.Test(t, boardIsLookedAtBesideTyping) }

func boardIsLookedAtBesideTyping(t *testing.T) {
	asked := 0
	b := &board{busy: make(chan struct{}, 1), server: deaf{asked: func(context.Context) { asked++ }}}
	s := &seat{e: &Executor{}}
	s.stage.Store(&stage{session: tmux.Session{ID: 7}})
	s.scene.Store(&scene{})
	k := &keyboard{s: s, board: b, early: make(chan *view, 1)}
	tables, err := tmux.ParseKeyTables(tmux.Reference(), [][]byte{[]byte("S $7 0 0 C-b None root\n"), nil}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what    string
		age     time.Duration
		beside  bool
		directs bool
	}{
		{"young", time.Second, false, false},
		{"aging", 40 * time.Minute, true, false},
		{"young, while an owner types", 10 * time.Millisecond, false, true},
		{"aging, while an owner types", boardTyped * 3 / 4, true, true},
	} {
		v := &view{at: time.Now().Add(-c.age), lasts: time.Hour, tables: tables}
		b.now.Store(v)
		b.typed.Store(0)
		if c.directs {
			b.typed.Store(time.Now().UnixNano())
		}
		for range 3 {
			if n := k.Plain([]byte("abc")); n != 3 {
				t.Fatalf("%s: %d of the keys are typed", c.what, n)
			}
		}
		if taken, err := k.Press(t.Context(), "Up"); taken || err != nil {
			t.Fatal(taken, err)
		}
		if asked != 0 {
			t.Fatalf("%s: a key has waited for the server", c.what)
		}
		select {
		case aged := <-k.early:
			if !c.beside || aged != v {
				t.Errorf("%s: they are looked at", c.what)
			}
			k.mind(t.Context(), aged)
			k.mind(t.Context(), aged) // somebody has looked since
			if asked != 3 || b.now.Load() == v {
				t.Errorf("%s: the server was asked %d times, want 3 tries of one look", c.what, asked)
			}
			asked = 0
		default:
			if c.beside {
				t.Errorf("%s: nobody is to look at them", c.what)
			}
		}
	}
}

// There is always a key by which people leave.
func TestLeaving(t *testing.T) {
	m := onlyLeaving(7)
	k := &keyboard{}
	if b, typed := k.at.Press(m, "C-b", time.Now()); b != nil || typed {
		t.Error(b, typed)
	}
	b, _ := k.at.Press(m, "d", time.Now())
	if b == nil {
		t.Fatal("nothing is bound")
	}
	if all, err := b.Commands(); err != nil || len(all) != 1 || !leaves(all[0]) {
		t.Errorf("%v, %v", all, err)
	}
}
