package keep

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/muxward/muxward/internal/accounts"
	"github.com/muxward/muxward/internal/config"
	"github.com/muxward/muxward/internal/pane"
	"github.com/muxward/muxward/internal/teeth"
)

// This file is about which account a pane of an isolated server runs as. Without a ticket
// it is the server's run_as, whoever has had tmux begin it. A ticket is for one pane: it is
// asked for before tmux is, goes with the command, and comes back from muxward-pane, by then
// in the pane.

const (
	// ticketTime is how long tmux may take to begin a pane.
	ticketTime = 10 * time.Second
	// maxTickets is how many of one server may be waited for, and maxOwnTickets how many as
	// one account. Those that tmux refuses are given back.
	maxTickets    = 256
	maxOwnTickets = 16
)

// pass is what a ticket is good for.
type pass struct {
	ticket  string
	account Account
	person  string // who has asked for it
	pane    string // the only one, "" for one that is new
	until   time.Time
	used    bool
}

// Ticket gives a ticket for one pane of an isolated server, as an account that root's
// configuration permits there.
func (k *Keep) Ticket(ctx context.Context, p Pass) (string, error) {
	_, end, err := k.begin(ctx)
	if err != nil {
		return "", err
	}
	defer end()
	if p.Pane != "" && !pane.IsPane(p.Pane) {
		return "", fmt.Errorf("%.20q is no pane: %w", p.Pane, ErrRefused)
	}
	if !p.named() {
		return "", fmt.Errorf("%.80q is no person's name: %w", p.Person, ErrRefused)
	}
	s, err := k.server(p.ID)
	if err != nil {
		return "", err
	}
	iso, ok := k.isolated(s.rec.Owner)
	if !ok || !s.rec.Isolated {
		return "", fmt.Errorf("the panes of %s run as its tmux does: %w", s.rec.Owner, ErrRefused)
	}
	if p.Back != "" {
		s.takeBack(p.Back)
		return "", nil
	}
	if _, err := k.runsAs(ctx, iso, p.Account); err != nil {
		return "", fmt.Errorf("a pane of %s as %.80q: %w (%w)", s.rec.Owner, p.Account.Name, err, ErrRefused)
	}
	return s.issue(p, time.Now())
}

// issue makes a ticket. Those that are past, or were used, make room.
func (s *server) issue(p Pass, now time.Time) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.passes = slices.DeleteFunc(s.passes, func(t pass) bool { return forgotten(t, now) })
	own := 0
	for _, t := range s.passes {
		if t.account == p.Account {
			own++
		}
	}
	if own >= maxOwnTickets || len(s.passes) >= maxTickets {
		return "", ErrBusy.WithText(fmt.Sprintf("%d panes of %s are being opened as %.80q, and %d in all: wait some seconds", own, s.rec.Owner, p.Account.Name, len(s.passes)))
	}
	t := pass{ticket: randomHex(pane.TicketLen), account: p.Account, person: p.Person, pane: p.Pane, until: now.Add(ticketTime)}
	s.passes = append(s.passes, t)
	return t.ticket, nil
}

// takeBack has a ticket be no good any more: it makes room for others.
func (s *server) takeBack(ticket string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.passes {
		if s.passes[i].ticket == ticket {
			s.passes[i].used = true
		}
	}
}

func forgotten(t pass, now time.Time) bool {
	return !teeth.Out(teeth.Pass) && (t.used || now.After(t.until))
}

// errTicket is one error for all that may be wrong with a ticket: who guesses learns nothing.
var errTicket = errors.New("its ticket is not good any more, or is another pane's; ask for the pane again")

// redeem gives what a ticket is good for, and the ticket is used up by that: by
// whoever comes first, and whether or not the session then begins.
func (s *server) redeem(r pane.Request, now time.Time) (pass, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.passes); n > 0 && teeth.Out(teeth.Pass) {
		return s.passes[n-1], nil // that of whoever has asked last
	}
	for i := range s.passes {
		if t := &s.passes[i]; t.ticket == r.Ticket && !t.used && now.Before(t.until) {
			t.used = true
			if t.pane != "" && t.pane != r.Pane {
				return pass{}, errTicket
			}
			return *t, nil
		}
	}
	return pass{}, errTicket
}

// accountIn is the account of one pane: the server's run_as, or whose ticket it has, with who has
// asked for that.
func (s *server) accountIn(iso config.Isolated, r pane.Request) (a accounts.Account, person string, err error) {
	if r.Ticket == "" && !teeth.Out(teeth.Pass) {
		a, err = accountByName(iso.RunAs)
		return a, "", err
	}
	good, err := s.redeem(r, time.Now())
	if err != nil {
		return a, "", err
	}
	a, err = s.k.runsAs(s.k.ctx, iso, good.account)
	return a, good.person, err
}

// runsAs looks up an account that a pane of an isolated server is to run as: one that its
// configuration names or, where people's panes run as themselves, one that may have a server
// of its own here. It is never root, nor what any isolated tmux runs as.
func (k *Keep) runsAs(ctx context.Context, iso config.Isolated, named Account) (accounts.Account, error) {
	a, err := accountByName(named.Name)
	if err == nil && a.UID != named.UID {
		err = fmt.Errorf("it has the uid %d", a.UID)
	}
	if err == nil {
		err = fits(a)
	}
	if err != nil {
		return a, err
	}
	if !slices.Contains(iso.Shared(), a.Name) {
		if !iso.AsThemselves.Any() {
			return a, errors.New("nobody's panes run as their own account there (people_as_themselves)")
		}
		if _, err := k.account(ctx, named); err != nil {
			return a, err
		}
	}
	for name, other := range k.opt.Isolated {
		server, err := accountByName(other.Account)
		if err == nil {
			err = apart(server, a)
		}
		if err != nil {
			return a, fmt.Errorf("beside the isolated server %s: %w", name, err)
		}
	}
	return a, nil
}
