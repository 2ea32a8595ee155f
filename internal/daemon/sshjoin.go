package daemon

import (
	"context"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/acts"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/requests"
	"github.com/muxward/muxward/internal/server/sshd"
	"github.com/muxward/muxward/internal/tmux"
)

// joinBySSH is given.Book.JoinAct for who comes by ssh: they are told what they were given, and
// where that is.
func (d *daemon) joinBySSH(who identity.Identity, text string) (*gateway.Act, error) {
	a, err := d.given.JoinAct(who, text)
	if err != nil {
		return nil, err
	}
	do := a.Do
	a.Do = func(ctx context.Context, o access.Object) (gateway.Result, error) {
		r, err := do(ctx, o)
		if err != nil {
			return r, err
		}
		switch v := r.Value.(type) {
		case acts.ShownGrant:
			r.Value = joinedBySSH(v)
		case requests.Knocking:
			r.Value = sshd.Joined{Text: v.Text(), Ends: func(ctx context.Context) (sshd.Joined, error) { return letInBySSH(ctx, v) }}
		}
		return r, err
	}
	return a, nil
}

// letInBySSH is the end of a knock for who comes by ssh.
func letInBySSH(ctx context.Context, k requests.Knocking) (sshd.Joined, error) {
	end, err := k.Wait(ctx)
	if err == nil {
		err = end.Refusal(k.Knock)
	}
	if err != nil {
		return sshd.Joined{}, err
	}
	return joinedBySSH(*end.Grant), nil
}

func joinedBySSH(g acts.ShownGrant) sshd.Joined {
	return sshd.Joined{Text: acts.JoinedText(g), Target: attachTarget(g.Grant.On)}
}

// attachTarget names what somebody was given for attach-session, by its id; "" if it is
// more than a session.
func attachTarget(o access.Object) string {
	switch o.Kind {
	case access.Session:
		return tmux.JoinOwner(o.Owner, tmux.SessionID(o.Session.ID).String())
	case access.Window:
		return tmux.JoinOwner(o.Owner, tmux.WindowID(o.Window.ID).String())
	case access.Pane:
		return tmux.JoinOwner(o.Owner, tmux.PaneID(o.Pane.ID).String())
	}
	return ""
}
