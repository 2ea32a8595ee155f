package executor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/failpoint"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/tmux"
)

const (
	// boardAge is how old the key tables may be by which a key is typed because
	// nothing is bound to it. What is bound to a key is looked up when it is
	// pressed.
	boardAge = time.Second
	// boardTyped is boardAge while somebody types directly on the server: what
	// they do there is not known.
	boardTyped = 100 * time.Millisecond
	// boardShare times as long as it took to look, nobody looks again for the
	// tables' age alone.
	boardShare = 20
	// boardVain is how long a server that has not told them is not asked again: what
	// is typed in one go does not wait twice, and a server that was only busy is
	// soon heard again.
	boardVain = time.Second
	// boardPause is how long after a key the tables are looked at beside the typing:
	// what the key has done is shown by then, and the next is mostly not there yet.
	boardPause = 10 * time.Millisecond
	// boardWait is how long somebody waits for somebody else who looks.
	boardWait = 100 * time.Millisecond
	// boardTime is how long a server may take to tell its key tables.
	boardTime = time.Second
)

// board has the key tables of one server, for all who are attached there.
type board struct {
	server Server
	users  int           // under mu of the Executor
	busy   chan struct{} // holds one while somebody looks
	helps  chan struct{} // and one while somebody is told what they may press
	now    atomic.Pointer[view]
	// When a command may have changed the tables, and when somebody typed
	// directly, in Unix nanoseconds.
	changed, typed atomic.Int64
}

// view is what the board had on it, and how long that may be gone by.
type view struct {
	at     time.Time // when it began to be looked at
	lasts  time.Duration
	took   time.Duration // to be looked at
	tables *tmux.KeyTables
	err    error // why these are older, or there are none
}

// keys gives what keys mean in a session, nil if that is not known.
func (v *view) keys(session tmux.SessionID) *tmux.KeyMap {
	if v.tables == nil {
		return nil
	}
	return v.tables.Session(session)
}

// board gives the board of a server; drop gives it back.
func (e *Executor) board(s Server) *board {
	e.mu.Lock()
	defer e.mu.Unlock()
	key := life(s)
	b := e.boards[key]
	if b == nil {
		b = &board{server: s, busy: make(chan struct{}, 1), helps: make(chan struct{}, 1)}
		if e.boards == nil {
			e.boards = map[string]*board{}
		}
		e.boards[key] = b
	}
	b.users++
	return b
}

func (e *Executor) drop(b *board) {
	if b == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if b.users--; b.users == 0 {
		delete(e.boards, b.server.Owner()+"#"+b.server.Incarnation())
	}
}

// changes notes that a command was run that may have changed key tables: what
// is pressed next is looked up anew.
func (e *Executor) changes(p *gateway.Permit) {
	plan := p.Plan()
	if plan.Server == nil || !slices.ContainsFunc(plan.Needs, func(n gateway.Need) bool {
		return !n.Whole && (n.Verb == access.Configure || n.Verb == access.Execute)
	}) {
		return
	}
	e.mu.Lock()
	b := e.boards[plan.Server.Owner()+"#"+plan.Server.Incarnation()]
	e.mu.Unlock()
	if b != nil {
		b.changed.Store(time.Now().UnixNano())
	}
}

// fresh gives what is known if it may be gone by: it was not looked at before
// after, and not too long ago.
func (b *board) fresh(after time.Time) *view {
	v := b.now.Load()
	if v == nil {
		return nil
	}
	began, age := v.at.UnixNano(), time.Since(v.at)
	switch {
	case v.err != nil: // a server that does not answer is not waited for with each key
		if age < v.lasts {
			return v
		}
		return nil
	case v.at.Before(after), age > v.lasts, b.changed.Load() >= began, b.typed.Load() >= began && age > boardTyped:
		return nil
	}
	return v
}

// aging reports whether half the time has passed for which a view may be gone by:
// whoever types has it looked at anew then, beside the typing. So a key waits for
// that only after a pause.
func (b *board) aging(v *view) bool {
	age := time.Since(v.at)
	return v.err == nil && (age > v.lasts/2 || b.typed.Load() >= v.at.UnixNano() && age > max(boardTyped/2, 2*v.took))
}

// look gives the key tables as they are now, or were not before after. What
// cannot be found out is as it was, with an error. It is found out for everybody:
// that one person leaves does not end it.
func (b *board) look(ctx context.Context, after time.Time, opts tmux.ParseOptions) *view {
	if v := b.fresh(after); v != nil {
		return v
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), boardTime)
	defer cancel()
	select {
	case b.busy <- struct{}{}:
		defer func() { <-b.busy }()
	case <-time.After(boardWait): // whoever looks is held up: each looks for themselves
	case <-ctx.Done():
		return &view{at: time.Now(), tables: b.known(), err: unseen(ctx.Err())}
	}
	if v := b.fresh(after); v != nil {
		return v // somebody else has looked
	}
	v := &view{at: time.Now(), tables: b.known()}
	tables, err := b.ask(ctx, opts)
	if err == nil {
		v.tables = tables
	} else {
		v.err = unseen(err)
	}
	took := time.Since(v.at)
	v.took, v.lasts = took, took+boardVain
	if err == nil || errors.Is(err, tmux.ErrManyKeys) {
		v.lasts = max(boardAge, boardShare*took)
	}
	b.show(v)
	return v
}

func unseen(err error) error {
	return fmt.Errorf("the server's key bindings cannot be looked up: %w", err)
}

// show puts a view on the board, unless what is there was looked at later.
func (b *board) show(v *view) {
	for {
		there := b.now.Load()
		if there != nil && there.at.After(v.at) || b.now.CompareAndSwap(there, v) {
			return
		}
	}
}

// known gives the tables that are known, however old they are.
func (b *board) known() *tmux.KeyTables {
	if v := b.now.Load(); v != nil {
		return v.tables
	}
	return nil
}

func (b *board) ask(ctx context.Context, opts tmux.ParseOptions) (*tmux.KeyTables, error) {
	failpoint.At("board-ask")
	lines, err := tmux.KeyCommands(opts)
	if err != nil {
		return nil, err
	}
	for try := 0; ; try++ {
		tables, again, err := b.read(ctx, opts.Version, lines)
		if err == nil || !again || try == 2 || ctx.Err() != nil {
			return tables, err
		}
	}
}

// read asks once, and says whether to ask again: the connection is everybody's, and may have been
// cut for somebody else; and a busy server may leave unfinished what it is asked for.
func (b *board) read(ctx context.Context, v tmux.Version, lines []string) (t *tmux.KeyTables, again bool, err error) {
	c, err := b.server.Control(ctx)
	if err != nil {
		return nil, true, err
	}
	replies, err := c.Ask(ctx, lines...)
	if err != nil {
		return nil, true, err
	}
	data := make([][]byte, len(replies))
	for i, r := range replies {
		if r.Err != nil {
			return nil, false, r.Err
		}
		data[i] = r.Data
	}
	t, err = tmux.ParseKeyTables(v, data, b.known())
	return t, errors.Is(err, tmux.ErrUnfinished), err
}
