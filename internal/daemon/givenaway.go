package daemon

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/muxward/muxward/internal/accounts"
	"github.com/muxward/muxward/internal/ctxlock"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/teeth"
	"github.com/muxward/muxward/internal/tmux"
)

// This file is about what began as an account and outlives it: a connection, a tmux server, what was given.
// The account's name or its number may be somebody else's by then, and all of these go by the name.

// tenure is an account that somebody had when something of theirs began.
type tenure struct {
	person, account string
	uid             uint32
}

// givenAway are those of them that are another's by now, and why. Nobody looks anything up for it.
type givenAway struct {
	looking sync.Mutex
	began   time.Time // of the last look; looking is held
	now     atomic.Pointer[map[tenure]error]
}

// why says why an account is another's by now, nil if it is not known to be.
func (a *givenAway) why(h tenure) error {
	if all := a.now.Load(); all != nil {
		return (*all)[h]
	}
	return nil
}

// giver is the account that somebody came in with who gave something, if they did by one.
func giver(who identity.Subject) (tenure, bool) {
	return tenure{who.Person, who.Account, uint32(who.UID)}, who.UID >= 0
}

// givers gives what tells whether who gave something did so by an account that is another's by now; nil if
// that is known of none.
func (a *givenAway) givers() func(by identity.Subject) bool {
	all := a.now.Load()
	if all == nil {
		return nil
	}
	return func(by identity.Subject) bool {
		h, ok := giver(by)
		return ok && (*all)[h] != nil
	}
}

// cameBy is the account by which somebody came in, if they did by one of their own.
func cameBy(who identity.Identity) (tenure, bool) {
	uid, local := who.UID()
	return tenure{who.Person(), who.Account(), uid}, local && !who.IsNobody()
}

// strangers says why somebody is not whom they came in as any more.
func (d *daemon) strangers(who identity.Identity) error {
	h, ok := cameBy(who)
	if !ok {
		return nil
	}
	if why := d.away.why(h); why != nil {
		return fmt.Errorf("the account %s, uid %d, is not %s's any more (%w)", tmux.Clean(h.account), h.uid, h.person, why)
	}
	return nil
}

// tenures are the accounts that something goes on of.
func (d *daemon) tenures() map[tenure]bool {
	all := map[tenure]bool{}
	for _, who := range d.gateway.Here() {
		if h, ok := cameBy(who); ok {
			all[h] = true
		}
	}
	if d.guard != nil { // in tests of other things there is none
		for _, s := range d.guard.Servers() {
			if !s.Isolated() {
				all[serverTenure(s.Owner(), s.Account())] = true
			}
		}
	}
	for _, who := range d.waitingFor() {
		if h, ok := cameBy(who); ok {
			all[h] = true
		}
	}
	for by := range d.given.Givers() {
		if h, ok := giver(by); ok {
			all[h] = true
		}
	}
	return all
}

// waitingFor are those who wait for something and need not be here meanwhile: who have asked for it, or have
// said yes to it, and who have suggested a line.
func (d *daemon) waitingFor() (all []identity.Identity) {
	for _, r := range d.requests.Waiting.List() {
		all = append(append(all, r.Who), r.Yes...)
	}
	for _, v := range d.keyboards.Suggestions.List() {
		all = append(all, v.Who)
	}
	return all
}

func serverTenure(owner string, a identity.Account) tenure { return tenure{owner, a.Name, a.UID} }

// awayTime bounds how long it may take to look all of them up.
const awayTime = 2 * time.Second

// lookAway finds out which accounts are another's by now, has what they gave count no more, and reports whether those
// are others than before. What cannot be looked up stays as it was known. Where somebody else has looked since this was
// asked for, that is taken for it, and they hear of it: a thousand people may start their servers at the same time.
func (d *daemon) lookAway(ctx context.Context) (changed bool) {
	if teeth.Out(teeth.Owned) {
		return false
	}
	was, away := d.findAway(ctx)
	d.tellAway(was, away) // nobody else waits for whoever reads it
	return away != nil
}

// findAway is lookAway, and gives what was known before and is known now, nil if that is the same.
func (d *daemon) findAway(ctx context.Context) (was, away map[tenure]error) {
	asked := time.Now()
	ctx, cancel := context.WithTimeout(ctx, awayTime)
	defer cancel()
	if ctxlock.Lock(ctx, &d.away.looking) != nil {
		return nil, nil
	}
	defer d.away.looking.Unlock()
	if d.away.began.After(asked) {
		return nil, nil
	}
	d.away.began = time.Now()
	all := d.tenures()
	var table accounts.Table
	if len(all) > 0 {
		var err error
		if table, err = d.files.Table(ctx); err != nil {
			return nil, nil
		}
	}
	was, away = map[tenure]error{}, map[tenure]error{}
	if before := d.away.now.Load(); before != nil {
		was = *before
	}
	for h := range all {
		err := isAnothers(ctx, h, d.policy.PersonOf, inTable{table})
		if errors.As(err, new(*notToldError)) {
			err = was[h]
		}
		if err != nil {
			away[h] = err
		}
	}
	same := func(error, error) bool { return true } // why may be told in other words
	if maps.EqualFunc(was, away, same) {
		return nil, nil
	}
	d.away.now.Store(&away)
	d.given.Move() // before anybody takes it for looked at
	return was, away
}

// inTable are the accounts of files as they were at one time: each look reads them once, for however many.
type inTable struct{ accounts.Table }

// ByUID implements accountFiles.
func (t inTable) ByUID(_ context.Context, uid uint32) (identity.Account, error) {
	if name := t.Name(uid); name != "" {
		return identity.Account{Name: name, UID: uid}, nil
	}
	return identity.Account{}, fmt.Errorf("uid %d: %w", uid, identity.ErrNoAccount)
}

// Local implements accountFiles.
func (t inTable) Local(_ context.Context, name string) (identity.Account, error) {
	uid, ok := t.UID(name)
	switch first := t.Name(uid); {
	case !ok:
		return identity.Account{}, fmt.Errorf("%q: %w", name, identity.ErrNoAccount)
	case first != name:
		return identity.Account{}, fmt.Errorf("the account %q has the uid %d, which is that of %q first", name, uid, first)
	}
	return identity.Account{Name: name, UID: uid}, nil
}

// isAnothers says why an account that somebody had is another's by now. Of one that has gone, and whose name and
// number nobody has, nothing is anybody's.
func isAnothers(ctx context.Context, h tenure, personOf func(uint32, string) (string, error), files accountFiles) error {
	anyhow := identity.Supposed(identity.Subject{Person: h.person, UID: -1})
	return stillTheirs(ctx, anyhow, h.person, identity.Account{Name: h.account, UID: h.uid}, personOf, files, true)
}

// tellAway tells of those that were not known before.
func (d *daemon) tellAway(was, away map[tenure]error) {
	for h, why := range away {
		if was[h] == nil {
			d.complain(fmt.Sprintf("the account %s, uid %d, is not %s's any more (%v): who came in by it, what they gave, and a tmux server that runs as it count for nothing",
				tmux.Clean(h.account), h.uid, h.person, why))
		}
	}
}

// mindAway has what rests on accounts decided anew, if some are another's by now.
func (d *daemon) mindAway(ctx context.Context) {
	if d.lookAway(ctx) {
		d.endAway(ctx)
	}
}

// mindAwayBeside is mindAway for who is to be decided about behind it: what is under way elsewhere ends beside that, and a
// server that hangs holds up nobody at another one.
func (d *daemon) mindAwayBeside(ctx context.Context) {
	if d.lookAway(ctx) {
		d.wg.Go(func() { d.endAway(context.WithoutCancel(ctx)) })
	}
}

func (d *daemon) endAway(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, drainTime)
	defer cancel()
	for _, u := range d.gateway.Reconsider(ctx, "", "an account is another's by now").Unconfirmed {
		d.complain("an account is another's by now, not confirmed: " + u)
	}
}
