package guard

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/keep"
	"github.com/muxward/muxward/internal/procfs"
	"github.com/muxward/muxward/internal/tmux"
)

// This file is about the accounts of panes on an isolated server. Whose a pane is, is
// whose its terminal is: root gives that to the account before its session begins, and nobody
// else can. It is found out once for each pane, while its first process runs: later another
// terminal may have its number. A pane never comes to be another account's (gateway).

// Ticket gives a ticket by which a pane of this server runs as an account: a new one, or the
// one that is named. The person who asks is for PAM's modules to know.
func (s *Server) Ticket(ctx context.Context, a identity.Account, pane, person string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, doorTime)
	defer cancel()
	return s.g.hands.Ticket(ctx, keep.Pass{ID: s.kept.ID, Account: keep.Account{Name: a.Name, UID: a.UID}, Pane: pane, Person: person})
}

// Back gives a ticket back that tmux has refused to make a pane by.
func (s *Server) Back(ctx context.Context, ticket string) error {
	ctx, cancel := context.WithTimeout(ctx, doorTime)
	defer cancel()
	_, err := s.g.hands.Ticket(ctx, keep.Pass{ID: s.kept.ID, Back: ticket})
	return err
}

// ErrNoSession is the error of a pane in which no session runs: it has not begun, or has ended.
var ErrNoSession = errors.New("the pane has no session yet")

// PaneUID gives the uid that a pane's session runs as. Any other error than [ErrNoSession]
// says that it cannot be told. No server is asked.
func (s *Server) PaneUID(id tmux.PaneID) (uint32, error) {
	if uid, ok := s.uids.get(id); ok {
		return uid, nil
	}
	snap := s.Known()
	if snap == nil {
		return 0, fmt.Errorf("the panes of %s were not looked at yet", s.Owner())
	}
	p := snap.Pane(id)
	if p == nil || p.Dead {
		return 0, ErrNoSession // or it is newer than what was seen
	}
	uid, err := procfs.TerminalOwner(p.TTY)
	if err != nil {
		return 0, err
	}
	if uid == s.UID() {
		return 0, ErrNoSession
	}
	switch first, err := procfs.ReadStat(p.PID); {
	case err != nil:
		return 0, fmt.Errorf("look at the first process of the pane %s: %w", id, err)
	case first.PPID != s.PID() || first.Ended():
		return 0, fmt.Errorf("the first process of the pane %s has ended; its terminal may be another's by now", id)
	}
	s.uids.put(id, uid, snap)
	return uid, nil
}

// uids are whose the panes are.
type uids struct {
	mu sync.Mutex
	of map[tmux.PaneID]uint32
}

func (u *uids) get(id tmux.PaneID) (uint32, bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	uid, ok := u.of[id]
	return uid, ok
}

// manyPanes is how many panes that have gone are remembered.
const manyPanes = 256

func (u *uids) put(id tmux.PaneID, uid uint32, now *tmux.Snapshot) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.of == nil {
		u.of = map[tmux.PaneID]uint32{}
	}
	u.of[id] = uid
	if len(u.of) > len(now.Panes)+manyPanes {
		maps.DeleteFunc(u.of, func(id tmux.PaneID, _ uint32) bool { return now.Pane(id) == nil })
	}
}

// errUnbegun is the error of a pane that has no session in time.
var errUnbegun = errors.New("the pane was made and has no session yet: PAM may take longer for it, or it was refused, which the pane and muxward's log say")

// beginTime is how long somebody waits for the session of a pane that they have made. PAM may take
// longer (pam_wait): the pane is there then, and nobody types into it before it is known whose it
// is.
const beginTime = 5 * time.Second

// looks is how often its terminal is looked at for each time that the server is asked.
const looks = 8

// AwaitPane waits until a pane that was just made has its session, so that whoever types
// into it next does so where they were told. It may have ended by then.
func (s *Server) AwaitPane(ctx context.Context, id tmux.PaneID) error {
	ctx, cancel := context.WithTimeout(ctx, beginTime)
	defer cancel()
	tick := time.NewTicker(3 * time.Millisecond)
	defer tick.Stop()
	for round := 0; ; round++ {
		if _, err := s.PaneUID(id); err == nil {
			return nil
		}
		if round%looks == 0 {
			snap, err := s.Snapshot(ctx, tmux.Core)
			if err != nil {
				return fmt.Errorf("wait for the pane's session: %w", err)
			}
			if snap.Pane(id) == nil {
				return nil
			}
		}
		select {
		case <-tick.C:
		case <-s.done:
			return nil
		case <-ctx.Done():
			return errUnbegun
		}
	}
}
