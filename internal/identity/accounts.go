package identity

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/muxward/muxward/internal/accounts"
)

// Account is a Unix account as the account files describe it.
type Account = accounts.Account

// ErrNoAccount is the error of a uid or name that has no account.
var ErrNoAccount = accounts.ErrNoAccount

const (
	accountAge     = 30 * time.Second // how long an answer may be used again
	accountTime    = 5 * time.Second  // how long one question may take
	accountWait    = time.Second      // how long one may wait for its turn
	accountWorkers = 8                // questions under way at most
	accountCache   = 4096             // answers kept at most, and as many of who has no account
)

// Accounts answers which account a uid is. A question that hangs (a directory
// service that does not answer) takes one of a few workers and nothing else:
// the asker gives up at its deadline, and when all workers hang, later
// questions are refused at once. No answer is used for longer than 30 s.
//
// The default source reads /etc/passwd and /etc/group, and nothing else: no
// name service switch. Accounts that live only in a directory service are not
// found but by [Accounts.Beyond], whose answers are not kept here: it has an age for them.
type Accounts struct {
	beyond  Directories
	lookup  func(uid uint32) (Account, error)
	uidOf   func(name string) (uint32, error)
	table   func() (accounts.Table, error)
	fresh   func() string
	now     func() time.Time
	workers chan struct{}
	wait    time.Duration // for one of them

	mu     sync.Mutex
	stamp  string
	known  map[uint32]accountAnswer
	absent map[uint32]accountAnswer // of uids without one: whoever has many of those pushes nobody out of known
}

// Directories is asked about accounts that no file has: internal/nss, or muxward-helper, which asks it.
// [ErrNoAccount] is of what it does not have.
type Directories interface {
	ByUID(ctx context.Context, uid uint32) (Account, error)
	ByName(ctx context.Context, name string) (Account, error)
}

// Beyond gives the same answers, and of accounts that no file has those of a directory service.
func (a *Accounts) Beyond(d Directories) *Accounts {
	b := newAccounts(a.lookup, a.fresh)
	b.uidOf, b.table, b.beyond = a.uidOf, a.table, d
	return b
}

type accountAnswer struct {
	account Account
	err     error
	at      time.Time
}

// NewAccounts answers from /etc/passwd and /etc/group.
func NewAccounts() *Accounts {
	f := accounts.System()
	a := newAccounts(source(f), f.Stamp)
	a.uidOf, a.table = f.UIDOf, f.Table
	return a
}

func newAccounts(lookup func(uint32) (Account, error), fresh func() string) *Accounts {
	return &Accounts{lookup: lookup, fresh: fresh, now: time.Now,
		workers: make(chan struct{}, accountWorkers), wait: accountWait,
		known: map[uint32]accountAnswer{}, absent: map[uint32]accountAnswer{}}
}

// ByUID gives the account of a uid, or ErrNoAccount. It takes no longer than
// ctx and 5 s. Every other error means that nobody knows, and so: refuse.
func (a *Accounts) ByUID(ctx context.Context, uid uint32) (Account, error) {
	ctx, cancel := context.WithTimeout(ctx, accountTime)
	defer cancel()
	acc, err := a.ofFiles(ctx, uid)
	if a.beyond == nil || !errors.Is(err, ErrNoAccount) {
		return acc, err
	}
	if acc, err = a.beyond.ByUID(ctx, uid); err == nil && acc.UID != uid {
		err = fmt.Errorf("uid %d: the directory has told of uid %d", uid, acc.UID)
	}
	if err != nil {
		return Account{}, err
	}
	return acc, nil
}

// ofFiles gives the account that the files have.
func (a *Accounts) ofFiles(ctx context.Context, uid uint32) (Account, error) {
	ans, stamp, ok := a.cached(uid)
	if ok {
		return ans.account, ans.err
	}
	ans, err := ask(ctx, a, fmt.Sprintf("uid %d", uid), func() accountAnswer {
		acc, err := a.lookup(uid)
		return accountAnswer{account: acc, err: err, at: a.now()}
	})
	if err != nil {
		return Account{}, err
	}
	a.keep(uid, ans, stamp)
	return ans.account, ans.err
}

// ask has a worker look something up, and waits for it no longer than ctx. Who waits for a worker
// gets one in the order in which they came.
func ask[T any](ctx context.Context, a *Accounts, what string, look func() T) (none T, err error) {
	select {
	case a.workers <- struct{}{}:
	default:
		turn := time.NewTimer(a.wait)
		defer turn.Stop()
		select {
		case a.workers <- struct{}{}:
		case <-turn.C:
			return none, fmt.Errorf("look up %s: %d earlier look-ups do not return; is the account database reachable?", what, accountWorkers)
		case <-ctx.Done():
			return none, fmt.Errorf("look up %s: earlier look-ups took too long: %w", what, ctx.Err())
		}
	}
	got := make(chan T, 1)
	go func() {
		defer func() { <-a.workers }()
		got <- look()
	}()
	select {
	case found := <-got:
		return found, nil
	case <-ctx.Done():
		return none, fmt.Errorf("look up %s: no answer from the account database: %w", what, ctx.Err())
	}
}

// ByName gives the account of a name, or ErrNoAccount: as [Accounts.ByUID], which
// has the last word about the uid. It is for names that the configuration or the policy has: whoever
// could have others asked about could keep a directory busy. See [Accounts.Local].
func (a *Accounts) ByName(ctx context.Context, name string) (Account, error) {
	acc, err := a.Local(ctx, name)
	if a.beyond == nil || !errors.Is(err, ErrNoAccount) {
		return acc, err
	}
	ctx, cancel := context.WithTimeout(ctx, accountTime)
	defer cancel()
	if acc, err = a.beyond.ByName(ctx, name); err == nil && acc.Name != name {
		err = fmt.Errorf("the account %q: the directory has told of %q", name, acc.Name)
	}
	if err != nil {
		return Account{}, err
	}
	return acc, nil
}

// Local is ByName of accounts that are in the files.
func (a *Accounts) Local(ctx context.Context, name string) (Account, error) {
	ctx, cancel := context.WithTimeout(ctx, accountTime)
	defer cancel()
	type answer struct {
		uid uint32
		err error
	}
	named, err := ask(ctx, a, fmt.Sprintf("the account %q", name), func() (n answer) {
		n.uid, n.err = a.uidOf(name)
		return n
	})
	if err = cmp.Or(err, named.err); err != nil {
		return Account{}, err
	}
	uid := named.uid
	acc, err := a.ofFiles(ctx, uid)
	if err == nil && acc.Name != name {
		err = fmt.Errorf("the account %q has the uid %d, which is that of %q first", name, uid, acc.Name)
	}
	return acc, err
}

// Table gives what the account file says now of all accounts.
func (a *Accounts) Table(ctx context.Context) (accounts.Table, error) {
	ctx, cancel := context.WithTimeout(ctx, accountTime)
	defer cancel()
	type answer struct {
		table accounts.Table
		err   error
	}
	got, err := ask(ctx, a, "all accounts", func() (n answer) {
		n.table, n.err = a.table()
		return n
	})
	return got.table, cmp.Or(err, got.err)
}

// cached gives an answer that may still be used. When the source says that it
// has changed, nothing may: an account that was deleted and its uid given to
// another must not live on in here. stamp is of the source as it is asked now.
func (a *Accounts) cached(uid uint32) (ans accountAnswer, stamp string, ok bool) {
	stamp = a.fresh()
	a.mu.Lock()
	defer a.mu.Unlock()
	if stamp != a.stamp {
		a.stamp = stamp
		clear(a.known)
		clear(a.absent)
		return accountAnswer{}, stamp, false
	}
	if ans, ok = a.known[uid]; !ok {
		ans, ok = a.absent[uid]
	}
	if !ok || a.now().Sub(ans.at) > accountAge {
		return accountAnswer{}, stamp, false
	}
	return ans, stamp, true
}

// keep keeps an answer, unless the source has changed since it was asked: it may be of what was there before.
func (a *Accounts) keep(uid uint32, ans accountAnswer, stamp string) {
	if ans.err != nil && !errors.Is(ans.err, ErrNoAccount) {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if stamp != a.stamp {
		return
	}
	in, other := a.known, a.absent
	if ans.err != nil {
		in, other = other, in
	}
	if len(in) >= accountCache {
		clear(in)
	}
	in[uid] = ans
	delete(other, uid)
}
