package executor

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/attach"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/picture"
	"github.com/muxward/muxward/internal/scrollback"
	"github.com/muxward/muxward/internal/tmux"
)

// goesAbout: the command selects a window or a pane and does nothing else. For
// somebody with a place of their own it is theirs that is meant.
func goesAbout(inv *tmux.Invocation) bool {
	only := ""
	switch inv.Row.Name {
	case "select-window":
		only = "tnplT"
	case "next-window", "previous-window", "last-window":
		only = "t"
	case "select-pane":
		only = "tLRUDlZ"
	case "last-pane":
		only = "tZ"
	default:
		return false
	}
	return inv.HasOnly(only) && len(inv.Args) == 0
}

// besideOwn: the command goes by what is current or was last in the session or the
// window for all, and does more than select: there is no telling tmux to go by a place
// of one's own.
func besideOwn(inv *tmux.Invocation) bool {
	switch inv.Row.Name {
	case "next-window", "previous-window", "last-window", "last-pane":
		return !goesAbout(inv)
	case "select-pane":
		return inv.Has('l') && !goesAbout(inv)
	}
	return false
}

// whither is what a command selects, as a target.
func whither(inv *tmux.Invocation) (how tmux.Lookup, target string) {
	how.Kind = tmux.TargetPane
	target, _ = inv.Get('t')
	where := ""
	switch inv.Row.Name {
	case "select-window", "next-window", "previous-window", "last-window":
		how.Kind = tmux.TargetWindow
		where = map[string]string{"next-window": "+", "previous-window": "-", "last-window": "!"}[inv.Row.Name]
		for letter, sign := range map[byte]string{'n': "+", 'p': "-", 'l': "!"} {
			if inv.Has(letter) {
				where = sign
			}
		}
		if where != "" { // -t is a session
			return how, strings.TrimSuffix(target, ":") + ":" + where
		}
		return how, target
	case "last-pane":
		return how, besides(target, "!")
	}
	for letter, side := range map[byte]string{'L': "{left-of}", 'R': "{right-of}", 'U': "{up-of}", 'D': "{down-of}", 'l': "!"} {
		if inv.Has(letter) {
			where = side
		}
	}
	if where != "" {
		return how, besides(target, where)
	}
	return how, target
}

// besides is a pane of the window that a target names. What is beside another pane
// than one's own is not looked for.
func besides(target, where string) string {
	if target == "" {
		return "." + where
	}
	window, _, _ := strings.Cut(target, ".")
	return window + "." + where
}

// goes has the person be elsewhere, which is an act of theirs like others.
func (e *errand) goes(ctx context.Context, inv *tmux.Invocation) error {
	s := e.k.s
	if err := e.locate(ctx); err != nil {
		return err
	}
	if e.current == nil {
		return errNowhere
	}
	var args []string
	for _, f := range inv.Flags {
		args = append(args, "-"+string(f.Letter)+f.Value)
	}
	_, err := s.act(ctx, e.current, inv.Row.Name, args, access.Navigate, func(ctx context.Context, _ access.Object) (gateway.Result, error) {
		return gateway.Result{}, s.own.goTo(ctx, inv)
	})
	e.current, e.closed = nil, e.closed && err != nil
	return err
}

// goTo has the person be where a command says, as they see the session.
func (o *own) goTo(ctx context.Context, inv *tmux.Invocation) error {
	ctx, cancel := context.WithTimeout(ctx, keyTime)
	defer cancel()
	now, err := o.ask(ctx)
	if err != nil {
		return err
	}
	view, here, err := o.settle(now)
	if err != nil {
		return err
	}
	how, target := whither(inv)
	target = strings.TrimPrefix(target, o.s.server.Owner()+"/")
	f, err := tmux.Resolve(here.seen(view, view), how, target, tmux.ResolveContext{Session: &here.session})
	if err != nil || !f.Whole() || f.Session.ID != here.session {
		return &gateway.NotFound{Err: cause(err)}
	}
	if f.Window.ID == here.window && f.Window.Zoomed && f.Pane.ID != here.pane {
		return errors.New("the window is zoomed: nothing else of it is on the screen")
	}
	if f.Window.ID != here.window {
		if err := o.mayBegin(now.Snapshot, f.Window); err != nil {
			return err
		}
	}
	o.mu.Lock()
	o.goes(here.to(f.Window.ID, f.Pane.ID), now)
	o.mu.Unlock()
	o.s.unknown()
	return nil
}

// mayBegin refuses to begin to look at a window, as the person sees it, of which
// something is locked down.
func (o *own) mayBegin(now *tmux.Snapshot, w *tmux.Window) error {
	s := o.s
	needs := s.live.JoiningPanes(s.server.Owner(), s.server.Incarnation(), now, o.session, w.Panes)
	for _, n := range needs {
		if d := s.live.Decide(n); confined() && !d.Allow {
			return &gateway.Refused{Decision: d, Need: n}
		}
	}
	return nil
}

// goes has the person be somewhere by an act of their own: what they type next is for
// that pane, if it is on the screen, though nothing of it was shown yet. o.mu is held.
func (o *own) goes(to place, now state) {
	to.acts = o.here.acts + 1
	o.here, o.stood = to, max(o.stood, now.number)
	o.stand(now.Snapshot)
	if w := now.Window(to.window); w != nil && slices.Contains(displayed(w), to.pane) {
		o.s.active.Store(&to.pane)
	} else {
		o.s.active.Store(nil)
	}
}

// arrive has the person be where a command of theirs has led, if they may view that,
// and reports whether they are there.
func (o *own) arrive(ctx context.Context, f tmux.Found) (bool, error) {
	if !f.Whole() || f.Session.ID != o.s.stage.Load().session.ID {
		return false, nil
	}
	now, err := o.ask(ctx)
	if err != nil {
		return false, err
	}
	o.mu.Lock()
	view := o.viewed(now.Snapshot)
	to, err := o.here.to(f.Window.ID, f.Pane.ID).settle(view)
	there := err == nil && to.pane == f.Pane.ID
	if there && to.window != o.here.window {
		err = o.mayBegin(now.Snapshot, view.Window(to.window))
		there = err == nil
	}
	if there {
		o.goes(to, now)
	}
	o.mu.Unlock()
	o.s.unknown()
	return there, err
}

// current is where the person is, as a command is about it that does not say so.
func (o *own) current(ctx context.Context) (*tmux.Found, *tmux.Snapshot, error) {
	now, err := o.ask(ctx)
	if err != nil {
		return nil, nil, err
	}
	_, here, err := o.settle(now)
	if err != nil {
		return nil, nil, err
	}
	f := paneAt(now.Snapshot, spot(here.session, here.window, here.pane))
	if f == nil {
		return nil, nil, errNowhere
	}
	return f, now.Snapshot, nil
}

// seen gives a part of a state of the server as the person sees it.
func (o *own) seen(all, visible *tmux.Snapshot) *tmux.Snapshot {
	view, here := o.viewed(all), o.at()
	if next, err := here.settle(view); err == nil {
		here = next
	}
	return here.seen(view, visible)
}

var errUnseen = errors.New("another pane is selected now than is shown to you; look again")

// shows reports whether a pane is the one that is selected on the person's screen.
func (o *own) shows(at *tmux.Found) bool {
	pane := o.s.active.Load()
	return pane != nil && at != nil && *pane == at.Pane.ID
}

// at is where the person is.
func (o *own) at() place {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.here
}

// cause is an error that there is in any case.
func cause(err error) error {
	if err == nil {
		err = errors.New("can't find it in this session")
	}
	return err
}

// point finds the pane of the picture that the mouse is over, nil if there is none
// that may be viewed.
func (o *own) point(ctx context.Context, m attach.Mouse) (*pointed, error) {
	o.mu.Lock()
	now := o.next
	o.mu.Unlock()
	if now == nil || m.Y >= now.Rows-picture.StatusRows {
		return nil, nil
	}
	state, err := o.ask(ctx)
	if err != nil {
		return nil, err
	}
	view, here, err := o.settle(state)
	if err != nil {
		return nil, err
	}
	if w := state.Window(here.window); w == nil || w.Zoomed && !slices.Contains(displayed(w), here.pane) {
		return nil, nil // what is on the screen is not theirs to see
	}
	p := paneUnder(here.seen(view, view), here.session, m, m.X+now.X, m.Y+now.Y)
	if p != nil {
		p.means = now.mouse
	}
	return p, nil
}

// frameIn is where a pane that is looked back at is in the picture.
func (o *own) frameIn(f *scrollback.Frame, c *captured) {
	o.mu.Lock()
	defer o.mu.Unlock()
	f.Above, f.Below = 0, picture.StatusRows
	if o.next == nil {
		return
	}
	if p, ok := o.next.panes[tmux.PaneID(c.on.Pane.ID)]; ok {
		f.Left, f.Top = p.Left-o.next.X, p.Top-o.next.Y
	}
}
