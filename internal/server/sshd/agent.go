package sshd

import (
	"context"
	"errors"
	"net"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/reach"
)

// The request for an agent, and the channels to it: OpenSSH's PROTOCOL.agent.
const (
	agentRequest = "auth-agent-req@openssh.com"
	agentChannel = "auth-agent@openssh.com"
)

// agent makes a socket behind which the client's agent is, for what the session runs on the
// person's own server. It is there until the session ends.
func (x *session) agent(ctx context.Context) bool {
	c := x.c
	leave, err := c.enterReach(ctx, true)
	if err != nil {
		c.tooMuch(ctx, agentRequest, err)
		return false
	}
	w := wanted{what: agentRequest, verb: access.Agent, ask: reach.Ask{Kind: reach.Agent}}
	path, over := make(chan string, 1), make(chan struct{})
	x.wg.Go(func() {
		defer leave()
		defer close(over)
		defer c.s.caught(c.who.Person()+"'s agent", x.gone)
		_, _ = c.reach(ctx, w, func(ctx context.Context, p *gateway.Permit, _ *reach.Line, r *reach.Reached) (gateway.Result, error) {
			path <- r.Path
			moved, err := c.accept(ctx, listens{r.Listener, func(net.Addr) (string, []byte) { return agentChannel, nil }, c.newComers("their agent", p), nil, nil}, x.gone)
			if errors.Is(err, context.Canceled) {
				err = nil // the session has ended
			}
			return gateway.Result{Moved: moved}, err
		})
	})
	select {
	case p := <-path:
		x.env = append(x.env, "SSH_AUTH_SOCK="+p)
		return true
	case <-over:
		return false
	}
}
