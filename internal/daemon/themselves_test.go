package daemon

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/muxward/muxward/internal/config"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/policy"
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
		got, err := paneAccount(i, uid, func() (identity.Account, error) { return account(uid) }, d.policy.Set())
		if (err == nil) != (want.Name != "") || err == nil && got != want || errors.Is(err, gateway.ErrNoSession) {
			t.Errorf("%d: %+v, %v", uid, got, err)
		}
	}
}

// TestSharedOfPerson: an account that panes share is a person's own where theirs are their own, too;
// of others nobody asks, and of no account whose person the people file has otherwise is it said that it is nobody's.
func TestSharedOfPerson(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"people.yaml": "people:\n  alice: {}\n  bob: {account: bob, uid: 7}\n  carol: {account: carol2}\nservers:\n  prod: {account: mux}\n", "grants.yaml": "grants: []\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	engine, err := policy.NewEngine(dir)
	if err != nil {
		t.Fatal(err)
	}
	all, broken := config.Themselves{All: true}, "an error"
	for _, c := range []struct {
		name string
		as   config.Themselves
		want string
	}{
		{"alice", config.Themselves{}, ""}, {"alice", config.Themselves{People: []string{"bob"}}, ""},
		{"alice", config.Themselves{People: []string{"bob", "alice"}}, "alice"}, {"alice", all, "alice"},
		{"svc", all, ""}, {"svc", config.Themselves{People: []string{"svc"}}, "svc"},
		{"App Svc", all, ""}, {"carol", all, ""}, {"prod", all, ""}, {"mux", all, ""}, {"carol2", all, "carol"},
		{"bob", all, broken}, {"bob", config.Themselves{}, ""}, // bob's is another uid
	} {
		account := func() (identity.Account, error) { return identity.Account{Name: c.name, UID: 2, GID: 2}, nil }
		i := config.Isolated{Account: "mux", RunAs: "svc", SessionRunAs: map[string]string{"db": c.name}, AsThemselves: c.as}
		got, err := paneAccount(i, 2, account, engine.Set())
		if (err != nil) != (c.want == broken) || err == nil && got.Person != c.want {
			t.Errorf("%s, %+v: %+v, %v", c.name, c.as, got, err)
		}
	}
}

// A directory that has an account of whatever number is not asked whose a pane of an isolated server is.
func TestPaneOfNoDirectory(t *testing.T) {
	files := identity.NewAccounts()
	d := &daemon{ctx: t.Context(), files: files, accounts: files.Beyond(liar{t})}
	if a, err := d.paneOf(61098); !errors.Is(err, identity.ErrNoAccount) {
		t.Errorf("%+v, %v", a, err)
	}
	if a, err := d.paneOf(0); err != nil || a.Name != "root" {
		t.Errorf("%+v, %v", a, err)
	}
}

// liar is a directory that has all accounts.
type liar struct{ t *testing.T }

func (e liar) ByUID(_ context.Context, uid uint32) (identity.Account, error) {
	e.t.Errorf("it is asked about uid %d", uid)
	return identity.Account{Name: "mallory", UID: uid, GID: 1, Directory: true}, nil
}

func (e liar) ByName(_ context.Context, name string) (identity.Account, error) {
	e.t.Errorf("it is asked about %s", name)
	return identity.Account{Name: name, UID: 61098, GID: 1, Directory: true}, nil
}
