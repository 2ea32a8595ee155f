package executor

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/attach"
	"github.com/muxward/muxward/internal/failpoint"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/picture"
	"github.com/muxward/muxward/internal/tmux"
)

// own is a display of one person's own place in a session, drawn by muxward: of
// one window, the panes that they may view. Of the others nothing is drawn.
//
// A control client of ours hears when something may have changed; then the panes
// are captured, what may be viewed is decided anew, and the picture is given to the
// person's terminal by what has changed of it.
type own struct {
	s      *seat
	ear    *listener
	canvas *attach.Canvas
	easel  *easel
	due    chan struct{} // holds one while something may have changed

	session tmux.SessionID

	tells   sync.Mutex // held while tmux is told what is heard, until it has done it
	muffled            // what is respawned

	mu   sync.Mutex
	here place
	// heeded are the panes whose output may change the picture.
	heeded map[tmux.PaneID]bool
	// paused are those of the session of which tmux tells nothing now: see hush.
	paused map[tmux.PaneID]bool
	next   *scenic          // the last that was drawn, nil while that is not to be shown
	shown  *picture.Picture // what the terminal has been given, nil: it is not known
	begun  bool             // the terminal has been taken
	mouse  bool             // the terminal reports its mouse
	// rests is what anything that the terminal may still be given rests on, by
	// panes; reading, what the part rests on that is given to it now.
	rests   map[tmux.PaneID]*gateway.Right
	reading map[tmux.PaneID]*gateway.Right
	given   *scenic // what the terminal is being given
	// doomed is what that part rests on which is about to be thrown away.
	doomed map[tmux.PaneID]*gateway.Right
	// dropped is set while what waits there may not be shown any more, and has
	// not been thrown away: nothing is put behind it.
	dropped  bool
	drops    int        // how often that was
	renewing sync.Mutex // one throws away at a time; taken before mu

	since      time.Time // when they came
	refused    int       // how many pictures were, one after the other, by this
	generation uint64    // of the rights

	asked uint64 // counts the questions for the server's state
	stood uint64 // by which of them it is known where the person is
	snap  state  // the painter's: the last one it has seen
	// recorded are the panes that they are shown by what the log has last: the
	// painter's.
	recorded []string
}

// state is what the server was like, by a question with this number.
type state struct {
	*tmux.Snapshot
	number uint64
}

// scenic is a picture with all that it rests on.
type scenic struct {
	*picture.Picture
	rests map[tmux.PaneID]*gateway.Right
	panes map[tmux.PaneID]picture.Pane
	// mouse: the server goes by the mouse; asks: the terminal is asked for it.
	mouse, asks bool
	// selected is the pane that is selected in it, nil if that is not on the
	// screen; acts are those of the person's by then.
	selected *tmux.PaneID
	acts     int
}

// openOwn has a control client of ours attached in place of a display.
func (s *seat) openOwn(ctx context.Context) error {
	plan := s.p.Plan()
	if !plan.Found.Whole() {
		return errors.New("the pane has gone")
	}
	var err error
	if s.argv, err = words(plan); err != nil {
		return err
	}
	h := hello(s.p, s.argv)
	// A name that no other client has: it is how tmux is told which one is meant.
	h.TTYName = "muxward-" + strings.ToLower(rand.Text())
	s.tty = h.TTYName
	o := &own{s: s, here: beginAt(plan.Found), session: plan.Found.Session.ID, due: make(chan struct{}, 1), since: time.Now(),
		rests: map[tmux.PaneID]*gateway.Right{}, paused: map[tmux.PaneID]bool{}}
	if o.easel, err = s.e.painters.join(s.server.Owner(), s.live.Who().Person()); err != nil {
		return err
	}
	s.leaves = sync.OnceFunc(func() {
		s.e.ears.goes(s.server, o)
		s.e.painters.leave(s.server.Owner(), s.live.Who().Person())
	})
	came, err := s.e.ears.come(ctx, s.server)
	if err != nil {
		return err
	}
	defer came(nil)
	if o.ear, err = listen(ctx, s.server, h); err != nil {
		return fmt.Errorf("attach to the session: %w", err)
	}
	came(o)
	o.canvas = attach.NewCanvas(o.draw, o.dealt)
	s.own, s.conn, s.display = o, o.ear.conn, o.canvas
	o.goes(o.here, state{Snapshot: plan.Snapshot})
	o.snap = state{Snapshot: plan.Snapshot}
	if s.stage.Load() == nil {
		return errors.New("the pane has gone")
	}
	o.wake()
	return nil
}

// vacate gives up a place of their own, where the end of their service has failed: that may have been what failed,
// and was told then.
func (s *seat) vacate() {
	if s.leaves != nil {
		_ = attach.Guard(func() error { s.leaves(); return nil })
	}
}

// wake has the picture drawn anew.
func (o *own) wake() {
	select {
	case o.due <- struct{}{}:
	default:
	}
}

// stand notes for the rest of the seat where the person is. o.mu is held, or
// nobody else is there yet.
func (o *own) stand(snap *tmux.Snapshot) {
	s := o.s
	at := snap.Session(o.here.session)
	view, ok := s.live.PaneRight(access.View, s.server.Owner(), s.server.Incarnation(), snap, o.here.session, o.here.pane)
	if at == nil || !ok {
		return
	}
	if now := s.stage.Load(); now != nil && now.session.Name == at.Name && reflect.DeepEqual(now.view.Need(), view.Need()) {
		return
	}
	next := s.newStage(*at, snap.Reading())
	next.view = view
	s.stage.Store(next)
	if s.att != nil {
		about := s.describe(s.mode())
		about.Since = o.since // when they go about is not told
		s.live.Describe(about)
	}
}

// ask asks the server for its state.
func (o *own) ask(ctx context.Context) (state, error) {
	o.mu.Lock()
	o.asked++
	number := o.asked
	o.mu.Unlock()
	snap, err := o.s.server.Snapshot(ctx, tmux.Core)
	if err != nil {
		return state{}, fmt.Errorf("ask the tmux server for its state: %w", err)
	}
	return state{snap, number}, nil
}

// settle finds where the person is by a state of the server, and gives what they
// may view there. By one that is older than what they went by, they go nowhere.
func (o *own) settle(now state) (view *tmux.Snapshot, here place, err error) {
	if view, here, err = o.settled(now); err == nil {
		err = o.keepLook(now.Snapshot)
	}
	return view, here, err
}

// keepLook ends a look back at a pane that is called otherwise than when it was
// decided on.
func (o *own) keepLook(snap *tmux.Snapshot) error {
	s := o.s
	l := s.looks.rests.Load()
	if l == nil || l.place == nil || l.over.Load() || gateway.StillCalled(l.rights[0].Need().Object, snap, o.session) {
		return nil
	}
	ctx, cancel := context.WithTimeout(s.ctx, exitTime)
	defer cancel()
	if _, err := s.looks.hide(ctx, l); err != nil {
		return fmt.Errorf("show you the display again: %w", err)
	}
	s.att.Notice("what you looked back at was moved, or is called otherwise now")
	return nil
}

func (o *own) settled(now state) (view *tmux.Snapshot, here place, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	view = o.viewed(now.Snapshot)
	if here, err = o.here.settle(view); err != nil {
		return nil, here, err
	}
	if here.window != o.here.window { // their own has gone
		if err = o.mayBegin(now.Snapshot, view.Window(here.window)); err != nil {
			return nil, here, err
		}
	}
	if now.number >= o.stood {
		o.here, o.stood = here, now.number
		o.stand(now.Snapshot)
		if !drawnFirst() {
			o.s.active.Store(&here.pane)
		}
	}
	return view, here, nil
}

func (o *own) viewed(snap *tmux.Snapshot) *tmux.Snapshot {
	return o.s.live.Viewed(o.s.server.Owner(), o.s.server.Incarnation(), snap, o.session)
}

// draw gives what the terminal lacks of the last picture. The pump of the display
// calls it when it has dealt with what it got before.
func (o *own) draw() []byte {
	covered := o.s.att.Covered()
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.next == nil || o.dropped {
		return nil
	}
	b := o.next.Since(o.shown, o.s.colours(), !o.s.utf8())
	var modes string
	if !o.begun {
		modes = "\x1b[?1049h\x1b[H\x1b[J\x1b[?1h\x1b=\x1b[?2004h"
	}
	if o.shown == nil || o.mouse != o.next.asks {
		modes += mouseModes(o.next.asks)
	}
	o.mouse, o.shown = o.next.asks, o.next.Picture
	o.reading, o.given = o.next.rests, o.next
	if b = append([]byte(modes), b...); len(b) == 0 {
		o.took(covered) // it looks the same
	}
	return b
}

// dealt notes that the terminal has taken what it was given, unless that was dropped.
// What is typed from then on is for the pane that is selected there, and for none
// before: but for where the person has gone by an act of their own since.
func (o *own) dealt() {
	covered := o.s.att.Covered()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.took(covered)
}

// took is dealt; o.mu is held.
func (o *own) took(covered bool) {
	maps.Copy(o.rests, o.reading)
	if g := o.given; g != nil && o.shown == g.Picture && !covered {
		o.begun = true
		if g.acts == o.here.acts {
			o.s.active.Store(g.selected)
		}
	}
	o.reading, o.given = nil, nil
}

// anew throws away what waits to be shown, and then what that rests on: never the
// other way, as somebody may be about to write it.
func (o *own) anew(ctx context.Context) error {
	o.renewing.Lock()
	defer o.renewing.Unlock()
	o.mu.Lock()
	o.doomed, o.rests = o.rests, map[tmux.PaneID]*gateway.Right{}
	before := o.drops
	o.mu.Unlock()
	err := o.s.att.Anew(ctx)
	o.mu.Lock()
	defer o.mu.Unlock()
	if err != nil {
		maps.Copy(o.rests, o.doomed)
		return err
	}
	o.doomed = nil
	if o.drops == before {
		o.dropped = false
	}
	return nil
}

// mouseModes asks a terminal for reports of its mouse, or for none.
func mouseModes(on bool) string {
	if on {
		return "\x1b[?1000h\x1b[?1002h\x1b[?1006h"
	}
	return "\x1b[?1006l\x1b[?1002l\x1b[?1000l"
}

// redraw has all of the last picture drawn again. What was queued before has been
// thrown away.
func (o *own) redraw() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.shown = nil
	o.canvas.Due()
}

// rights are what everything rests on that the terminal may still be given.
func (o *own) rights() []*gateway.Right {
	o.mu.Lock()
	defer o.mu.Unlock()
	all := slices.Collect(maps.Values(o.rests))
	all = slices.AppendSeq(all, maps.Values(o.doomed))
	all = slices.AppendSeq(all, maps.Values(o.reading))
	if o.next != nil {
		all = slices.AppendSeq(all, maps.Values(o.next.rests))
	}
	return all
}

// deliver shows a part of a picture if each pane that is, or may be, in it may be
// viewed at that moment. If not, there is to be another picture.
func (o *own) deliver(deliver func() error) error {
	err := o.s.live.Do(o.s.stage.Load().view, func() error {
		for _, r := range o.rights() {
			if d := r.Decide(); !d.Allow && viewed() {
				return &gateway.Refused{Decision: d, Need: r.Need()}
			}
		}
		return deliver()
	})
	var refused *gateway.Refused
	if errors.As(err, &refused) {
		o.forget()
		if o.inVain() {
			return fmt.Errorf("what you may view cannot be decided: %w", refused)
		}
		return attach.ErrFrozen
	}
	o.mu.Lock()
	o.refused = 0
	o.mu.Unlock()
	return err
}

// inVain reports whether one picture after the other is refused, though nothing has
// changed of what the person may view.
func (o *own) inVain() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if now := o.s.live.Generation(); now != o.generation {
		o.generation, o.refused = now, 0
	}
	o.refused++
	return o.refused > maxRefused
}

// forget has nothing shown until there is another picture.
func (o *own) forget() {
	o.mu.Lock()
	o.next, o.shown, o.dropped = nil, nil, true
	o.drops++
	o.mu.Unlock()
	o.wake()
}

// takeBack throws away what was drawn of what the person may not view any more. When
// it returns nil, nothing of that is shown after. If that cannot be confirmed soon,
// their attachment is closed.
func (o *own) takeBack(ctx context.Context, why string) (closed bool, err error) {
	lost := slices.ContainsFunc(o.rights(), func(r *gateway.Right) bool { return !r.Decide().Allow })
	if !lost {
		return false, nil
	}
	o.forget()
	short, cancel := context.WithTimeout(ctx, exitTime)
	defer cancel()
	// Whoever writes now has found out before that they may.
	if err = o.s.live.Pass(short); err == nil {
		err = o.anew(short)
	}
	if err != nil {
		d := access.Decision{Reason: "what you were shown cannot be taken away: " + err.Error()}
		return true, o.s.close(ctx, d, why)
	}
	return false, nil
}

// reconsider is called when the person's rights may have changed. When it returns
// nil, nothing of what they may no longer view is shown after.
func (o *own) reconsider(ctx context.Context, why string) error {
	s := o.s
	gateway.Waits(ctx) // tmux is asked, whatever has changed
	defer s.arm()
	if closed, err := s.unlook(ctx, why); closed {
		return err
	}
	if closed, err := o.takeBack(ctx, why); closed {
		return err
	}
	short, cancel := context.WithTimeout(ctx, exitTime)
	now, err := o.ask(short)
	cancel()
	if err == nil {
		_, _, err = o.settle(now)
	}
	if err != nil {
		d := s.stage.Load().view.Decide()
		if d.Allow {
			d = access.Decision{Reason: err.Error()}
		}
		return s.close(ctx, d, why)
	}
	gateway.Afterwards(ctx, s.tellStanding)
	o.wake()
	return s.unstick(ctx)
}

// listen hears what tmux tells of the session.
func (o *own) listen() {
	for {
		line, err := o.ear.line()
		failpoint.At("own-listen")
		if err != nil {
			return // why it ended is told to the client's connection
		}
		if to, moved := strings.CutPrefix(line, "%session-changed "); moved {
			if to, _, _ = strings.Cut(to, " "); to != o.s.stage.Load().session.ID.String() {
				o.s.leave(errors.New("your display was moved to another session; attach to that one"))
				return
			}
		}
		id, matters := o.matters(line)
		if id != nil {
			o.hush(*id)
		}
		if matters {
			o.wake()
		}
	}
}

// hush has tmux tell no more of a pane until it was captured again: however much
// its program prints, it is heard of once for each picture. The program itself goes
// on in any case.
func (o *own) hush(id tmux.PaneID) {
	o.mu.Lock()
	done := o.paused[id]
	o.mu.Unlock()
	name, ok := tmux.SpellCommand("refresh-client", o.s.reading())
	if done || !ok {
		return
	}
	ctx, cancel := context.WithTimeout(o.s.ctx, keyTime)
	defer cancel()
	if _, err := o.s.ask(ctx, name+" -t "+o.s.tty+" -A '"+id.String()+":pause'"); err != nil {
		o.unheard([]tmux.PaneID{id}) // it may have been done all the same
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.paused[id] = true
}

// hear gives the words that have tmux tell of the panes that matter, and of no
// others of the session.
func (o *own) hear(name string, session *tmux.Session, heeded []tmux.PaneID) []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	words := []string{name, "-t", o.s.tty}
	paused := map[tmux.PaneID]bool{}
	for _, l := range session.Links {
		w := o.snap.Window(l.Window)
		if w == nil {
			continue
		}
		for _, id := range w.Panes {
			state, hears := ":pause", slices.Contains(heeded, id) && !o.isMuffled(id)
			if hears {
				state = ":continue"
			}
			paused[id] = !hears
			if o.paused[id] == hears {
				words = append(words, "-A", id.String()+state)
			}
		}
	}
	o.elsewhere(paused)
	o.paused = paused
	return words
}

// elsewhere adds those panes of which tmux tells nothing that are not in the session: it keeps to that when they come
// there. o.mu is held.
func (o *own) elsewhere(paused map[tmux.PaneID]bool) {
	newest := tmux.PaneID(0)
	for i := range o.snap.Panes {
		newest = max(newest, o.snap.Panes[i].ID)
	}
	for id, silent := range o.paused {
		if _, here := paused[id]; silent && !here && (o.snap.Pane(id) != nil || id > newest) { // it has not ended
			paused[id] = true
		}
	}
}

// unheard notes that tmux may tell nothing of some panes: it is asked to again.
func (o *own) unheard(panes []tmux.PaneID) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, id := range panes {
		o.paused[id] = true
	}
}

// matters reports whether a line of tmux may be about something in the picture, and
// of which pane's output it is.
func (o *own) matters(line string) (output *tmux.PaneID, matters bool) {
	kind, rest, _ := strings.Cut(line, " ")
	switch kind {
	case "%output", "%extended-output":
		word, _, _ := strings.Cut(rest, " ")
		id, err := tmux.ParsePaneID(word)
		o.mu.Lock()
		defer o.mu.Unlock()
		if err != nil {
			return nil, false
		}
		return &id, o.heeded[id]
	case "%begin", "%end", "%error", "%pause", "%continue",
		"%client-session-changed", "%client-detached", "%paste-buffer-changed", "%paste-buffer-deleted", "%message":
		return nil, false // of nothing that is drawn
	}
	return nil, strings.HasPrefix(kind, "%")
}

const (
	// frameTime is the least time between two pictures.
	frameTime = 33 * time.Millisecond
	// frameShare times as long as a picture took, there is none after it; nor, as
	// long as it took the server, any for others of that.
	frameShare = 2
	// maxFaults is how often in a row a picture may fail.
	maxFaults = 3
	// maxRefused is how many in a row may be refused while no right changes: at
	// the end of a right's time there is one.
	maxRefused = 10
)

// paint draws a picture whenever something may have changed.
func (o *own) paint() {
	faults := 0
	for {
		select {
		case <-o.due:
		case <-o.s.ctx.Done():
			return
		}
		took, err := o.frame(o.s.ctx)
		switch {
		case o.s.ctx.Err() != nil:
			return
		case errors.Is(err, errTooLarge):
			o.s.leave(err)
			return
		case errors.Is(err, errNothingToSee) && o.s.stage.Load().view.Decide().Allow:
			o.s.leave(err) // it was not taken from them: it has gone
			return
		case errors.Is(err, context.DeadlineExceeded): // the server stands still: they wait, as others do
			o.wake()
		case err == nil, errors.Is(err, errNothingToSee): // reconsider has them leave
			faults = 0
			o.s.tellLocked()
		default:
			if faults++; faults == maxFaults {
				o.s.leave(fmt.Errorf("draw what you may view: %w", err))
				return
			}
			o.wake()
		}
		select {
		case <-time.After(max(frameTime-took, frameShare*took)):
		case <-o.s.ctx.Done():
			return
		}
	}
}
