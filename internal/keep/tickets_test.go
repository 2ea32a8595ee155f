package keep

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/accounts"
	"github.com/muxward/muxward/internal/config"
	"github.com/muxward/muxward/internal/pane"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// A ticket is good once, for a while, at the server that it was made for, and in the pane
// that it was made for.
func TestRedeem(t *testing.T) {
	now := time.Unix(1000, 0)
	k := &Keep{}
	s, other := newServer(k, record{Owner: "prod"}), newServer(k, record{Owner: "test"})
	alice := Account{Name: "alice", UID: 5}
	make := func(p Pass) string {
		t.Helper()
		p.Person = "mw-alice"
		ticket, err := s.issue(p, now)
		if err != nil || len(ticket) != pane.TicketLen {
			t.Fatalf("%q, %v", ticket, err)
		}
		return ticket
	}
	fresh := make(Pass{Account: alice})
	good := func(s *server, ticket, in string, at time.Time) bool {
		a, err := s.redeem(pane.Request{Ticket: ticket, Pane: in}, at)
		if err == nil && (a.account != alice || a.person != "mw-alice") {
			t.Errorf("%+v", a)
		}
		return err == nil
	}
	for what, bad := range map[string]bool{
		"a forged one":     good(s, strings.Repeat("0", pane.TicketLen), "%1", now),
		"none":             good(s, "", "%1", now),
		"at another":       good(other, fresh, "%1", now),
		"too late":         good(s, make(Pass{Account: alice}), "%1", now.Add(ticketTime)),
		"of another pane":  good(s, make(Pass{Account: alice, Pane: "%2"}), "%1", now),
		"a beginning only": good(s, fresh[:8], "%1", now),
	} {
		if bad {
			t.Errorf("%s is taken", what)
		}
	}
	if !good(s, fresh, "%1", now) || good(s, fresh, "%1", now) {
		t.Error("it is not good once")
	}
	if mine := make(Pass{Account: alice, Pane: "%2"}); !good(s, mine, "%2", now) {
		t.Error("it is not good in its pane")
	}
	if wrong := make(Pass{Account: alice, Pane: "%2"}); good(s, wrong, "%1", now) || good(s, wrong, "%2", now) {
		t.Error("after a try in another pane it is good in its own")
	}
}

// So many are waited for and no more, and those that are over make room.
func TestTicketsBounded(t *testing.T) {
	now := time.Unix(1000, 0)
	s := newServer(&Keep{}, record{Owner: "prod"})
	for i := range maxTickets {
		if _, err := s.issue(Pass{Account: Account{UID: uint32(i / maxOwnTickets)}}, now); err != nil {
			t.Fatal(err)
		}
		if i == maxOwnTickets-1 {
			if _, err := s.issue(Pass{}, now); !errors.Is(err, ErrBusy) {
				t.Errorf("one account: %v", err)
			}
		}
	}
	if _, err := s.issue(Pass{Account: Account{UID: maxTickets}}, now); !errors.Is(err, ErrBusy) {
		t.Errorf("%v", err)
	}
	if _, err := s.issue(Pass{}, now.Add(ticketTime+1)); err != nil || len(s.passes) != 1 {
		t.Errorf("%v, %d", err, len(s.passes))
	}
}

// Whoever asks gets a ticket for an account that root's configuration permits there, and
// for no other.
func TestTicketAccounts(t *testing.T) {
	if !asRoot() {
		return
	}
	work, alice, carol, bob := listed(t, workName), listed(t, aliceName), listed(t, carolName), listed(t, bobName)
	w := newWorld(t, func(o *Options) {
		isolatedOptions(o)
		o.Isolated["prod"] = config.Isolated{Account: workName, RunAs: carolName, AsThemselves: config.Themselves{All: true}}
		o.Isolated["shut"] = config.Isolated{Account: "sys", RunAs: carolName}
		o.Account = func(ctx context.Context, name string, uid uint32) (accounts.Account, error) {
			if name == bobName {
				return accounts.Account{}, errors.New("it has no server here")
			}
			return Listed(ctx, name, uid)
		}
	})
	held := map[string]string{}
	for _, o := range []Order{{Owner: "prod", Account: work, Isolated: true}, {Owner: "shut", Account: listed(t, "sys"), Isolated: true}, {Owner: "alice", Account: alice}} {
		h, err := w.k.Start(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		tmuxtest.KillAtEnd(t, h.PID)
		held[o.Owner] = h.ID
	}
	for what, c := range map[string]struct {
		p  Pass
		ok bool
	}{
		"one's own":            {Pass{ID: held["prod"], Account: alice}, true},
		"the shared one":       {Pass{ID: held["prod"], Account: carol}, true},
		"of a pane":            {Pass{ID: held["prod"], Account: alice, Pane: "%3"}, true},
		"with who asks":        {Pass{ID: held["prod"], Account: alice, Person: "alice"}, true},
		"with who asks, wrong": {Pass{ID: held["prod"], Account: alice, Person: "alice\nroot"}, false},
		"with a path":          {Pass{ID: held["prod"], Account: alice, Person: "a/../root"}, false},
		"with what is above":   {Pass{ID: held["prod"], Account: alice, Person: ".."}, false},
		"with other letters":   {Pass{ID: held["prod"], Account: alice, Person: "älice"}, false},
		"of no pane":           {Pass{ID: held["prod"], Account: alice, Pane: "3"}, false},
		"the server's":         {Pass{ID: held["prod"], Account: work}, false},
		"another server's":     {Pass{ID: held["prod"], Account: listed(t, "sys")}, false},
		"root":                 {Pass{ID: held["prod"], Account: listed(t, "root")}, false},
		"root by a name":       {Pass{ID: held["prod"], Account: Account{Name: aliceName}}, false},
		"another uid":          {Pass{ID: held["prod"], Account: Account{Name: aliceName, UID: carol.UID}}, false},
		"nobody":               {Pass{ID: held["prod"], Account: Account{Name: "mw-nobody", UID: 5000}}, false},
		"no server here":       {Pass{ID: held["prod"], Account: bob}, false},
		"not as themselves":    {Pass{ID: held["shut"], Account: alice}, false},
		"a server of a person": {Pass{ID: held["alice"], Account: alice}, false},
		"no server":            {Pass{ID: "00000000", Account: alice}, false},
	} {
		if ticket, err := w.k.Ticket(t.Context(), c.p); (err == nil) != c.ok {
			t.Errorf("%s: %q, %v", what, ticket, err)
		}
	}
}

// Who has tmux refuse what tickets were made for keeps nobody else from having panes.
func TestTicketsAreGivenBack(t *testing.T) {
	s := newServer(&Keep{}, record{Owner: "prod"})
	now := time.Unix(1000, 0)
	for range 3 * maxOwnTickets {
		ticket, err := s.issue(Pass{}, now)
		if err != nil {
			t.Fatal(err)
		}
		s.takeBack(ticket)
		if _, err := s.redeem(pane.Request{Ticket: ticket, Pane: "%1"}, now); err == nil {
			t.Fatal("a ticket that was given back is good")
		}
	}
}
