package keep

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/accounts"
)

// This file is about the servers of session profiles that are not in force any more. What runs
// there has their secrets, and nobody can reach it: it is ended, and tried again until it has.

// The sessions of a profile are of all of its people, or of each.
const (
	sharedSessions = "shared"
	ownSessions    = "own"
)

// sessionsOf says whose the sessions of a profile are, "" if there is no such profile.
func (k *Keep) sessionsOf(owner string) string {
	k.profiles.mu.Lock()
	defer k.profiles.mu.Unlock()
	switch p, ok := k.profiles.force[owner]; {
	case !ok:
		return ""
	case p.Shared:
		return sharedSessions
	}
	return ownSessions
}

// outOfForce reports whether a server is that of a profile which has gone, has another account,
// or whose sessions are others'.
func (k *Keep) outOfForce(rec record) bool {
	if !rec.Profile {
		return false
	}
	now := k.sessionsOf(rec.Owner)
	iso, _ := k.isolated(rec.Owner)
	return now == "" || iso.Account != rec.Account.Name || rec.Sessions != "" && rec.Sessions != now
}

// endGone ends a server that is out of force and was not adopted, and says so by [ErrEnded].
func (k *Keep) endGone(ctx context.Context, rec record, proc *process) error {
	ctx, cancel := context.WithTimeout(ctx, endTime)
	defer cancel()
	k.tellGone(rec)
	err := proc.signal(unix.SIGKILL)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !proc.dead() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("the profile %s has gone, and its process %d was killed and does not end", rec.Owner, rec.PID), err)
		}
	}
	return ErrEnded
}

// tellGone tells once that a server is ended.
func (k *Keep) tellGone(rec record) {
	k.mu.Lock()
	told := slices.Contains(k.gone, rec.ID)
	if !told {
		k.gone = append(k.gone, rec.ID)
	}
	k.mu.Unlock()
	if !told {
		text := fmt.Sprintf("the profile %s has gone, has another account or is shared by others; its tmux server, process %d, is ended", rec.Owner, rec.PID)
		k.events.put(Event{Kind: EventNotice, Level: LevelServer, Text: text})
	}
}

// checkGone ends what is held and out of force. At its first look, as profiles are put in force,
// whoever asked for that may end it more gently; from the second on it is killed.
func (k *Keep) checkGone() {
	for _, s := range k.list() {
		// Of the rest some changes, as when the server says who it is.
		rec := record{ID: s.rec.ID, Owner: s.rec.Owner, PID: s.rec.PID, Account: s.rec.Account, Profile: s.rec.Profile, Sessions: s.rec.Sessions}
		if !k.outOfForce(rec) {
			s.outlived = false
			continue
		}
		if s.outlived {
			k.tellGone(rec)
			_ = s.proc.signal(unix.SIGKILL) // it has ended, or it is tried again
		}
		s.outlived = true
	}
}

// leftOf refuses a second server of a name of which an earlier muxward has left one that is not
// adopted: it may run, with its sessions.
func (k *Keep) leftOf(owner string) error {
	k.mu.Lock()
	found := slices.DeleteFunc(slices.Clone(k.found), func(id string) bool { return k.held[id] != nil })
	k.mu.Unlock()
	for _, id := range found {
		rec, err := k.readRecord(id)
		switch {
		case errors.Is(err, unix.ENOENT): // it has ended
		case err != nil:
			return ErrBusy.WithText(fmt.Sprintf("it may run already, as one that an earlier muxward has left, of which nothing can be read: %v", err))
		case rec.Owner == owner:
			return notYet(rec)
		}
	}
	return nil
}

// notYetOf is leftOf for an account of a directory: its server is not adopted while that does not answer.
// Whoever then comes to have another one has lost what is in the first.
func (k *Keep) notYetOf(owner string, a accounts.Account) error {
	k.mu.Lock()
	found := slices.DeleteFunc(slices.Clone(k.found), func(id string) bool { return k.held[id] != nil })
	k.mu.Unlock()
	for _, id := range found {
		rec, err := k.readRecord(id)
		if err == nil && rec.Owner == owner && !rec.Isolated && rec.Account.Name == a.Name && rec.Account.UID == a.UID {
			return notYet(rec)
		}
	}
	return nil
}

func notYet(rec record) error {
	return ErrBusy.WithText(fmt.Sprintf("it may run already, as process %d, which an earlier muxward has left, and which is not adopted yet; try it again in some seconds", rec.PID))
}
