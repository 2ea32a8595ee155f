package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/accounts"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/keep"
	"github.com/muxward/muxward/internal/reach"
	"github.com/muxward/muxward/internal/server/sshd"
)

// ownProgram is this program, "" if that cannot be told.
func ownProgram() string {
	program, _ := os.Executable() // without it nothing is reached
	return program
}

// reaching has the ssh door reach for people besides tmux: as their own account, and for
// nobody who has none here.
func (d *daemon) reaching() sshd.Reaching {
	return sshd.Reaching{
		Subsystems: d.config.SSH.Subsystems,
		May: func(person string, v access.Verb, r *access.Reach) bool {
			return d.policy.Set().MayReach(person, v, r, d.gateway.Time())
		},
		Account: func(person string) string { return d.policy.Set().AccountFor(person) },
		Whose: func(ctx context.Context, person string) error {
			_, err := d.reachesAs(ctx, person)
			return err
		},
		Start: func(ctx context.Context, person string) (*reach.Line, error) {
			account, err := d.reachesAs(ctx, person)
			if err != nil {
				return nil, err
			}
			f, err := d.hands.Reach(ctx, keep.Account{Name: account.Name, UID: account.UID})
			if err != nil {
				return nil, err
			}
			return reach.Open(f)
		},
	}
}

// reachesAs is the account as which it is reached for a person, if there is one.
func (d *daemon) reachesAs(ctx context.Context, person string) (identity.Account, error) {
	account, err := d.accountNamed(ctx, person)
	if err != nil {
		return identity.Account{}, fmt.Errorf("it is done as a person's own account: %w", err)
	}
	in := accounts.System().Member(account)
	switch {
	case d.config.Root() && !d.config.Serves(account.Name, account.UID, account.Shell, in): // the helper asks by itself
		return identity.Account{}, fmt.Errorf("the account %s gets nothing here: list it under accounts in the configuration", account.Name)
	case !keep.ReachesAs(account.UID):
		return identity.Account{}, errors.New("nothing is reached as root")
	}
	return account, nil
}
