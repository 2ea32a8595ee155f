package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/muxward/muxward/internal/accounts"
	"github.com/muxward/muxward/internal/identity"
)

// directoryEvery is how often it is looked for people's accounts that no file has, when nothing has changed.
const directoryEvery = 30 * time.Second

// watchDirectory opens the doors of accounts that only a directory service has: of those that people.yaml
// names, as a directory is not asked for all it has. It waits for the directory, and so for nobody else.
func (d *daemon) watchDirectory() {
	if !d.config.Directory() || !d.config.Root() {
		return
	}
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	var looked time.Time
	var whose string
	told := map[string]bool{}
	for {
		if now := d.policy.Digest(); now != whose || time.Since(looked) > directoryEvery {
			whose, looked = now, time.Now()
			if err := d.directoryDoors(d.ctx, told); err != nil && d.ctx.Err() == nil {
				looked = time.Time{}
				d.complainOnce(told, "doors of accounts of the directory service wait until it answers: "+err.Error())
			}
		}
		select {
		case <-d.ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// complainOnce tells what was not told before.
func (d *daemon) complainOnce(told map[string]bool, what string) {
	const most = 1000 // then it begins anew
	if told[what] {
		return
	}
	if len(told) >= most {
		clear(told)
	}
	told[what] = true
	d.complain(what)
}

// directoryDoors opens the doors that are missing. Its error is the first of those by which somebody's is
// not known: it goes on to the others.
func (d *daemon) directoryDoors(ctx context.Context, told map[string]bool) (first error) {
	set := d.policy.Set()
	uids := set.UIDs()
	if d.config.Separated { // else those of uids are doorUIDs'
		for _, uid := range uids {
			a, err := d.accounts.ByUID(ctx, uid)
			first = cmp.Or(first, d.directoryDoor(told, a, err))
		}
	}
	for _, name := range set.Accounts() {
		a, err := d.accounts.ByName(ctx, name)
		if d.config.Separated || err != nil || !slices.Contains(uids, a.UID) {
			first = cmp.Or(first, d.directoryDoor(told, a, err))
		}
	}
	return first
}

// directoryDoor opens a door if it is missing, for an account that was looked up with that error.
func (d *daemon) directoryDoor(told map[string]bool, a identity.Account, err error) error {
	if errors.Is(err, identity.ErrNoAccount) || err == nil && !a.Directory {
		return nil
	}
	if err != nil {
		return err
	}
	d.mu.Lock()
	open := d.doors[a.UID]
	d.mu.Unlock()
	if open || !d.config.Serves(a.Name, a.UID, a.Shell, accounts.System().Member(a)) {
		return nil
	}
	if err := d.openDoorOf(a); err != nil {
		d.complainOnce(told, fmt.Sprintf("the door of %s, uid %d, which a directory service has, was not opened: %v", a.Name, a.UID, err))
		if errors.Is(err, accounts.ErrUnanswered) {
			return err // whoever makes the door asks for the account again, and the directory had gone by then
		}
	}
	return nil
}
