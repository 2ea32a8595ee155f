package executor

import (
	"bytes"
	"context"
	"crypto/rand"
	"strconv"
	"strings"
	"sync"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/teeth"
	"github.com/muxward/muxward/internal/tmux"
	"github.com/muxward/muxward/internal/tmux/wire"
)

// maker has tmux itself say which pane a command makes: by states of the server nobody
// could tell it from what others make at the same time. What tmux says for us comes
// before what it prints for the person, who does not get it.
type maker struct {
	// mark begins it. Nobody knows it before the command runs, so that nothing else
	// that is printed is taken for it.
	mark   string
	asked  bool // the person has something printed, too, or what is to be left out is past
	before *tmux.Snapshot

	mu   sync.Mutex
	head []byte // of what was printed, until it is known what that is
	over bool   // the answer has been read, or does not come
	at   madeAt
	said bool
}

// madeAt is where a pane was made.
type madeAt struct {
	session tmux.SessionID
	window  tmux.WindowID
	pane    tmux.PaneID
	process int // the first one there
}

// maxMade is longer than what tmux says of a pane can be.
const maxMade = 128

// making gives the maker of a command that makes a pane, with the command as tmux is
// to have it; nil for any other. A session of a group begins with windows of others.
func making(plan *gateway.Plan) (*maker, *tmux.Invocation) {
	inv := plan.Invocation
	if !makes(inv.Row.Name) || inv.Row.Name == "new-session" && inv.Has('t') || teeth.Out(teeth.Made) {
		return nil, inv
	}
	m := &maker{mark: "muxward-" + strings.ToLower(rand.Text()) + " ", asked: inv.Has('P'), before: plan.Snapshot}
	format := m.mark + "#{session_id}:#{window_id}.#{pane_id}/#{pane_pid} "
	if m.asked {
		own, given := inv.Get('F')
		if !given {
			own = tmux.DefaultFormat(inv)
		}
		format += own
	}
	inv = inv.Clone()
	inv.SetBare('P')
	inv.Set('F', format)
	return m, inv
}

// cut takes what tmux says of the pane out of what it prints, and gives the rest.
func (m *maker) cut(data []byte) []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.over {
		return m.behind(data)
	}
	m.head = append(m.head, data...)
	rest, ours := bytes.CutPrefix(m.head, []byte(m.mark))
	if !ours && (len(m.head) >= len(m.mark) || !strings.HasPrefix(m.mark, string(m.head))) {
		m.over, m.asked = true, true // it is something else
		return m.head
	}
	words, more, ended := bytes.Cut(rest, []byte(" "))
	if !ours || !ended && len(rest) < maxMade {
		return nil // there is more of it to come
	}
	m.over = true
	if m.at, m.said = readMade(string(words)); !ended {
		more = rest
	}
	return m.behind(more)
}

// behind gives what was printed behind the answer: the rest of its line is the person's
// if they asked for it.
func (m *maker) behind(data []byte) []byte {
	if m.asked {
		return data
	}
	_, data, m.asked = bytes.Cut(data, []byte("\n"))
	return data
}

// cutLine is cut for a line of somebody in control mode, among which those of other
// commands may come: what is left of it, and whether anything is.
func (m *maker) cutLine(line []byte) ([]byte, bool) {
	if m == nil || !bytes.HasPrefix(line, []byte(m.mark)) {
		return line, true
	}
	line = m.cut(line)
	return line, len(line) > 0
}

// hears reports whether the answer is still to come.
func (m *maker) hears() bool {
	if m == nil {
		return false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return !m.over
}

// readMade reads $1:@2.%3/4567 .
func readMade(s string) (p madeAt, ok bool) {
	session, rest, colon := strings.Cut(s, ":")
	window, pane, dot := strings.Cut(rest, ".")
	pane, process, slash := strings.Cut(pane, "/")
	var errs [4]error
	p.session, errs[0] = tmux.ParseSessionID(session)
	p.window, errs[1] = tmux.ParseWindowID(window)
	p.pane, errs[2] = tmux.ParsePaneID(pane)
	p.process, errs[3] = strconv.Atoi(process)
	return p, colon && dot && slash && errs == [4]error{}
}

// made gives the pane that tmux has said was made. One that was there before is none.
func (m *maker) made(server Server) *gateway.Made {
	if m == nil {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.said || m.before != nil && m.before.Pane(m.at.pane) != nil {
		return nil
	}
	return &gateway.Made{Process: m.at.process, Pane: access.Object{
		Kind: access.Pane, Owner: server.Owner(), Incarnation: server.Incarnation(),
		Session: access.SessionRef{ID: uint32(m.at.session)},
		Window:  access.WindowRef{ID: uint32(m.at.window)}, Pane: access.PaneRef{ID: uint32(m.at.pane)},
	}}
}

// firstPane gives the pane of a session that somebody has made by attaching to it:
// their display is there. tmux is not asked as of other panes, since it would show the
// answer on that.
func firstPane(plan *gateway.Plan, server Server, snap *tmux.Snapshot, at *tmux.Session) *gateway.Made {
	inv, before := plan.Invocation, plan.Snapshot
	if inv.Row.Name != "new-session" || inv.Has('t') || inv.Has('A') || teeth.Out(teeth.Made) ||
		before != nil && before.Session(at.ID) != nil || len(at.Links) != 1 {
		return nil // it is not surely theirs
	}
	w := snap.Window(at.Links[0].Window)
	if w == nil || len(w.Panes) != 1 || before != nil && before.Pane(w.Panes[0]) != nil {
		return nil
	}
	o, ok := gateway.PaneObject(server.Owner(), server.Incarnation(), snap, at.ID, w.Panes[0])
	if !ok {
		return nil
	}
	return &gateway.Made{Pane: o, Process: snap.Pane(w.Panes[0]).PID}
}

// hearMade goes on listening to the server for a person who has gone, or whose answer
// has: what they made is theirs all the same.
func (r *relay) hearMade(ctx context.Context) {
	if !r.maker.hears() {
		return
	}
	for id, s := range r.streams { // without that tmux prints nothing
		if s.fd != 0 && !s.ready && r.server.WriteMsg(ctx, &wire.WriteReady{Stream: id}) != nil {
			return
		}
	}
	for r.maker.hears() {
		m, err := r.server.ReadMsg(ctx)
		if err != nil {
			return
		}
		switch m := m.(type) {
		case *wire.Exit, *wire.Shutdown:
			return
		case *wire.WriteOpen:
			if m.FD != 1 && m.FD != 2 {
				continue // a file, which nobody is there for
			}
			r.streams[m.Stream] = stream{fd: int(m.FD), ready: true}
			if r.server.WriteMsg(ctx, &wire.WriteReady{Stream: m.Stream}) != nil {
				return
			}
		case *wire.Write:
			if r.streams[m.Stream].fd == 1 {
				r.maker.cut(m.Data)
			}
		}
	}
}
