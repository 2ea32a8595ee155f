package daemon

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/accounts"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/guard"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/tmux"
	"github.com/muxward/muxward/internal/tmux/control"
	"github.com/muxward/muxward/internal/tmux/wire"
)

// hostServers shows the guarded servers to the gateway.
type hostServers struct{ d *daemon }

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
	set := h.d.policy.Set()
	return set.IsPerson(name) || set.IsServer(name)
}

// Server gives a person's running server.
func (h *hostServers) Server(owner string) gateway.Server {
	s, ok := h.d.guard.Lookup(owner)
	if !ok {
		return nil
	}
	return guarded{s, h.d}
}

// AllKnown reports whether every server that runs is found by its owner.
func (h *hostServers) AllKnown() bool { return h.d.guard.AllKnown() }

// Start starts the server of the identity's own account, for a client of theirs.
func (h *hostServers) Start(ctx context.Context, who identity.Identity, first *wire.Hello) (gateway.Server, error) {
	account, err := h.d.accountOf(ctx, who)
	if err != nil {
		return nil, err
	}
	var client guard.Client
	if first != nil {
		client = guard.Client{Dir: first.Cwd, Environ: first.Env}
	}
	h.d.mindAwayBeside(ctx) // what another of the name has given is not to be found on a new server
	s, err := h.d.guard.Start(ctx, who.Person(), account, client)
	if err != nil {
		return nil, err
	}
	return guarded{s, h.d}, nil
}

// accountOf gives the account that a person's own server runs as: the one they came
// with, or for those who came with a key the one that the policy gives them.
func (d *daemon) accountOf(ctx context.Context, who identity.Identity) (identity.Account, error) {
	if uid, ok := who.UID(); ok {
		return d.accounts.ByUID(ctx, uid)
	}
	return d.accountNamed(ctx, who.Person())
}

// accountNamed gives the account of a person of the policy.
func (d *daemon) accountNamed(ctx context.Context, person string) (account identity.Account, err error) {
	set := d.policy.Set()
	if uid, ok := set.UIDOf(person); ok {
		account, err = d.accounts.ByUID(ctx, uid)
	} else {
		account, err = d.accounts.ByName(ctx, set.AccountOf(person))
	}
	if err == nil { // whoever comes by the tmux door with it has to be the same person
		var is string
		if is, err = d.policy.PersonOf(account.UID, account.Name); err == nil && is != person {
			err = fmt.Errorf("the account %s is %s's", account.Name, is)
		}
	}
	switch {
	case errors.Is(err, accounts.ErrUnanswered), errors.Is(err, context.DeadlineExceeded):
		return identity.Account{}, fmt.Errorf("it is not told just now which account of this host you have: %w", err)
	case err != nil:
		return identity.Account{}, fmt.Errorf("you have no account of this host: %w", err)
	}
	return account, nil
}

// elsewhere reports whether no file has the account of a person of the policy.
func (d *daemon) elsewhere(ctx context.Context, person string) bool {
	var err error
	set := d.policy.Set()
	if uid, ok := set.UIDOf(person); ok {
		_, err = d.files.ByUID(ctx, uid)
	} else {
		_, err = d.files.Local(ctx, set.AccountOf(person))
	}
	return errors.Is(err, identity.ErrNoAccount)
}

// homeOf gives the home directory of a person's account, "" if they have none here.
func (d *daemon) homeOf(person string) string {
	account, err := d.accountNamed(d.ctx, person)
	if err != nil {
		return "" // it is only a default
	}
	return account.Home
}

// panes lists the processes of guarded panes as they were known last, and the
// servers themselves: a pane that is too young to be known descends from its
// server, and jobs and popups count as inside, too. No server is asked: every
// proof of everybody comes by here, and would wait for one that stands still.
func (h *hostServers) panes(context.Context) ([]identity.PaneProc, error) {
	var out []identity.PaneProc
	for _, s := range h.d.guard.Servers() {
		if snap := s.Known(); snap != nil {
			for _, p := range snap.Panes {
				out = append(out, identity.PaneProc{
					Owner: s.Owner(), Pane: p.ID.String(), PID: p.PID, TTY: p.TTY, Apart: s.Isolated(),
				})
			}
		}
		out = append(out, identity.PaneProc{Owner: s.Owner(), PID: s.PID()})
	}
	return out, nil
}

// guarded is a guard.Server as the executor needs it.
type guarded struct {
	*guard.Server
	d *daemon
}

// Snapshot asks the server for its state. A server that does not listen any
// more has ended, even if its process takes a moment longer.
func (g guarded) Snapshot(ctx context.Context, d tmux.Detail) (*tmux.Snapshot, error) {
	snap, err := g.Server.Snapshot(ctx, d)
	return snap, g.ended(err)
}

// Ask is Snapshot that is waited for later.
func (g guarded) Ask(d tmux.Detail) func(context.Context) (*tmux.Snapshot, error) {
	answer := g.Server.Ask(d)
	return func(ctx context.Context) (*tmux.Snapshot, error) {
		snap, err := answer(ctx)
		return snap, g.ended(err)
	}
}

func (g guarded) ended(err error) error {
	if err != nil && (errors.Is(err, unix.ECONNREFUSED) || errors.Is(err, control.ErrServerGone) || g.Cause() != nil) {
		err = fmt.Errorf("%w: %w", gateway.ErrServerEnded, err)
	}
	return err
}

// Dial connects as a client.
func (g guarded) Dial(ctx context.Context) (*wire.Conn, error) { return g.Connect(ctx) }

// DialFor connects to the server for one command of somebody's.
func (g guarded) DialFor(ctx context.Context, person string) (*wire.Conn, error) {
	return g.ConnectFor(ctx, person)
}
