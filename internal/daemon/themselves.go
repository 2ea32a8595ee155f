package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/muxward/muxward/internal/accounts"
	"github.com/muxward/muxward/internal/config"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/guard"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/policy"
	"github.com/muxward/muxward/internal/tmux"
)

// This file is about the accounts of panes on isolated servers: what the configuration has
// them run as. Whoever gives tickets goes by root's configuration once more.

var _ gateway.Accounted = guarded{} // else nothing would ask whose panes are

// isolatedAs is what the configuration says of an isolated server.
func (g guarded) isolatedAs() (config.Isolated, bool) {
	i, ok := g.d.config.Isolated[g.Owner()]
	return i, ok && g.Isolated()
}

// profiled reports whether it is a session profile's server. What its panes run as is in
// root's file alone, and the same for all.
func (g guarded) profiled() bool {
	_, ok := g.d.profiles.now()[g.Owner()]
	return ok && g.Isolated()
}

// Differ reports whether its panes may be of more than one account.
func (g guarded) Differ() bool {
	i, ok := g.isolatedAs()
	return ok && (i.AsThemselves.Any() || len(i.Shared()) > 1)
}

// RunsAs gives the account that a pane runs as which somebody makes.
func (g guarded) RunsAs(ctx context.Context, who identity.Identity, session string) (identity.Account, error) {
	i, ok := g.isolatedAs()
	if !ok && g.profiled() {
		return identity.Account{}, nil
	}
	if !ok {
		return identity.Account{}, fmt.Errorf("the configuration of muxward has no isolated server %s any more", g.Owner())
	}
	if !i.AsThemselves.Has(who.Person()) {
		a, err := g.d.accounts.Local(ctx, i.SharedIn(session))
		if err != nil {
			return a, err
		}
		own, err := ownerIn(i, a.UID, a.Name, g.d.policy.Set())
		if err != nil {
			return identity.Account{}, fmt.Errorf("the panes of %s run as %s, and whose own account that is cannot be told: %w", session, a.Name, err)
		}
		if own != "" && own != who.Person() {
			return identity.Account{}, fmt.Errorf("the panes of %s run as %s, which is %s's own account, and their panes are their own here (people_as_themselves): run_as and session_run_as are for accounts that are nobody's", session, a.Name, own)
		}
		return a, nil
	}
	a, err := g.d.ownAccount(ctx, who)
	if err != nil {
		return identity.Account{}, fmt.Errorf("here everybody's pane runs as their own account, and %w", err)
	}
	return a, nil
}

// ownAccount gives somebody's own account, in which a pane of theirs may run.
func (d *daemon) ownAccount(ctx context.Context, who identity.Identity) (a identity.Account, err error) {
	if uid, ok := who.UID(); ok {
		if a, err = d.accounts.ByUID(ctx, uid); err != nil {
			err = fmt.Errorf("you have no account of this host: %w", err)
		}
	} else {
		a, err = d.accountNamed(ctx, who.Person())
	}
	in := accounts.System().Member(a)
	switch {
	case err != nil:
		return a, err
	case a.UID == 0 || a.GID == 0:
		return a, errors.New("root has no pane on a server that it shares with others")
	case slices.Contains(d.config.SSH.KeysAccounts, a.Name):
		return a, fmt.Errorf("the account %s is lent (ssh: keys_accounts), and nobody's own", a.Name)
	case !d.config.Serves(a.Name, a.UID, a.Shell, in):
		return a, fmt.Errorf("the account %s gets no shell here: list it under accounts in the configuration", a.Name)
	}
	return a, nil
}

// PaneAccount gives the account of a pane.
func (g guarded) PaneAccount(pane tmux.PaneID) (gateway.PaneAccount, error) {
	i, ok := g.isolatedAs()
	if !ok && g.profiled() {
		return gateway.PaneAccount{}, nil
	}
	if !ok {
		return gateway.PaneAccount{}, fmt.Errorf("the configuration of muxward has no isolated server %s any more", g.Owner())
	}
	uid, err := g.PaneUID(pane)
	if errors.Is(err, guard.ErrNoSession) {
		err = gateway.ErrNoSession
	}
	if err != nil {
		return gateway.PaneAccount{}, err
	}
	return paneAccount(i, uid, func() (identity.Account, error) { return g.d.paneOf(uid) }, g.d.policy.Set())
}

// paneOf gives the account of a pane of an isolated server by its uid: of the files alone, as no other can have
// one. Nobody waits for a directory to act on such a pane, nor has it say whose the pane of a removed account is.
func (d *daemon) paneOf(uid uint32) (identity.Account, error) { return d.files.ByUID(d.ctx, uid) }

// ownerIn gives whose own account a shared one is, of those whose panes there are their own, "" for
// nobody's: who types as it has all that runs as it, theirs too. An account that the people file does
// not have is nobody's own unless the configuration names a person of its name. That it cannot be told is an error.
func ownerIn(i config.Isolated, uid uint32, name string, people *policy.Set) (string, error) {
	if !i.AsThemselves.Any() {
		return "", nil
	}
	person, err := people.PersonOf(uid, name)
	switch {
	case errors.Is(err, policy.ErrNobodys):
		return "", nil
	case err != nil:
		return "", err
	case slices.Contains(i.AsThemselves.People, person), i.AsThemselves.All && people.IsPerson(person):
		return person, nil
	}
	return "", nil
}

// paneAccount gives whose a pane is that runs as a uid. That it cannot be told is an error, as
// it may be a person's own.
func paneAccount(i config.Isolated, uid uint32, account func() (identity.Account, error), people *policy.Set) (gateway.PaneAccount, error) {
	out := gateway.PaneAccount{Name: strconv.FormatUint(uint64(uid), 10), UID: uid}
	a, err := account()
	if err == nil {
		out.Name = a.Name
	} else if !errors.Is(err, identity.ErrNoAccount) {
		return out, fmt.Errorf("look up the account of the pane: %w", err)
	}
	if slices.Contains(i.Shared(), out.Name) {
		out.Person, err = ownerIn(i, uid, out.Name, people)
		return out, err
	}
	if out.Person, err = people.PersonOf(uid, out.Name); err == nil && out.Person == "" {
		err = fmt.Errorf("the account %s is nobody's", out.Name)
	}
	return out, err
}
