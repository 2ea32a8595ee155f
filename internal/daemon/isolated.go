package daemon

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/muxward/muxward/internal/config"
)

// This file is about isolated servers, which are nobody's: muxward itself keeps them
// running, with the sessions that the configuration names.

// isolatedAccounts gives the accounts of isolated servers, by their names.
func isolatedAccounts(c config.Config) map[string]string {
	out := map[string]string{}
	for name, i := range c.Isolated {
		out[name] = i.Account
	}
	return out
}

// isolatedTime is how long it may take to have one of them run with its sessions.
const isolatedTime = 15 * time.Second

// keepIsolated has them run, and again if one has ended.
func (d *daemon) keepIsolated() {
	if len(d.config.Isolated) == 0 {
		return
	}
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	told := map[string]string{}
	for {
		for _, name := range slices.Sorted(maps.Keys(d.config.Isolated)) {
			why := ""
			if err := d.runIsolated(name); err != nil && d.ctx.Err() == nil {
				why = fmt.Sprintf("the isolated server %s: %v", name, err)
			}
			if why != "" && why != told[name] {
				d.complain(why)
			}
			told[name] = why
		}
		select {
		case <-tick.C:
		case <-d.ctx.Done():
			return
		}
	}
}

// runIsolated has one of them run, with its sessions.
func (d *daemon) runIsolated(name string) error {
	ctx, cancel := context.WithTimeout(d.ctx, isolatedTime)
	defer cancel()
	if !d.guard.Looked() { // somebody else's that is not adopted, such as while a directory does not answer, is no reason
		if s, ok := d.guard.Lookup(name); !ok || s == nil {
			return errors.New("it may run already, as it is not known which tmux servers an earlier muxward has left")
		}
	}
	i := d.config.Isolated[name]
	account, err := d.accounts.Local(ctx, i.Account)
	if err != nil {
		return err
	}
	s, err := d.guard.StartIsolated(ctx, name, account)
	if err != nil {
		return err
	}
	for _, session := range i.Sessions {
		as, err := d.accounts.Local(ctx, i.SharedIn(session))
		if err == nil {
			err = s.Session(ctx, session, as)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
