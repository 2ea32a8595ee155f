package executor

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/muxward/muxward/internal/attach"
	"github.com/muxward/muxward/internal/failpoint"
	"github.com/muxward/muxward/internal/tmux"
)

// keyboard is what one attached person's keys mean: the server's key tables,
// where the person is in them, and what they are being asked. But for
// EscapeTime and mind, only the pump of their input uses it.
type keyboard struct {
	s     *seat
	board *board
	early chan *view // a view that is to be looked at anew beside the typing
	at    tmux.Keyboard
	ask   *question
	look  *lookback
	sheet *sheet
	share *share // of the room for what is looked at
	// copied is what the person has copied for themselves, searched what they
	// have searched for.
	copied, searched string
	deaf             deafness // see cutShort
	over             string   // what has ended then
	// down is where a button of the mouse was pressed, drags is set while it is
	// moved since.
	down  attach.Mouse
	drags bool
	// reports is what is being typed of the mouse.
	reports *reported
	told    time.Time // when they were told that the tables are not known
}

// Plain returns how many bytes at the begin of p are keys that nothing is bound
// to, as far as that is known at once.
func (k *keyboard) Plain(p []byte) int {
	if k.ask != nil || k.look != nil || k.sheet != nil || k.deaf.still(time.Now()) || k.s.full.Load() {
		return 0
	}
	v := k.board.fresh(time.Time{})
	if v == nil {
		return 0
	}
	session := k.s.stage.Load().session.ID
	m := v.keys(session)
	if m == nil && v.err != nil {
		m = onlyLeaving(session)
	}
	if m == nil {
		return 0
	}
	k.minded()
	return k.at.Plain(m, p)
}

// minded has the tables looked at beside the typing if they are aging.
func (k *keyboard) minded() {
	if v := k.board.now.Load(); v != nil && k.board.aging(v) {
		select {
		case k.early <- v:
		default: // it was asked for already
		}
	}
}

// lookEarly looks at the tables beside the typing when that is asked for, until the person
// leaves.
func (k *keyboard) lookEarly(ctx context.Context) {
	for {
		select {
		case aged := <-k.early:
			k.mind(ctx, aged)
		case <-ctx.Done():
			return
		}
	}
}

// mind looks at the tables, a moment after a key that an aging view was good for,
// unless somebody has done so meanwhile.
func (k *keyboard) mind(ctx context.Context, aged *view) {
	select {
	case <-time.After(boardPause):
		k.board.look(ctx, aged.at.Add(1), k.s.reading())
	case <-ctx.Done():
	}
}

// Press takes one key. What it is bound to is looked up as it is now: nothing
// is run that the key does not mean any more.
func (k *keyboard) Press(ctx context.Context, key string) (taken bool, err error) {
	now := time.Now()
	if key != "" && key == k.s.e.PanicKey && k.s.lockHere() {
		return true, nil
	}
	if k.cutShort(now) {
		return true, nil
	}
	if k.ask != nil {
		return true, k.answer(ctx, key)
	}
	if k.sheet != nil {
		return true, k.turn(ctx, key)
	}
	if key == answerKey && k.s.bell.calls() && !k.looking() && !k.at.Begun() {
		return true, k.openRequests(ctx)
	}
	if key != "" && key == k.s.asksBy() && !k.looking() && !k.at.Begun() && !k.s.full.Load() {
		if taken, err := k.wish(ctx); taken || err != nil {
			return taken, err
		}
	}
	if k.s.full.Load() { // it was claimed for what is not shown any more
		return true, nil
	}
	looks := k.looking()
	try := k.at
	m, unseen := k.keys(ctx, time.Time{})
	bound, typed := try.Press(m, key, now)
	if bound != nil || k.at.Begun() {
		try = k.at
		m, unseen = k.keys(ctx, now)
		bound, typed = try.Press(m, key, now)
	}
	k.at = try
	if bound == nil && looks && (key == "q" || key == "C-c") { // whatever is bound, there is a way back
		return true, k.leaveLook(ctx)
	}
	if bound == nil {
		k.minded()
		return !typed || looks, nil // what is no key there is none for the pane either
	}
	failpoint.At("keyboard-bound")
	if unseen != nil && !leaving(bound) { // it may be bound to something else now
		k.at = tmux.Keyboard{}
		k.s.att.Notice(unseen.Error())
		return true, nil
	}
	return true, k.run(ctx, key, bound)
}

// leaving reports whether a key is bound to nothing but leaving.
func leaving(b *tmux.Binding) bool {
	commands, err := b.Commands()
	return err == nil && len(commands) == 1 && leaves(commands[0])
}

// Paste is told of a paste. It ends what keys before it began. A line that is
// asked for takes the first line of it; it is no answer by itself.
func (k *keyboard) Paste(text []byte) bool {
	k.at = tmux.Keyboard{}
	if k.cutShort(time.Now()) {
		return true
	}
	if k.ask == nil && k.sheet != nil {
		if !k.sheet.held.drops() {
			_ = k.turned(k.s.ctx, k.sheet.list.Insert(string(text[:min(len(text), 4*maxLine)])))
		}
		return true // of what is inserted nothing comes but a picture
	}
	if k.ask == nil {
		return k.looking() || k.s.full.Load()
	}
	if l := k.ask.line; l != nil && !l.single {
		first, _, _ := strings.Cut(strings.ReplaceAll(string(text[:min(len(text), 4*maxLine)]), "\r", "\n"), "\n")
		l.insert(first)
		k.s.att.Ask(l.shown())
	}
	return true
}

// Reset forgets what was begun: a prefix, a repeat, a question.
func (k *keyboard) Reset() {
	k.at = tmux.Keyboard{}
	if k.ask != nil {
		k.unasked()
	}
}

// EscapeTime is the server's escape-time.
func (k *keyboard) EscapeTime() time.Duration {
	if tables := k.board.known(); tables != nil {
		return tables.EscapeTime
	}
	return attach.DefaultEscapeTime
}

// keys gives what keys mean in the session that the person looks at, or, where
// that cannot be found out, how to leave. With an error it is as it was.
func (k *keyboard) keys(ctx context.Context, after time.Time) (*tmux.KeyMap, error) {
	session := k.s.stage.Load().session.ID
	v := k.board.look(ctx, after, k.s.reading())
	if v.tables != nil && v.tables.Session(session) == nil { // one that was just made
		v = k.board.look(ctx, time.Now(), k.s.reading())
	}
	if v.err != nil && time.Since(k.told) > time.Minute {
		k.told = time.Now()
		k.s.att.Notice(v.err.Error())
	}
	if m := v.keys(session); m != nil {
		if k.look != nil {
			m = m.In(k.look.table)
		}
		return m, v.err
	}
	return onlyLeaving(session), v.err
}

// onlyLeaving has one key, by which people leave.
func onlyLeaving(session tmux.SessionID) *tmux.KeyMap {
	tables, err := tmux.ParseKeyTables(tmux.Reference(), [][]byte{
		fmt.Appendf(nil, "S %s 0 0 C-b None root\n", session), []byte("bind-key -T prefix d detach-client\n"),
	}, nil)
	if err != nil {
		panic("the key by which people leave cannot be read: " + err.Error()) // a fault of ours
	}
	return tables.Session(session)
}

// reading says how the server reads command lines, as it was known last.
func (s *seat) reading() tmux.ParseOptions {
	if now := s.scene.Load(); now != nil {
		return now.opts
	}
	return s.p.Plan().Snapshot.Reading()
}
