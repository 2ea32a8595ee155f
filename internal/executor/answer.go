package executor

import (
	"context"
	"errors"
	"os"
	"strings"
	"time"

	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/tmux"
	"github.com/muxward/muxward/internal/tmux/wire"
)

// answer gives a listing or a message from what the person may see, by
// muxward's own format engine: tmux never hears of the person's formats.
func (e *Executor) answer(ctx context.Context, p *gateway.Permit) (gateway.Result, error) {
	plan, inv := p.Plan(), p.Plan().Invocation
	base := formatBase()
	var lines []string
	var failure error
	add := func(snap *tmux.Snapshot, found tmux.Found) {
		var some []string
		var err error
		if inv.Row.Name == "display-message" {
			var one string
			one, err = tmux.Message(inv, snap, found, base, base.Now)
			some = []string{one}
		} else {
			some, err = tmux.Listing(inv, snap, found, base)
		}
		failure = errors.Join(failure, err)
		lines = append(lines, some...)
	}
	if plan.Mode == gateway.Answer && plan.Server != nil {
		snap, found := plan.Visible, plan.Found
		if owner := plan.Server.Owner(); owner != p.Request().Identity.Person() && !p.Request().Bound {
			snap, found = named(owner, snap, found)
		}
		add(snap, found)
	}
	for _, place := range plan.Elsewhere {
		snap, found := named(place.Owner, place.Visible, tmux.Found{})
		add(snap, found)
	}
	if failure != nil {
		return gateway.Result{}, failure
	}
	var out strings.Builder
	for _, line := range lines {
		out.WriteString(shown(line, p.Request().Client))
		out.WriteByte('\n')
	}
	if out.Len() == 0 {
		return gateway.Result{}, nil
	}
	return gateway.Result{}, p.Request().Client.Print(ctx, 1, []byte(out.String()))
}

// formatBase is what a format may say that is of no row.
func formatBase() tmux.FormatContext {
	base := tmux.FormatContext{UID: os.Getuid(), Zone: time.Local, Now: time.Now()}
	base.Host, _ = os.Hostname() // a format of it is empty then
	return base
}

// named gives the snapshot with its sessions called as they are at other
// people's doors: owner/name.
func named(owner string, snap *tmux.Snapshot, found tmux.Found) (*tmux.Snapshot, tmux.Found) {
	parts := *snap
	parts.Sessions = append([]tmux.Session(nil), snap.Sessions...)
	for i := range parts.Sessions {
		parts.Sessions[i].Name = tmux.JoinOwner(owner, parts.Sessions[i].Name)
	}
	next := tmux.NewSnapshot(parts)
	if found.Session != nil {
		found.Session = next.Session(found.Session.ID)
		if found.Link != nil {
			found.Link = found.Session.Link(found.Link.Index)
		}
	}
	if found.Window != nil {
		found.Window = next.Window(found.Window.ID)
	}
	if found.Pane != nil {
		found.Pane = next.Pane(found.Pane.ID)
	}
	return next, found
}

// shown is a line as the client's terminal can take it.
func shown(line string, c gateway.Client) string {
	if c.Hello().Flags&wire.FlagUTF8 == 0 {
		return tmux.Sanitize(line)
	}
	return tmux.Clean(line)
}
