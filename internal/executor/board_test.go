package executor

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/tmux"
	"github.com/muxward/muxward/internal/tmux/control"
)

// What is on the board is gone by for a while, but not past a command or a
// hand that may have changed it, nor past a moment that somebody names.
func TestBoardIsLookedAtAnew(t *testing.T) {
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
