package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/guard"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/tmux"
	"github.com/muxward/muxward/internal/tmux/control"
	"github.com/muxward/muxward/internal/tmux/wire"
)

// hostServers shows the guarded servers to the gateway.
type hostServers struct {
	d *daemon

	mu     sync.Mutex
	seen   []identity.PaneProc
	seenAt time.Time
}

// Owners lists the people whose servers run.
func (h *hostServers) Owners() []string {
	var out []string
	for _, s := range h.d.guard.Servers() {
		out = append(out, s.Owner())
	}
	return out
}

// IsOwner reports whether name is a person of the policy, or one whose server
// runs.
func (h *hostServers) IsOwner(name string) bool {
	if _, ok := h.d.guard.Lookup(name); ok {
		return true
	}
	return h.d.policy.Set().IsPerson(name)
}

// Server gives a person's running server.
func (h *hostServers) Server(owner string) gateway.Server {
	s, ok := h.d.guard.Lookup(owner)
	if !ok {
		return nil
	}
	return guarded{s}
}

// Start starts the server of the identity's own account.
func (h *hostServers) Start(ctx context.Context, who identity.Identity) (gateway.Server, error) {
	uid, ok := who.UID()
	if !ok {
		return nil, errors.New("you did not come with an account of this host")
	}
	account, err := h.d.accounts.ByUID(ctx, uid)
	if errors.Is(err, identity.ErrNoAccount) {
		account, err = identity.Account{Name: who.Person(), UID: uid, GID: uid, Home: "/", Shell: "/bin/sh"}, nil
	}
	if err != nil {
		return nil, err
	}
	s, err := h.d.guard.Start(ctx, who.Person(), account)
	if err != nil {
		return nil, err
	}
	return guarded{s}, nil
}

// paneAge is how old the list of panes may be that tells whether a connection
// comes from inside one. A pane that is younger is still known by the tmux
// server it descends from.
const paneAge = time.Second

// panes lists the processes of guarded panes, and the servers themselves,
// whose jobs and popups count as inside.
func (h *hostServers) panes(ctx context.Context) ([]identity.PaneProc, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	servers := h.d.guard.Servers()
	out := make([]identity.PaneProc, 0, len(servers)+len(h.seen))
	if time.Since(h.seenAt) > paneAge {
		h.look(ctx, servers)
	}
	out = append(out, h.seen...)
	for _, s := range servers {
		out = append(out, identity.PaneProc{Owner: s.Owner(), PID: s.PID()})
	}
	return out, nil
}

func (h *hostServers) look(ctx context.Context, servers []*guard.Server) {
	ctx, cancel := context.WithTimeout(ctx, paneAge)
	defer cancel()
	h.seen, h.seenAt = h.seen[:0], time.Now()
	for _, s := range servers {
		snap, err := s.Snapshot(ctx, tmux.Core)
		if err != nil {
			continue // a server that does not answer is known by its process
		}
		for _, p := range snap.Panes {
			h.seen = append(h.seen, identity.PaneProc{
				Owner: s.Owner(), Pane: p.ID.String(), PID: p.PID, TTY: p.TTY,
			})
		}
	}
}

// guarded is a guard.Server as the executor needs it.
type guarded struct{ *guard.Server }

// Snapshot asks the server for its state. A server that does not listen any
// more has ended, even if its process takes a moment longer.
func (g guarded) Snapshot(ctx context.Context, d tmux.Detail) (*tmux.Snapshot, error) {
	snap, err := g.Server.Snapshot(ctx, d)
	if err != nil && (errors.Is(err, unix.ECONNREFUSED) || errors.Is(err, control.ErrServerGone) || g.Cause() != nil) {
		err = fmt.Errorf("%w: %w", gateway.ErrServerEnded, err)
	}
	return snap, err
}

// Dial connects as a client.
func (g guarded) Dial(ctx context.Context) (*wire.Conn, error) { return g.Connect(ctx) }
