package daemon

import (
	"context"
	"fmt"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/server/ctld"
	"github.com/muxward/muxward/internal/server/sshd"
)

// explainAct says what would be decided for a tmux command line.
func (d *daemon) explainAct(who identity.Identity, c ctld.Call) (*gateway.Act, error) {
	about := who.Subject()
	a := &gateway.Act{Name: "explain", Open: true}
	if c.Person != "" && c.Person != who.Person() {
		person, err := identity.CanonicalName(c.Person)
		if err != nil {
			return nil, err
		}
		// The log tells what everybody was permitted; so does this.
		a.Open, a.Verb, a.Args = false, access.Audit, []string{"--who", person}
		about = identity.Subject{Person: person, Account: d.policy.Set().AccountOf(person), UID: -1}
	}
	about.Door = "tmux" // that is where it would be asked
	if c.Act == "explain-ssh" {
		about = identity.Subject{Person: about.Person, UID: -1, Door: sshd.Door, Inside: about.Inside} // as who comes by a key
		a.Args = append(append(a.Args, "--"), c.Argv...)
	} else {
		a.Args = append(append(a.Args, "--", "tmux"), c.Argv...)
	}
	a.Do = func(ctx context.Context, _ access.Object) (gateway.Result, error) {
		if !a.Open && !d.policy.Set().IsPerson(about.Person) {
			return gateway.Result{}, fmt.Errorf("the policy knows nobody called %s; people.yaml lists who there is", about.Person)
		}
		return d.told(ctx, who, func(ctx context.Context) (any, error) {
			if c.Act == "explain-ssh" {
				return d.explains.Explain(ctx, d.gateway, d.reaching(), who, identity.Supposed(about), c.Argv)
			}
			return d.gateway.Explain(ctx, d.asAtDoor(who, about, c), c.Argv)
		})
	}
	return a, nil
}

// asAtDoor is what all commands of a line have in common if they come in by the
// tmux door. The door that the panes of a server see lets in the account of
// that server alone.
func (d *daemon) asAtDoor(who identity.Identity, about identity.Subject, c ctld.Call) gateway.Request {
	req := gateway.Request{Identity: identity.Supposed(about), Pane: c.Pane}
	uid, _ := who.UID()
	req.Door = fmt.Sprintf("%s/tmux-%d/default", d.config.Doors, uid)
	if about.Person != who.Person() {
		req.Pane = ""
		return req
	}
	for _, s := range d.guard.Servers() {
		if s.UID() == uid && c.Socket == s.InnerDoor().Path() {
			req.Door, req.Here = c.Socket, s.Owner()
		}
	}
	return req
}
