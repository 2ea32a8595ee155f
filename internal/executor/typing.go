package executor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/attach"
	"github.com/muxward/muxward/internal/failpoint"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/tmux"
	"github.com/muxward/muxward/internal/tmux/control"
)

const (
	// sceneAge is how old the names and indexes may be that a decision about
	// a pane rests on. That it is still this pane, active and in no mode, is
	// tested inside tmux with each key.
	sceneAge = time.Second
	// sharedAge is how old the state may be by which they are looked up again: of a server
	// with many clients it takes tmux tens of milliseconds to tell it, and so all who type
	// go by the same.
	sharedAge = sceneAge / 2
	// keyTime is how long tmux, or the log, may take over a key.
	keyTime = 5 * time.Second
	// slowTime is how long somebody waits for the log without being told.
	slowTime = time.Second
)

// scene is the pane that a guest's keys go to: the one that is active on the
// screen they look at.
type scene struct {
	place  tmux.Place
	right  *gateway.Right
	opts   tmux.ParseOptions
	keys   KeyLog
	at     time.Time
	target string
}

// gate is the permit of an attached person at their pumps.
type gate struct{ s *seat }

// Input lets keys through. Direct input needs every verb; what addressed
// input needs is decided for each pane by the sink.
func (g gate) Input(deliver func() error) error {
	s := g.s
	if !s.full.Load() {
		return s.frozen(s.live.Do(s.stage.Load().view, deliver))
	}
	if s.unwritten.Load() {
		return attach.ErrFrozen
	}
	return s.frozen(s.live.Do(s.whole, deliver))
}

// Output lets what tmux drew through. A guest's display must still show what
// was decided: see confirm. Who loses a verb gets nothing more by that right;
// they are moved to addressed input, with a redraw, or their display is closed.
func (g gate) Output(deliver func() error) error {
	s := g.s
	failpoint.At("seat-output")
	if s.full.Load() {
		err := s.live.Do(s.whole, deliver)
		var refused *gateway.Refused
		if errors.As(err, &refused) {
			return attach.ErrFrozen
		}
		return err
	}
	if s.own != nil {
		return s.own.deliver(deliver)
	}
	for {
		gen, old := s.live.Generation(), false
		if err := s.unviewed(); err != nil { // tmux has nothing to say to that
			return err
		}
		if err := s.assured(); err != nil {
			return s.unseen(err)
		}
		err := s.live.Do(s.stage.Load().view, func() error {
			if old = s.live.Generation() != gen; old {
				return nil // rights changed since tmux was asked
			}
			return deliver()
		})
		if !old {
			return s.unseen(err)
		}
	}
}

// unseen gives the end of somebody who may not view it any more its own words, where what was
// drawn comes to that before whoever took it from them does: both may tell them.
func (s *seat) unseen(err error) error {
	if err == nil {
		return nil
	}
	return cmp.Or(s.unviewed(), err)
}

// unviewed is the end of somebody who may not view what is shown, nil while they may.
func (s *seat) unviewed() error {
	if d := s.stage.Load().view.Decide(); !d.Allow {
		return errors.New(because(noView, d, ""))
	}
	return nil
}

// frozen turns a refusal into "not now": what was typed is dropped, and the
// person goes on watching.
func (s *seat) frozen(err error) error {
	var refused *gateway.Refused
	if errors.As(err, &refused) {
		s.att.Notice(refused.Error())
		return attach.ErrFrozen
	}
	return err
}

// sink takes what a person types who does not hold every verb.
type sink struct{ s *seat }

// Deliver is one key or paste.
func (k sink) Deliver(ctx context.Context, e attach.Event) error {
	if err := k.s.typed(ctx, e); err != nil {
		k.s.att.Notice(err.Error())
	}
	return nil
}

// Prepare decides about a key or paste and records it.
func (k sink) Prepare(ctx context.Context, e attach.Event) error {
	err := k.s.prepare(ctx, e)
	refused := new(gateway.Refused)
	switch {
	case errors.As(err, &refused) && refused.Decision.Rule == gateway.RuleLease:
		k.s.untypable(refused)
	case errors.As(err, &refused) && (refused.Ask != "" || refused.Decision.Rule == gateway.RuleDefault): // in few words: there is one line
		k.s.att.Notice((&errand{k: k.s.keyboard}).told("", err))
	case err != nil:
		k.s.att.Notice(err.Error())
	}
	return err
}

// untypable tells somebody that another types here, and how they ask for it.
func (s *seat) untypable(refused *gateway.Refused) {
	how := ""
	switch {
	case s.e.AnswerKey && s.e.Asking != nil:
		pane := refused.Need.Object
		s.bell.pane.Store(&pane)
		how = "; " + answerKey + " asks"
	case refused.Ask != "":
		how = "; " + refused.Ask
	}
	s.att.Notice("not typed: " + refused.Decision.Reason + how)
}

// Where is the pane that is active on the person's screen.
func (k sink) Where(ctx context.Context) (string, error) {
	at, err := k.s.look(ctx)
	if err != nil {
		return "", err
	}
	return at.place.Pane.String(), nil
}

// elsewhere notes that a command of the person's own was done: the next key is for
// where that led, though nothing of it was shown yet.
func (s *seat) elsewhere() {
	s.moved.Add(1)
	s.unknown()
}

// unknown notes that what is on the screen may have changed: which pane they type
// into is looked up anew, unless that is their own to say.
func (s *seat) unknown() {
	if s.own != nil {
		s.age()
		s.own.wake()
		return
	}
	s.active.Store(nil)
	s.age()
}

// prepare decides about one thing that was typed, and writes it.
func (s *seat) prepare(ctx context.Context, e attach.Event) error {
	if err := pasteable(e); err != nil {
		return err
	}
	if err := s.afford(ctx, e); err != nil {
		return err
	}
	at, err := s.look(ctx)
	if err != nil {
		return err
	}
	if e.Where != "" && e.Where != at.place.Pane.String() {
		return errors.New("nothing was pasted: another pane is active than when you were asked")
	}
	d := at.right.Decide()
	if !d.Allow && d.Rule == gateway.RuleWatcher {
		// Where a watcher is may not be known yet: it goes by the server's last state.
		s.age()
		if at, err = s.look(ctx); err != nil {
			return err
		}
		d = at.right.Decide()
		s.paused.Store(!d.Allow)
	}
	if d.Allow && s.bars(at) {
		d = access.Decision{Rule: gateway.RuleLockdown, Reason: "it was typed while that was locked down"}
	}
	if !d.Allow {
		return s.e.Gateway().Refused(s.live.Who(), at.right.Need(), d)
	}
	if e.Kind == attach.MouseReport {
		if at = s.keyboard.reports.aim(at); at == nil {
			return errors.New("the mouse is not over the pane that you type into any more")
		}
	}
	content := e.Bytes
	if e.Kind == attach.Named {
		content = []byte(e.Key)
	}
	s.typing = at
	return s.write(ctx, at.keys, max(len(e.Bytes), 1), content, d.Obligations)
}

// typed sends what was prepared, if that is still permitted.
func (s *seat) typed(ctx context.Context, e attach.Event) error {
	failpoint.At("seat-typed")
	at := s.typing
	d := at.right.Decide()
	if !d.Allow {
		return &gateway.Refused{Decision: d, Need: at.right.Need()}
	}
	if d.Obligations.Has(access.Watched) {
		var err error
		if at, err = s.underWatch(at); err != nil {
			return err
		}
	}
	failpoint.At("seat-decided")
	s.live.Typed()
	s.bell.pane.Store(nil)
	s.live.Into(at.right.Need().Object, ofLine(e))
	if err := s.send(ctx, at, e); err != nil {
		return err
	}
	failpoint.Sent("seat-sent", len(e.Bytes), s.decided)
	return nil
}

// ofLine is what was typed as far as it tells whether a line is begun.
func ofLine(e attach.Event) []byte {
	switch e.Kind {
	case attach.Named:
		return gateway.KeyTyped(e.Key)
	case attach.MouseReport:
		return nil
	}
	return e.Bytes
}

// write records n typed bytes before they go anywhere. Whoever must be
// recorded waits for the disk, and is told so when that takes long.
func (s *seat) write(ctx context.Context, keys KeyLog, n int, content []byte, d access.Obligations) error {
	if !d.Has(access.LogContent) {
		content = nil
	}
	must := d.Has(access.MustRecord)
	if must { // who need not wait for the disk waits for the file system alone: the log says when that does not answer
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, keyTime)
		defer cancel()
		slow := time.AfterFunc(slowTime, func() {
			s.att.Notice("waiting: the log's disk is slow, and what you type is recorded first")
		})
		defer slow.Stop()
	}
	if err := keys.Add(ctx, n, content, must); err != nil {
		return fmt.Errorf("not typed, because it cannot be recorded: %w", err)
	}
	return nil
}

// look gives the scene of the pane that is active on the person's screen.
func (s *seat) look(ctx context.Context) (*scene, error) {
	pane := s.active.Load()
	now := s.scene.Load()
	if now != nil && pane != nil && now.place.Pane == *pane && time.Since(now.at) < sceneAge {
		return now, nil
	}
	ctx, cancel := context.WithTimeout(ctx, keyTime)
	defer cancel()
	age := sharedAge
	if pane == nil || now != nil && now.at.IsZero() { // something may have changed just then
		age = 0
	}
	detail := tmux.Places
	if pane == nil || age == 0 || now != nil && now.right.Decide().Obligations.Has(access.Watched) {
		detail = tmux.Core // where their display is, or a watcher's, is asked for as well
	}
	next, err := s.recent(ctx, pane, detail, age)
	if err != nil && age > 0 { // it may have come since: a server does not tell of every pane that it makes
		next, err = s.recent(ctx, pane, tmux.Core, 0)
	}
	if err != nil {
		return nil, err
	}
	if now != nil && now.place.Pane == next.place.Pane {
		next.keys = now.keys
	} else {
		base := s.p.Base(access.EventKeys)
		base.Objects = []string{next.right.Need().Object.String()}
		next.keys = s.e.Keys(base)
		if now != nil {
			_ = now.keys.Close()
		}
	}
	s.scene.Store(next)
	return next, nil
}

// recent is the scene of a pane, or of the session's active one, by a state of an age.
func (s *seat) recent(ctx context.Context, pane *tmux.PaneID, detail tmux.Detail, age time.Duration) (*scene, error) {
	snap, at, err := s.server.Recent(ctx, detail, age)
	if err != nil {
		return nil, fmt.Errorf("ask the tmux server for its state: %w", err)
	}
	next, err := s.sceneOf(ctx, snap, pane)
	if err != nil {
		return nil, err
	}
	next.at = at
	return next, nil
}

// sceneOf finds a pane, or the session's active one, in a snapshot.
func (s *seat) sceneOf(ctx context.Context, snap *tmux.Snapshot, pane *tmux.PaneID) (*scene, error) {
	session := s.stage.Load().session.ID
	if pane == nil && s.own != nil {
		return nil, errors.New("the pane that you are at is not on the screen")
	}
	if pane == nil {
		var err error
		if session, err = s.where(ctx, snap); err != nil {
			return nil, err
		}
		f, err := tmux.Resolve(snap, tmux.Lookup{Kind: tmux.TargetPane}, session.String()+":", tmux.ResolveContext{})
		if err != nil {
			return nil, err
		}
		pane = &f.Pane.ID
	}
	at, err := s.sceneAt(snap, session, *pane)
	if err == nil {
		at.place.Active = s.own == nil
	}
	return at, err
}

// sceneAt is the scene of a pane of a session.
func (s *seat) sceneAt(snap *tmux.Snapshot, session tmux.SessionID, pane tmux.PaneID) (*scene, error) {
	right, ok := s.live.PaneRight(access.Type, s.server.Owner(), s.server.Incarnation(), snap, session, pane)
	if !ok {
		return nil, errors.New("the pane has gone")
	}
	window := tmux.WindowID(right.Need().Object.Window.ID)
	return &scene{
		place:  tmux.Place{Pane: pane, Window: window, HasWindow: true, Session: session, HasSession: true},
		right:  right,
		opts:   snap.Reading(),
		at:     time.Now(),
		target: spot(session, window, pane),
	}, nil
}

// spot names a pane at its place, as a target.
func spot(s tmux.SessionID, w tmux.WindowID, p tmux.PaneID) string {
	return s.String() + ":" + w.String() + "." + p.String()
}

// send has tmux type it, if the pane is at that moment still what was decided.
func (s *seat) send(ctx context.Context, at *scene, e attach.Event) error {
	if e.Kind == attach.Keys && e.Key == "" && coded(e.Bytes, at.opts.Version) {
		line, err := s.spelling.line(at, e.Bytes)
		if err != nil {
			return err
		}
		return s.transmit(ctx, at.right, line, false)
	}
	in, err := input(at, e)
	if err != nil || len(in.commands) == 0 {
		return err
	}
	line, err := in.line(at)
	if err != nil {
		return err
	}
	return s.transmit(ctx, at.right, line, e.Kind == attach.MouseReport)
}

// maxSending is how many keys may be on their way to tmux, or come to nothing without
// the person having been told.
const maxSending = 64

// fate is what came of a line that was sent.
type fate struct {
	line  string
	quiet bool // nobody is told if it was not typed
	reply control.Reply
	err   error
}

// done: it was carried out, and there is nothing to say about it.
func (f *fate) done() bool { return f.err == nil && f.reply.Err == nil && len(f.reply.Data) == 0 }

// why says why tmux did not type it.
func (f *fate) why() error {
	if err := f.reply.Err; err != nil && !strings.HasPrefix(err.Error(), "can't find") {
		return fmt.Errorf("not typed: %w", err)
	}
	return untyped(f.reply.Data) // what cannot be found was moved, or has gone
}

// typedFirst waits until tmux has come to what was typed before: what a key is
// bound to may go another way.
func (s *seat) typedFirst(ctx context.Context) error {
	if !s.unsettled {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, keyTime)
	defer cancel()
	c, err := s.server.Control(ctx)
	if err == nil {
		err = c.Drain(ctx)
	}
	if err != nil {
		return fmt.Errorf("wait for what was typed before: %w", err)
	}
	s.unsettled = false
	return nil
}

// hear tells the person what was not typed after all, and why. It waits for nothing else:
// who types waits for it.
func (s *seat) hear() {
	for {
		var key fate
		select {
		case key = <-s.fates:
			<-s.sending
			failpoint.At("seat-hear")
		case <-s.ctx.Done():
			return
		}
		switch {
		case s.ctx.Err() != nil:
			return
		case key.err != nil:
			s.lost(s.ctx, key, key.err)
		default:
			s.unknown()
			if !key.quiet {
				s.att.Notice(key.why().Error())
			}
		}
	}
}

// unheard is about the keys whose fate nobody has heard, once nobody hears any more: nil
// if none of them may have been typed without anybody knowing.
func (s *seat) unheard() error {
	n, last := 0, error(nil)
	for {
		select {
		case key := <-s.fates:
			<-s.sending
			if key.err != nil && !errors.Is(key.err, control.ErrNotExecuted) {
				n, last = n+1, key.err
			}
			continue
		default:
		}
		break
	}
	if n == 0 {
		return nil
	}
	return fmt.Errorf("%w (%d keys, as they left)", last, n)
}

// unsure writes that nobody knows whether a key was typed, which the log counts
// as delivered.
func (s *seat) unsure(err error) {
	if errors.Is(err, control.ErrNotExecuted) {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), exitTime)
	defer cancel()
	_ = s.e.Gateway().Note(ctx, s.p, access.BestEffortClass, func(ev *access.Event) {
		ev.Kind, ev.Request = access.EventUnknown, 0 // they are still attached
		ev.Note = "a key may or may not have been typed: " + err.Error()
	})
}

// age has the scene looked at anew. If somebody has just done so, there is nothing to do:
// what they have found is not put back.
func (s *seat) age() {
	now := s.scene.Load()
	if now == nil {
		return
	}
	old := *now
	old.at = time.Time{}
	s.scene.CompareAndSwap(now, &old)
}
