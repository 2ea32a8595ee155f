package daemon

import (
	"errors"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/grants"
	"github.com/muxward/muxward/internal/identity"
)

// Whose account is another's by now is told only where somebody has its name or its number: of one that is in no
// file for a moment nobody loses anything.
func TestIsAnothers(t *testing.T) {
	personOf := func(uid uint32, account string) (string, error) { return account, nil }
	bobs := tenure{"bob", "bob", 1002}
	for what, c := range map[string]struct {
		files toyFiles
		yes   bool
	}{
		"it is theirs":             {toyFiles{1002: "bob"}, false},
		"it has gone":              {toyFiles{1001: "alice"}, false},
		"its number is another's":  {toyFiles{1002: "dave"}, true},
		"its name is another's":    {toyFiles{1012: "bob"}, true},
		"both":                     {toyFiles{1002: "dave", 1012: "bob"}, true},
		"the files cannot be read": {nil, false},
	} {
		err := isAnothers(t.Context(), bobs, personOf, c.files)
		if unknown := errors.As(err, new(*notToldError)); (err != nil && !unknown) != c.yes {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// What was given by who had an account that is another's by now counts for nothing, while that is so; the rest does.
func TestMovedWithoutWhoHasGone(t *testing.T) {
	gave := func(id int64, uid int64) *grants.Grant {
		return &grants.Grant{ID: id, Who: "bob", Verbs: access.SetOf(access.View), Giver: identity.Subject{Person: "carol", Account: "carol", UID: uid}}
	}
	list := []*grants.Grant{gave(1, 1003), gave(2, 1013), gave(3, -1)}
	away := &map[tenure]error{{"carol", "carol", 1003}: errors.New("it is dave's")}
	var m moved
	for _, c := range []struct {
		away *map[tenure]error
		want []string
	}{{nil, []string{"1", "2", "3"}}, {away, []string{"2", "3"}}, {away, []string{"2", "3"}}, {nil, []string{"1", "2", "3"}}} {
		got := m.of(list, c.away)
		if len(got) != len(c.want) {
			t.Fatalf("%d are in force, want %q", len(got), c.want)
		}
		for i, id := range c.want {
			if got[i].ID != id {
				t.Errorf("grant %s is in force, want %s", got[i].ID, id)
			}
		}
	}
}

// What somebody gave, and invited to, by a number that is another's by now counts for nothing as soon as that was
// looked up, for whoever has looked.
func TestLookAway(t *testing.T) {
	d, ctx := granter(t), t.Context()
	d.files = identity.NewAccounts()
	bob := identity.Supposed(identity.Subject{Person: "bob", UID: -1, Door: "ctl"})
	first := d.invites(t)
	g := d.gives(t)
	if d.lookAway(ctx) || !d.bobLooks() {
		t.Fatal("who came by no account has given it")
	}
	if _, err := d.takeBack(ctx, g, "alice", "done"); err != nil || d.bobLooks() {
		t.Fatalf("taken back: %v", err)
	}
	g.Giver.Account, g.Giver.UID = "alice", 0 // that is root's
	now := d.now()
	v := grants.Invite{Uses: 2, Grant: g}
	v.ID, v.Who, v.Until = 0, "", now.Wall.Add(time.Hour)
	_, code, err := d.grants.Invite(ctx, v, now, func(grants.Invite) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	g.ID = 0
	if _, err := d.give(ctx, g, g.On); err != nil {
		t.Fatal(err)
	}
	d.moveGrants()
	if _, err := d.opens(bob, code); err != nil || !d.bobLooks() {
		t.Fatalf("nobody has looked: %v", err)
	}
	d.away.began = time.Now().Add(time.Hour) // others have, since it was asked for
	if d.lookAway(ctx) {
		t.Error("it was looked again")
	}
	d.away.began = time.Time{}
	if !d.lookAway(ctx) || d.lookAway(ctx) {
		t.Error("what is another's by now was not found, or is found each time")
	}
	if d.bobLooks() {
		t.Error("what was given counts still")
	}
	if _, err := d.opens(bob, code); !errors.Is(err, grants.ErrNotOpen) {
		t.Errorf("bob comes by an invite of one who is not who gave it: %v", err)
	}
	if _, err := d.opens(bob, first); err != nil {
		t.Errorf("an invite by nobody's account is gone as well: %v", err)
	}
}
