package executor

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/attach"
	"github.com/muxward/muxward/internal/chooser"
	"github.com/muxward/muxward/internal/failpoint"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/tmux"
	"github.com/muxward/muxward/internal/tmux/control"
)

// Taking is how somebody answers a suggestion.
type Taking uint8

// The answers: it is typed, with Enter; typed without, to be changed where it stands; or not.
const (
	Dismisses Taking = iota
	Types
	Runs
)

// String gives the answer's word, as in the log.
func (t Taking) String() string {
	switch t {
	case Types:
		return "type"
	case Runs:
		return "run"
	}
	return "dismiss"
}

// Typing has one line typed, by whoever answers, into the pane of a program, unless still,
// which does not wait for anything, says why not at the moment of typing. With
// [ErrUnsure] nobody knows whether it was typed; with any other error it was not.
type Typing func(ctx context.Context, text string, program int, still func() error) error

// ErrUnsure is the error of what may or may not have been typed.
var ErrUnsure = errors.New("it may or may not have been typed: the tmux server has not said")

// waiting is what waits for this person now: what they may approve, and what is suggested
// for a pane that they have in front of them.
func (s *seat) waiting() []Waits {
	list := s.e.Asking.Waiting(s.live.Who())
	if !s.e.AnswerKey {
		return list
	}
	list = append(list, s.e.Asking.Suggested(s.live.Who(), s.inFront)...)
	if s.p.Plan().ReadOnly { // a display that takes no keys types nothing, either
		list = slices.DeleteFunc(list, func(w Waits) bool { return w.Line != "" && !w.Command })
	}
	return list
}

// inFront reports whether this person has a pane in front of them, by what is known of
// their display, whatever is drawn over it.
func (s *seat) inFront(pane access.Object) bool { return s.inFrontBy(s.server.Known(), pane) }

// inFrontBy is inFront by a state of the server.
func (s *seat) inFrontBy(snap *tmux.Snapshot, pane access.Object) bool {
	switch {
	case pane.Owner != s.server.Owner() || pane.Incarnation != s.server.Incarnation():
		return false
	case s.own != nil:
		return s.own.pictures(pane)
	}
	return s.displaysBy(snap, pane)
}

// errNotInFront is what somebody hears who is not shown a pane any more that they would type
// into.
var errNotInFront = errors.New("you are not shown that pane any more")

// openSuggestion shows the person a line that is suggested, all of it. It is taken as it
// is shown: keys count once it was shown to its end, and they have paused.
func (k *keyboard) openSuggestion(ctx context.Context, w Waits) error {
	l := &chooser.List{Title: " a suggestion", Foot: "y runs it, t types it without Enter, n dismisses it, q leaves"}
	if w.Command {
		l.Title, l.Foot = " a command in your name", "y does it, n dismisses it, q leaves"
	}
	// Whose it is and where it goes is no title: that might be cut off.
	said := []string{w.Head + ":"}
	if w.Begun != "" {
		said = append(said, w.Begun+" has begun a line there: it is typed behind that")
	}
	for _, text := range said {
		l.Items = append(l.Items, chooser.Item{Text: text, Whole: true, Plain: true, Fixed: true})
	}
	for _, f := range w.Fields { // only what is plain is ours: no text looks like the next name, however long it is
		l.Items = append(l.Items, chooser.Item{Text: f.Name + ":", Whole: true, Plain: true, Fixed: true}, chooser.Item{Text: f.Text, Whole: true, Fixed: true})
	}
	if w.Fields == nil {
		l.Items = append(l.Items, chooser.Item{Text: w.Line, Whole: true, Fixed: true})
	}
	sh := &sheet{list: l, pressed: func(ctx context.Context, key string, _ int) (bool, error) {
		how, means := map[string]Taking{"y": Runs, "t": Types, "n": Dismisses}[key]
		switch {
		case !means || w.Command && how == Types:
			return false, nil
		case how != Dismisses && !l.Whole():
			k.s.att.Notice("you have not been shown all of it: go on with Space (a terminal without UTF-8 shows no other characters than ASCII)")
			return true, nil
		}
		if err := k.leaveSheet(ctx); err != nil {
			return true, err
		}
		if w.Command {
			k.s.answer(ctx, w, how == Runs)
			return true, nil
		}
		k.s.answerLine(ctx, w, how)
		return true, nil
	}}
	return k.openHeld(ctx, sh, []gateway.Need{k.s.stage.Load().view.Need(), w.Need})
}

// answerLine answers a suggestion by an act of the person's, and tells what came of it.
func (s *seat) answerLine(ctx context.Context, w Waits, how Taking) {
	ctx, cancel := context.WithTimeout(ctx, approveTime)
	defer cancel()
	result, err := s.actOn(ctx, w, how)
	came := s.e.Asking.Came(result.Value)
	switch {
	case err != nil && came != "":
		s.att.Notice(came + ", but: " + err.Error())
	case errors.Is(err, ErrUnsure):
		s.att.Notice(err.Error())
	case err != nil:
		s.att.Notice("not " + map[Taking]string{Dismisses: "dismissed", Types: "typed", Runs: "run"}[how] + ": " + err.Error())
	default:
		s.att.Notice(came + ": " + w.Line)
	}
}

func (s *seat) actOn(ctx context.Context, w Waits, how Taking) (gateway.Result, error) {
	at, err := s.sceneFor(ctx, w.Pane)
	if err != nil {
		return gateway.Result{}, err
	}
	act, err := s.e.Asking.Take(s.live.Who(), w, at.right.Need().Object, how, func(ctx context.Context, text string, program int, still func() error) error {
		if how == Runs {
			text += "\r"
		}
		return s.typeLine(ctx, w.Pane, at, lineOf{text, program, still})
	})
	if err != nil {
		return gateway.Result{}, err
	}
	return s.e.Gateway().Handle(ctx, gateway.Request{Identity: s.live.Who(), Display: s.tty, Client: s.client, Act: act})
}

// sceneFor gives the scene of a pane of the session that the person looks at.
func (s *seat) sceneFor(ctx context.Context, pane access.Object) (*scene, error) {
	snap, err := s.server.Snapshot(ctx, tmux.Core)
	if err != nil {
		return nil, fmt.Errorf("ask the tmux server for its state: %w", err)
	}
	session := s.stage.Load().session.ID
	if c := snap.Client(s.tty); c != nil && s.own == nil {
		session = c.Session
	}
	at, err := s.sceneAt(snap, session, tmux.PaneID(pane.Pane.ID))
	if err != nil || s.server.Incarnation() != pane.Incarnation {
		return nil, errors.New("the pane is not in the session any more that you look at")
	}
	if asksFront() && !s.inFrontBy(snap, at.right.Need().Object) {
		return nil, errNotInFront
	}
	at.place = s.seen(at.place)
	return at, nil
}

// seen is a place with which tmux tests besides that this person is shown the pane, and
// that its program hears what is typed. Where muxward draws it is muxward that knows which
// window they are at.
func (s *seat) seen(p tmux.Place) tmux.Place {
	p.Hearing = true
	if p.Seen = asksFront(); p.Seen && s.own == nil {
		p.SeenBy = s.tty
	}
	return p
}

// lineOf is what is typed, for which program, and what is asked at that moment.
type lineOf struct {
	text    string
	program int
	still   func() error
}

// again gives the scene of a pane as it is after something was waited for, if it is
// called as it was, lies where it was, and the person may type there as they might.
func (s *seat) again(ctx context.Context, pane access.Object, was *scene, d access.Decision) (*scene, error) {
	at, err := s.sceneFor(ctx, pane)
	if err != nil {
		return nil, err
	}
	if at.right.Need().Object.Key() != was.right.Need().Object.Key() {
		return nil, errors.New("the pane was moved, or is called otherwise now; look again")
	}
	now := at.right.Decide()
	switch {
	case !now.Allow:
		return nil, s.e.Gateway().Refused(s.live.Who(), at.right.Need(), now)
	case now.Obligations != d.Obligations:
		return nil, errors.New("other conditions hold there by now; look again")
	}
	return at, nil
}

// typeLine types a line by the same way as keys: it is decided and recorded before, and
// tmux tests with it that the pane and its program are what was decided. It waits for what
// tmux says to that.
func (s *seat) typeLine(ctx context.Context, pane access.Object, at *scene, l lineOf) error {
	d := at.right.Decide()
	if !d.Allow {
		return s.e.Gateway().Refused(s.live.Who(), at.right.Need(), d)
	}
	base := s.p.Base(access.EventKeys)
	base.Objects = []string{at.right.Need().Object.String()}
	keys := s.e.Keys(base)
	defer func() { _ = keys.Close() }()
	if err := s.write(ctx, keys, len(l.text), []byte(l.text), d.Obligations); err != nil {
		return err
	}
	at, err := s.again(ctx, pane, at, d)
	if err != nil {
		return err
	}
	if d.Obligations.Has(access.Watched) {
		if at, err = s.underWatch(at); err != nil {
			return err
		}
	}
	meant := *at
	meant.place.Program = l.program
	in, err := input(&meant, attach.Event{Kind: attach.Keys, Bytes: []byte(l.text)})
	if err != nil {
		return err
	}
	line, err := in.line(&meant)
	if err != nil {
		return err
	}
	return s.sendLine(ctx, at.right, line, l, len(in.commands) > 1)
}

// sendLine sends what types a line, while the person may type it and it stands, and hears
// what came of it; many: by more than one command, of which the first may have been done.
func (s *seat) sendLine(ctx context.Context, right *gateway.Right, line string, l lineOf, many bool) error {
	failpoint.At("seat-line")
	ctx, cancel := context.WithTimeout(ctx, keyTime)
	defer cancel()
	c, err := s.server.Control(ctx)
	if err != nil {
		return fmt.Errorf("reach the tmux server: %w", err)
	}
	var sent *control.Pending
	err = s.live.Do(right, func() error {
		if err := l.still(); err != nil {
			return err
		}
		s.live.Typed()
		s.live.Into(right.Need().Object, []byte(l.text))
		s.by.Store(c)
		sent, err = c.SendOf(s, line)
		return err
	})
	if err != nil {
		return err
	}
	replies, err := sent.Wait(ctx)
	switch {
	case err != nil && errors.Is(err, control.ErrNotExecuted):
		return err
	case err != nil:
		takeBack(s.server, c)
		s.unsure(err)
		return fmt.Errorf("%w: %w", ErrUnsure, err)
	}
	if f := (fate{reply: replies[0]}); f.reply.Err != nil && many {
		return fmt.Errorf("%w: %w", ErrUnsure, f.why())
	} else if !f.done() {
		return f.why()
	}
	return nil
}
