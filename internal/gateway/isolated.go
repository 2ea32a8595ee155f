package gateway

import (
	"context"
	"errors"
	"strings"

	"github.com/muxward/muxward/internal/access"
	panes "github.com/muxward/muxward/internal/pane"
	"github.com/muxward/muxward/internal/teeth"
	"github.com/muxward/muxward/internal/tmux"
)

// This file is about servers whose panes run as another account than tmux: all that a
// command starts there goes by the shell of that server, which is muxward-pane.

// apart is a [Server] that may be such a one.
type apart interface{ Isolated() bool }

func isolated(s Server) bool {
	a, ok := s.(apart)
	return ok && a.Isolated()
}

// splitHere is the one format that says where a new pane begins: where the one is that it is
// split from. tmux may not look at that.
const splitHere = "#{pane_current_path}"

// started changes a command that starts a program on an isolated server so that it is
// started in its pane's account. Several words tmux would run by itself, as its own
// account; and where the program begins, tmux might not enter.
func (r *resolver) started(ctx context.Context) error {
	inv := r.plan.Invocation
	if !isolated(r.plan.Server) || inv.Row.Args != tmux.ShellArgs || teeth.Out(teeth.Isolated) {
		return nil
	}
	if err := r.runsAs(ctx); err != nil {
		return err
	}
	if len(inv.Args) > 1 {
		inv.Args = []string{quoteWords(inv.Args)}
	}
	if len(inv.Args) == 1 && inv.Args[0] == "" {
		inv.Args = nil // tmux takes it for none
	}
	if inv.Has('e') {
		return errors.New(inv.Row.Name + ": the environment of an isolated server's panes is the administrator's")
	}
	dir, given := inv.Get('c')
	if !given {
		return nil
	}
	inv.Delete('c')
	switch {
	case strings.HasPrefix(dir, panes.Like):
		return errors.New(inv.Row.Name + ": -c takes a path from the root, or " + splitHere)
	case dir == splitHere:
		like, err := r.beside()
		if err != nil {
			return err
		}
		dir = panes.Like + like
	}
	if !strings.HasPrefix(dir, "/") && dir != "" && !strings.HasPrefix(dir, panes.Like) {
		return errors.New(inv.Row.Name + ": -c takes a path from the root, or " + splitHere)
	}
	if dir != "" {
		inv.Set('e', panes.DirVariable+"="+dir)
	}
	return nil
}

// beside gives the terminal of the pane that the command is about. Where it is, is for
// who may view it.
func (r *resolver) beside() (string, error) {
	f := r.plan.Found
	p := f.Pane
	if p == nil && f.Session != nil {
		link := r.plan.Visible.Session(f.Session.ID).CurrentLink()
		if id, err := tmux.ParsePaneID(r.req.Pane); err == nil {
			p = r.plan.Visible.Pane(id)
		} else if w := r.plan.Visible.Window(link.Window); w != nil && w.HasActive {
			p = r.plan.Visible.Pane(w.Active)
		}
	}
	if p == nil || f.Session == nil {
		return "", errors.New("say with -t beside which pane it is to be")
	}
	o, ok := PaneObject(r.owner, r.scene.incarnation, r.scene.snap, f.Session.ID, p.ID)
	if !ok {
		return "", errors.New("say with -t beside which pane it is to be")
	}
	r.add(Need{Verb: access.View, Object: o})
	return p.TTY, nil
}

// quoteWords makes one line for a shell of an argument vector.
func quoteWords(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
	}
	return strings.Join(quoted, " ")
}
