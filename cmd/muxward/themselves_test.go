package main

import (
	"errors"
	"testing"

	"github.com/muxward/muxward/internal/config"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/identity"
)

// TestPaneAccounts: whose a pane is, is a shared account's, a person's, or an error: nobody's
// it is not, also where what is asked does not answer.
func TestPaneAccounts(t *testing.T) {
	d := granter(t)
	broken := errors.New("no such service")
	account := func(uid uint32) (identity.Account, error) {
		switch uid {
		case 1:
			return identity.Account{Name: "svc", UID: 1, GID: 1}, nil
		case 2:
			return identity.Account{Name: "alice", UID: 2, GID: 2}, nil
		case 3:
			return identity.Account{Name: "Not A Person", UID: 3, GID: 3}, nil
		case 4:
			return identity.Account{}, identity.ErrNoAccount
		}
		return identity.Account{}, broken
	}
	i := config.Isolated{Account: "mux", RunAs: "svc"}
	for uid, want := range map[uint32]gateway.PaneAccount{
		1: {Name: "svc", UID: 1}, 2: {Name: "alice", UID: 2, Person: "alice"}, 3: {}, 4: {}, 5: {},
	} {
		got, err := paneAccount(i, uid, func() (identity.Account, error) { return account(uid) }, d.policy.PersonOf)
		if (err == nil) != (want.Name != "") || err == nil && got != want || errors.Is(err, gateway.ErrNoSession) {
			t.Errorf("%d: %+v, %v", uid, got, err)
		}
	}
}

// TestSharedOfPerson: an account that panes share is a person's own where theirs are their own, too;
// of others nobody asks.
func TestSharedOfPerson(t *testing.T) {
	d := granter(t)
	account := func() (identity.Account, error) { return identity.Account{Name: "alice", UID: 2, GID: 2}, nil }
	for _, c := range []struct {
		as   config.Themselves
		want string
	}{{config.Themselves{}, ""}, {config.Themselves{People: []string{"bob"}}, ""}, {config.Themselves{People: []string{"bob", "alice"}}, "alice"}} {
		i := config.Isolated{Account: "mux", RunAs: "svc", SessionRunAs: map[string]string{"db": "alice"}, AsThemselves: c.as}
		if got, err := paneAccount(i, 2, account, d.policy.PersonOf); err != nil || got.Person != c.want {
			t.Errorf("%+v: %+v, %v", c.as, got, err)
		}
	}
}
