package executor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/attach"
	"github.com/muxward/muxward/internal/ctxlock"
	"github.com/muxward/muxward/internal/failpoint"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/picture"
	"github.com/muxward/muxward/internal/scrollback"
	"github.com/muxward/muxward/internal/tmux"
	"github.com/muxward/muxward/internal/tmux/wire"
)

// glimpse is what a pane held at one moment.
type glimpse struct {
	width, height    int
	cursorX, cursorY int
	cursor           bool
	mouse, wants     bool // the server goes by the mouse, the program has asked for it
	rows             [][]scrollback.Cell
}

// frame draws the picture of this moment. First the panes are captured, by what
// was known before; then it is asked what the server is like, and by that it is
// decided what of it may be shown: of what was captured where they may not view it by
// then, nothing is. If anything else is there by then, it is captured anew.
func (o *own) frame(ctx context.Context) (took time.Duration, err error) {
	if err := o.easel.begin(ctx); err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, keyTime)
	defer cancel()
	began := time.Now()
	seen, err := o.gather(ctx)
	o.easel.end(time.Since(began))
	if err == nil && seen != nil {
		err = o.show(ctx, seen.view, seen.here, seen.captured)
	}
	return time.Since(began), err
}

// gathered is what a picture is made of.
type gathered struct {
	view     *tmux.Snapshot
	here     place
	captured map[tmux.PaneID]*glimpse
}

// gather captures what there is to see, and decides on it; nil if it changes all the
// time.
func (o *own) gather(ctx context.Context) (*gathered, error) {
	for range 3 {
		view, here, err := o.settle(o.snap)
		if err != nil { // it may be another state by now
			if err = o.look(ctx); err == nil {
				view, here, err = o.settle(o.snap)
			}
		}
		if err != nil {
			return nil, err
		}
		wanted := o.wanted(view, here)
		o.heed(wanted)
		if err := o.drawable(wanted); err != nil {
			return nil, err
		}
		captured, err := o.capture(ctx, here, wanted)
		if err != nil {
			o.unheard(wanted)
		}
		if err != nil && !errors.Is(err, errGone) {
			return nil, err
		}
		failpoint.At("own-captured")
		if err := o.look(ctx); err != nil {
			return nil, err
		}
		now, there, err := o.settle(o.snap)
		if err != nil {
			return nil, err
		}
		if there.window == here.window && o.complete(now, there, captured) {
			return &gathered{now, there, captured}, nil
		}
	}
	o.wake() // there is no picture of it yet
	return nil, nil
}

// maxSeen is of how many characters at most the panes are that are drawn: more than
// any screen has.
const maxSeen = 1 << 19

var errTooLarge = fmt.Errorf("the window is larger than is drawn here: %d characters", maxSeen)

// drawable fails if panes are larger than is drawn.
func (o *own) drawable(panes []tmux.PaneID) error {
	all := 0
	for _, id := range panes {
		p := o.snap.Pane(id)
		if p == nil {
			continue
		}
		if p.Width > maxSeen || p.Height > maxSeen || p.Width*p.Height > maxSeen-all {
			return errTooLarge
		}
		all += p.Width * p.Height
	}
	return nil
}

var errGone = errors.New("a pane has gone meanwhile")

// look finds out what the server is like.
func (o *own) look(ctx context.Context) error {
	now, err := o.ask(ctx)
	if err == nil {
		o.snap = now
	}
	return err
}

// displayed are the panes of a window that are on the screen.
func displayed(w *tmux.Window) []tmux.PaneID {
	if w.Zoomed && w.HasActive {
		return []tmux.PaneID{w.Active}
	}
	return w.Panes
}

// wanted are the panes to be captured: those on the screen that may be viewed.
func (o *own) wanted(view *tmux.Snapshot, here place) []tmux.PaneID {
	w := o.snap.Window(here.window)
	if w == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(displayed(w)), func(id tmux.PaneID) bool { return !inView(view, here, id) })
}

// heed notes whose output may change the picture.
func (o *own) heed(panes []tmux.PaneID) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.heeded = make(map[tmux.PaneID]bool, len(panes))
	for _, id := range panes {
		o.heeded[id] = true
	}
}

// complete reports whether what was captured is all that is to be seen now, at
// the size that it has now.
func (o *own) complete(view *tmux.Snapshot, here place, captured map[tmux.PaneID]*glimpse) bool {
	for _, id := range o.wanted(view, here) {
		p, c := o.snap.Pane(id), captured[id]
		if p == nil || c == nil || c.width != p.Width || c.height != p.Height {
			return false
		}
	}
	return true
}

// glimpseFormat asks for what [readGlimpse] reads before a pane's rows.
const glimpseFormat = "#{pane_width} #{pane_height} #{cursor_x} #{cursor_y} #{cursor_flag} #{mouse} #{mouse_any_flag}"

// capture has tmux print what panes hold that are still where they were. It is
// asked by a connection of its own, on which text cannot be taken for anything
// else.
func (o *own) capture(ctx context.Context, here place, panes []tmux.PaneID) (map[tmux.PaneID]*glimpse, error) {
	session := o.snap.Session(here.session)
	if len(panes) == 0 || session == nil {
		return nil, nil
	}
	opts := o.snap.Reading()
	display, ok := tmux.SpellCommand("display-message", opts)
	capture, ok2 := tmux.SpellCommand("capture-pane", opts)
	refresh, ok3 := tmux.SpellCommand("refresh-client", opts)
	if !ok || !ok2 || !ok3 {
		return nil, errors.New("the server's command-alias hides display-message, capture-pane or refresh-client")
	}
	if err := ctxlock.Lock(ctx, &o.tells); err != nil {
		return nil, err
	}
	defer o.tells.Unlock()
	argv := o.hear(refresh, session, panes)
	if len(argv) == 3 { // there is nothing to say
		argv = nil
	}
	for _, id := range panes {
		target := spot(here.session, here.window, id)
		at := tmux.Place{Pane: id, Window: here.window, HasWindow: true, Session: here.session, HasSession: true}
		words, err := tmux.GuardedInMode(at, [][]string{
			{display, "-p", "-t", target, glimpseFormat},
			{capture, "-p", "-e", "-N", "-t", target},
		}, refusal, opts)
		if err != nil {
			return nil, err
		}
		if len(argv) > 0 {
			argv = append(argv, ";")
		}
		for _, w := range words {
			argv = append(argv, tmux.EscapeArg(w))
		}
	}
	printed, code, err := o.s.printed(ctx, argv, captureBytes)
	switch {
	case err != nil:
		return nil, err
	case len(printed) >= captureBytes:
		return nil, errTooMuch
	case code != 0: // a pane has gone, and with it the rest of the line
		return nil, errGone
	}
	all := map[tmux.PaneID]*glimpse{}
	for _, id := range panes {
		var c *glimpse
		if c, printed, err = readGlimpse(printed); err != nil {
			return nil, err
		}
		if c != nil {
			all[id] = c
		}
	}
	return all, nil
}

// readGlimpse reads what was printed of one pane: a line of numbers and its rows. Of
// one that was elsewhere there is a refusal instead.
func readGlimpse(printed string) (c *glimpse, rest string, err error) {
	strange := errors.New("the tmux server answers in a way that is not understood here")
	first, rest, ok := strings.Cut(printed, "\n")
	if first == refusal && ok {
		return nil, rest, nil
	}
	fields := strings.Fields(first)
	var n [4]int
	if len(fields) != 7 {
		return nil, "", strange
	}
	for i := range n {
		if n[i], err = strconv.Atoi(fields[i]); err != nil {
			return nil, "", strange
		}
	}
	if n[0] > maxSeen || n[1] > maxSeen || n[0]*n[1] > maxSeen { // it has grown meanwhile
		return nil, "", errTooLarge
	}
	text, rest, ok := cutLines(rest, n[1])
	if !ok {
		return nil, "", strange
	}
	c = &glimpse{width: n[0], height: n[1], cursorX: n[2], cursorY: n[3], cursor: fields[4] != "0"}
	c.mouse = fields[5] == "1" || fields[5] == "on"
	c.wants = fields[6] == "1"
	c.rows, err = scrollback.Screen(text, c.width, c.height)
	return c, rest, err
}

// show makes the picture of what may be viewed, and has it shown.
func (o *own) show(ctx context.Context, view *tmux.Snapshot, here place, captured map[tmux.PaneID]*glimpse) error {
	s := o.s
	w := o.snap.Window(here.window)
	next := &scenic{rests: map[tmux.PaneID]*gateway.Right{}, panes: map[tmux.PaneID]picture.Pane{}, acts: here.acts}
	drawn := picture.Window{Width: w.Width, Height: w.Height, Active: -1, Status: o.status(view, here)}
	var seen []*gateway.Right
	for _, id := range displayed(w) {
		p := o.snap.Pane(id)
		if p == nil {
			continue
		}
		part := picture.Pane{Left: p.Left, Top: p.Top, Width: p.Width, Height: p.Height}
		if c := captured[id]; c != nil && inView(view, here, id) {
			part.Seen, part.Rows = true, c.rows
			next.rests[id] = o.right(id, here)
			seen = append(seen, next.rests[id])
			next.asks = next.asks || c.mouse || c.wants
			next.mouse = next.mouse || c.mouse
			if id == here.pane {
				next.selected = &id
				drawn.Active, drawn.CursorX, drawn.CursorY, drawn.Cursor = len(drawn.Panes), c.cursorX, c.cursorY, c.cursor
			}
		}
		next.panes[id] = picture.Pane{Left: p.Left, Top: p.Top}
		drawn.Panes = append(drawn.Panes, part)
	}
	for _, l := range view.Session(here.session).Links { // their names are in it
		named := view.Window(l.Window)
		for i := 0; named != nil && i < len(named.Panes); i++ {
			if id := named.Panes[i]; next.rests[id] == nil && (i == 0 || o.whole(named)) {
				next.rests[id] = o.right(id, here)
			}
		}
	}
	if err := o.record(ctx, seen); err != nil {
		return err
	}
	size := s.att.Size()
	next.Picture = picture.Compose(drawn, size.Cols, size.Rows)
	o.mu.Lock()
	o.next = next
	dropped := o.dropped
	o.mu.Unlock()
	if dropped {
		if err := o.anew(ctx); err != nil {
			return err
		}
	}
	o.canvas.Due()
	s.arm()
	return nil
}

// right is the right to view a pane of the picture.
func (o *own) right(id tmux.PaneID, here place) *gateway.Right {
	s := o.s
	r, ok := s.live.PaneRight(access.View, s.server.Owner(), s.server.Incarnation(), o.snap.Snapshot, here.session, id)
	if !ok { // of the same state it was found to be there
		r = s.live.Right(gateway.Need{Verb: access.View, Object: s.sessionObject(s.stage.Load().session)})
	}
	return r
}

// whole reports whether a window is seen with all its panes.
func (o *own) whole(seen *tmux.Window) bool {
	w := o.snap.Window(seen.ID)
	return w != nil && len(w.Panes) == len(seen.Panes)
}

// status is the line below: the session, those of its windows that have anything
// to view, and who looks.
func (o *own) status(view *tmux.Snapshot, here place) string {
	at := view.Session(here.session)
	var b strings.Builder
	fmt.Fprintf(&b, "[%s] ", attach.Printable(o.s.sessionName(at.Name)))
	for _, l := range at.Links {
		w := view.Window(l.Window)
		if w == nil {
			continue
		}
		mark := ""
		switch {
		case l.Window == here.window:
			mark = "*"
		case here.hasWindow && l.Window == here.lastWindow:
			mark = "-"
		}
		name := ""
		if o.whole(w) { // else it may say what goes on where they see nothing
			name = ":" + attach.Printable(w.Name)
		}
		fmt.Fprintf(&b, "%d%s%s ", l.Index, name, mark)
	}
	fmt.Fprintf(&b, " for %s alone", attach.Printable(o.s.live.Who().Person()))
	return b.String()
}

// colours is how many colours the person's terminal has.
func (s *seat) colours() int {
	if name, _, err := terminal(s.client.Hello().Term); err == nil && strings.Contains(name, "256color") {
		return 256
	}
	return 8
}

// utf8 reports whether the person's terminal draws more than ASCII.
func (s *seat) utf8() bool { return s.client.Hello().Flags&wire.FlagUTF8 != 0 }
