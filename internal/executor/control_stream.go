package executor

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/failpoint"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/tmux"
	"github.com/muxward/muxward/internal/tmux/control"
)

const (
	// maxBatch is how much is read from tmux at once.
	maxBatch = 64 << 10
	// maxStreamLine bounds one line of tmux.
	maxStreamLine = 16 << 20
	// maxLines is how many of the person's lines wait for their turn.
	maxLines = 8
	// lastWords is how long a command that waits by its nature may take when
	// its person has nothing more to say.
	lastWords = time.Second
	// behindTime is how long a guest's client may take to read a batch. Nobody
	// who only watches holds up tmux for longer.
	behindTime = 2 * time.Second
)

// errBehind is what a client hears that does not read, as from tmux.
var errBehind = errors.New("too far behind")

// readLine reads one line with its newline.
func readLine(r *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		if line = append(line, part...); !errors.Is(err, bufio.ErrBufferFull) {
			return line, err
		}
		if len(line) > maxStreamLine {
			return nil, fmt.Errorf("the tmux server sent a line of more than %d bytes", maxStreamLine)
		}
	}
}

// batch reads what is there of tmux's lines: one, and those that have come with
// it.
func (s *controlSeat) batch() ([][]byte, error) {
	var lines [][]byte
	for size := 0; size < maxBatch; {
		line, err := readLine(s.from)
		if err != nil {
			return lines, err
		}
		lines = append(lines, line)
		size += len(line)
		ahead, _ := s.from.Peek(s.from.Buffered()) // no error within the buffer
		if bytes.IndexByte(ahead, '\n') < 0 {
			break
		}
	}
	return lines, nil
}

// listen passes on what tmux says until it has no more to say.
func (s *controlSeat) listen() {
	defer close(s.read)
	pass := s.guestStream()
	if s.full {
		pass = s.ownStream()
	}
	for {
		lines, err := s.batch()
		failpoint.At("control-listen")
		if len(lines) > 0 {
			if perr := pass(lines); perr != nil {
				s.leave(perr)
				return
			}
		}
		if err != nil {
			return // fromServer says why
		}
	}
}

// ownStream passes a whole stream on as it is, but for the marks that tell when
// a command is done.
func (s *controlSeat) ownStream() func([][]byte) error {
	var sorter control.Sorter
	var held []byte // a begin that may be the one of a mark
	marked, failed, open := uint64(0), false, false
	gate := s.gate(s.whole)
	return func(lines [][]byte) error {
		var out []byte
		var done []uint64
		var bad []bool
		for _, line := range lines {
			l := bytes.TrimSuffix(line, []byte("\n"))
			if seq, ok := s.marks.Read(l); ok && held != nil {
				held, marked = nil, seq
				sorter.Sort(l)
				continue
			}
			kind := sorter.Sort(l)
			if marked != 0 { // the end of the mark's block
				done, bad = append(done, marked), append(bad, failed)
				marked, failed = 0, false
				continue
			}
			open = open || held != nil
			out, held = append(out, held...), nil
			if kind == control.Begin {
				s.client.Numbered(sorter.Number())
				held = line
				continue
			}
			failed = failed || kind == control.Failed
			if kind == control.End || kind == control.Failed {
				open = false
			}
			if m := s.maker.Load(); kind == control.Body {
				var any bool
				if line, any = m.cutLine(line); !any {
					continue
				}
			}
			if kind == control.Notification && ofOurs(l) {
				continue
			}
			if kind == control.Notification {
				s.moved(l)
			}
			out = append(out, line...)
		}
		if len(out) > 0 {
			// As long as the client does not read, tmux is not read: it then
			// pauses panes, or ends the client, as it was told to.
			s.showing.Store(true)
			err := s.asides.pass(open, func() error { return s.client.Show(s.ctx, out, gate) })
			s.shown.Store(time.Now().UnixNano())
			if s.showing.Store(false); err != nil {
				return err
			}
		}
		for i, seq := range done {
			s.carriedOut(seq, bad[i])
		}
		return nil
	}
}

// moved notes where somebody is who goes where they want, for who is attached.
func (s *controlSeat) moved(l []byte) {
	n, ok := readNotice(l)
	at := s.stage.Load().session
	switch {
	case !ok || n.named == "":
		return
	case bytes.HasPrefix(l, []byte("%session-renamed ")) && *n.session != at.ID:
		return
	}
	s.setStage(tmux.Session{ID: *n.session, Name: n.named})
	if s.stage.Load().session.Name != at.Name || *n.session != at.ID {
		s.live.Describe(s.describe())
	}
}

// ofOurs reports whether a notification is about a client that muxward keeps for
// itself.
func ofOurs(l []byte) bool {
	for _, kind := range []string{"%client-session-changed ", "%client-detached "} {
		if rest, ok := strings.CutPrefix(string(l), kind); ok {
			name, _, _ := strings.Cut(rest, " ")
			return strings.HasPrefix(name, anchorName) || name == fmt.Sprintf("client-%d", os.Getpid())
		}
	}
	return false
}

// guestStream tells a guest of what they may view, as it is decided on the state
// of the server after the batch in question was read: what was moved somewhere
// else, or renamed, before that is seen as what it is now.
func (s *controlSeat) guestStream() func([][]byte) error {
	var sorter control.Sorter
	known := sight{windows: map[tmux.WindowID]bool{}, sessions: map[tmux.SessionID]bool{}}
	return func(lines [][]byte) error {
		var notices []notice
		var told [][]byte
		for _, line := range lines {
			l := bytes.TrimSuffix(line, []byte("\n"))
			if sorter.Sort(l) != control.Notification {
				continue // of a hook, or a command that prints later: not theirs
			}
			told = append(told, l)
			if n, ok := forGuest(l); ok && !(n.drawn && s.isOff(*n.pane)) {
				n.at = len(told) - 1
				notices = append(notices, n)
			}
		}
		snap, missed, err := s.hearOf(told, len(notices) > 0)
		if err != nil || len(notices) == 0 {
			return err
		}
		known.at(s, snap)
		ctx, cancel := context.WithTimeout(s.ctx, behindTime)
		defer cancel()
		for i := range notices {
			if missed[notices[i].at] {
				continue
			}
			rights, line := known.rights(&notices[i])
			if len(rights) == 0 {
				continue
			}
			err := s.client.Show(ctx, []byte(line+"\n"), s.gate(rights...))
			if err != nil && ctx.Err() != nil && s.ctx.Err() == nil {
				return errBehind
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
}

// gate lets something through while every one of the rights is held.
func (s *controlSeat) gate(rights ...*gateway.Right) gateway.Gate {
	return func(deliver func() error) error { return s.passes(rights, deliver) }
}

// look takes the server's state, and decides anew if our client was moved.
func (s *controlSeat) look() (*tmux.Snapshot, error) {
	ctx, cancel := context.WithTimeout(s.ctx, keyTime)
	defer cancel()
	snap, err := s.server.Snapshot(ctx, tmux.Core)
	if err != nil {
		return nil, fmt.Errorf("confirm what you may see: %w", err)
	}
	at, err := s.at(snap)
	if err != nil {
		return nil, err
	}
	old := s.stage.Load()
	if s.setStage(*at); s.stage.Load() == old {
		return snap, nil
	}
	view := s.stage.Load().view
	if d := view.Decide(); confined() && !d.Allow {
		return nil, errMoved("")
	}
	if at.ID != old.session.ID {
		if d := s.live.Decide(gateway.Joining(view.Need().Object)); confined() && !d.Allow {
			return nil, errMoved(d.Reason)
		}
	}
	s.live.Describe(s.describe())
	return snap, nil
}

// sight is what a guest in control mode was told of, and the state by which they
// are told of more.
type sight struct {
	s        *controlSeat
	snap     *tmux.Snapshot
	panes    map[tmux.PaneID]*gateway.Right
	windows  map[tmux.WindowID]bool  // that they were told of
	sessions map[tmux.SessionID]bool // that they could see last
	counted  bool
}

// at takes a new state.
func (k *sight) at(s *controlSeat, snap *tmux.Snapshot) {
	k.s, k.snap, k.panes = s, snap, map[tmux.PaneID]*gateway.Right{}
	if !k.counted {
		k.counted = true
		k.changed()
	}
}

// rights gives what it takes to be told, and what is told; none for what they
// are not told.
func (k *sight) rights(n *notice) ([]*gateway.Right, string) {
	rights, line := []*gateway.Right{k.s.stage.Load().view}, n.line
	switch {
	case n.listed:
		if !k.changed() {
			return nil, ""
		}
		return rights, line
	case n.closed:
		if !k.windows[*n.window] {
			return nil, ""
		}
		delete(k.windows, *n.window)
		return rights, line
	}
	if n.session != nil {
		r, name := k.session(*n.session)
		if r == nil {
			return nil, ""
		}
		rights = append(rights, r)
		if n.named != "" {
			line += " " + name // as it is called now, by which was decided
		}
	}
	if n.window != nil {
		all := k.window(*n.window)
		if len(all) == 0 {
			return nil, ""
		}
		k.windows[*n.window] = !slices.ContainsFunc(all, func(r *gateway.Right) bool { return !r.Decide().Allow })
		rights = append(rights, all...)
		w := k.snap.Window(*n.window)
		if n.layout != "" && n.layout != w.Layout {
			return nil, "" // of an earlier state than was decided on; the next one is on its way
		}
		if n.renamed {
			line += " " + tmux.Clean(w.Name) // as it is called now
		}
	}
	if n.pane != nil {
		r := k.pane(*n.pane)
		if r == nil {
			return nil, ""
		}
		rights = append(rights, r)
	}
	return rights, line
}

// pane is the right to view a pane as it lies in the session, nil if it does
// not.
func (k *sight) pane(id tmux.PaneID) *gateway.Right {
	if r := k.panes[id]; r != nil {
		return r
	}
	o, ok := gateway.PaneObject(k.s.server.Owner(), k.s.server.Incarnation(), k.snap, k.s.stage.Load().session.ID, id)
	if !ok {
		return nil
	}
	k.panes[id] = k.s.live.Right(gateway.Need{Verb: access.View, Object: o})
	return k.panes[id]
}

// window is the right to view every pane of a window of the session.
func (k *sight) window(id tmux.WindowID) []*gateway.Right {
	w := k.snap.Window(id)
	if w == nil {
		return nil
	}
	var all []*gateway.Right
	for _, p := range w.Panes {
		r := k.pane(p)
		if r == nil {
			return nil
		}
		all = append(all, r)
	}
	return all
}

// session is the right to view a session, and what it is called for this person.
func (k *sight) session(id tmux.SessionID) (*gateway.Right, string) {
	at := k.snap.Session(id)
	if at == nil {
		return nil, ""
	}
	name := at.Name
	if k.s.server.Owner() != k.s.live.Who().Person() {
		name = tmux.JoinOwner(k.s.server.Owner(), name)
	}
	return k.s.live.Right(gateway.Need{Verb: access.View, Object: access.Object{
		Kind: access.Session, Owner: k.s.server.Owner(), Incarnation: k.s.server.Incarnation(),
		Session: access.SessionRef{ID: uint32(at.ID), Name: at.Name},
	}}), tmux.Clean(name)
}

// changed reports whether other sessions are there that this person may view
// than there were when it was asked last.
func (k *sight) changed() bool {
	now := map[tmux.SessionID]bool{}
	other := false
	for i := range k.snap.Sessions {
		id := k.snap.Sessions[i].ID
		if r, _ := k.session(id); r != nil && r.Decide().Allow {
			now[id] = true
			other = other || !k.sessions[id]
		}
	}
	other = other || len(now) != len(k.sessions)
	k.sessions = now
	return other
}
