package nss

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/muxward/muxward/internal/accounts"
	"github.com/muxward/muxward/internal/teeth"
)

const (
	// Patience is how long an answer may take, with all that is asked for it.
	Patience = 4 * time.Second
	// Age is how long an answer counts at most, while the directory says nothing, or that it has no
	// such account: it says so, too, when it only cannot be reached.
	Age = 2 * time.Minute

	fresh    = 30 * time.Second // how long it is not asked again
	denied   = 10 * time.Second // nor about what it does not have
	failed   = 5 * time.Second  // nor when it did not answer
	atOnce   = 4                // questions by a number, and as many by a name
	turnWait = time.Second      // how long it is waited for a turn
	again    = time.Second      // how long for an answer, while the one before counts
	maxKnown = 4096             // answers kept
)

// Options say how the switch is asked.
type Options struct {
	// Files are what counts before any directory.
	Files accounts.Files
	// Subuid and Subgid are subuid(5) and subgid(5); "" is none.
	Subuid, Subgid string
	// Groups are those of the host of which it is to be known whether an account is in them.
	Groups []string
	// Getent is the program that asks, absolute: see [Getent].
	Getent string
	// Now gives wall-clock time; nil means time.Now.
	Now func() time.Time

	patience time.Duration // for tests; 0 is Patience
	turnWait time.Duration // likewise
	again    time.Duration // likewise
}

// Switch asks about accounts, and keeps what it has heard. It is safe for use by several goroutines:
// a question that hangs holds up only who asks the same. Make one with [New].
type Switch struct {
	opt  Options
	ctx  context.Context
	stop context.CancelFunc
	wg   sync.WaitGroup

	// turns are of questions by a number and by a name: who names many does not take those of the others.
	turns map[bool]chan struct{}

	mu    sync.Mutex
	known map[key]*known
}

// key is what is asked about: a name, or, if that is "", a number.
type key struct {
	name string
	uid  uint32
}

func (k key) word() string {
	if k.name != "" {
		return k.name
	}
	return strconv.FormatUint(uint64(k.uid), 10)
}

// known is what was heard of one account.
type known struct {
	account accounts.Account
	since   time.Time // when the account was told, zero if never

	bad   error // what came instead of it since
	until time.Time

	asking chan struct{} // closed when the question under way has ended; nil if there is none
	asked  time.Time     // since when, by the clock that only goes forward
}

// System gives the options for this host.
func System() Options {
	return Options{Files: accounts.System(), Subuid: "/etc/subuid", Subgid: "/etc/subgid"}
}

// New makes a switch, which asks nothing yet.
func New(o Options) *Switch {
	if o.Now == nil {
		o.Now = time.Now
	}
	o.patience, o.turnWait, o.again = cmp.Or(o.patience, Patience), cmp.Or(o.turnWait, turnWait), cmp.Or(o.again, again)
	s := &Switch{opt: o, known: map[key]*known{}, turns: map[bool]chan struct{}{}}
	for _, named := range []bool{true, false} {
		s.turns[named] = make(chan struct{}, atOnce)
	}
	s.ctx, s.stop = context.WithCancel(context.Background())
	return s
}

// Close ends what is asked just now. What cannot be ended, as it waits in the kernel, is left.
func (s *Switch) Close() {
	s.mu.Lock()
	s.stop() // nothing more begins
	s.mu.Unlock()
	ended := make(chan struct{})
	go func() { s.wg.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(Patience):
	}
}

// ByUID gives the account of a uid: that of the files, or of a directory. [accounts.ErrNoAccount] is
// of what neither has, every other error means that nobody knows, and so: refuse.
func (s *Switch) ByUID(ctx context.Context, uid uint32) (accounts.Account, error) {
	a, err := s.opt.Files.ByUID(uid)
	if !errors.Is(err, accounts.ErrNoAccount) {
		return a, err
	}
	if err := s.believable(uid); err != nil {
		return accounts.Account{}, err
	}
	return s.ask(ctx, key{uid: uid})
}

// ByName is ByUID of an account that has the name, in both directions.
func (s *Switch) ByName(ctx context.Context, name string) (accounts.Account, error) {
	uid, err := s.opt.Files.UIDOf(name)
	if err == nil {
		return s.opt.Files.Named(name, uid)
	}
	if !errors.Is(err, accounts.ErrNoAccount) {
		return accounts.Account{}, err
	}
	if !validName(name) {
		return accounts.Account{}, fmt.Errorf("%.80q is no name that a directory is asked about: %w", name, accounts.ErrNoAccount)
	}
	return s.ask(ctx, key{name: name})
}

// ask gives what is known, or has it asked and waits no longer than ctx and Patience; for who is known still,
// not as long.
func (s *Switch) ask(ctx context.Context, k key) (accounts.Account, error) {
	s.mu.Lock()
	e := s.entryOf(k)
	if a, err, settled := e.now(s.opt.Now()); settled {
		s.mu.Unlock()
		return s.still(a, err)
	}
	if e.asking == nil {
		s.begin(k, e)
	}
	asking, since, patience := e.asking, e.asked, s.opt.patience
	if e.counts(s.opt.Now(), Age) {
		patience = min(patience, s.opt.again)
	}
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if asking != nil && time.Since(since) < s.opt.patience+endTime { // else it is one that cannot even be ended
		select {
		case <-asking:
		case <-ctx.Done():
		}
	}
	s.mu.Lock()
	a, err := e.last(s.opt.Now())
	s.mu.Unlock()
	return s.still(a, err)
}

// unanswered is an error by which the directory has said nothing about an account.
type unanswered struct{ error }

func (unanswered) Is(target error) bool { return target == accounts.ErrUnanswered }
func (u unanswered) Unwrap() error      { return u.error }

// still gives an account unless the files have come to have its name or its number meanwhile.
func (s *Switch) still(a accounts.Account, err error) (accounts.Account, error) {
	if err == nil && !teeth.Out(teeth.Believed) {
		err = s.ours(a)
	}
	switch {
	case err == nil:
		return a, nil
	case errors.Is(err, accounts.ErrNoAccount), errors.Is(err, errAnswer):
		return accounts.Account{}, err
	}
	return accounts.Account{}, unanswered{err}
}

// entryOf gives what is known of an account, making room for it; mu is held.
func (s *Switch) entryOf(k key) *known {
	if e := s.known[k]; e != nil {
		return e
	}
	if len(s.known) >= maxKnown {
		for other, e := range s.known {
			if e.asking == nil {
				delete(s.known, other)
			}
		}
	}
	e := &known{}
	s.known[k] = e
	return e
}

// now gives what need not be asked again.
func (e *known) now(now time.Time) (accounts.Account, error, bool) {
	if e.bad != nil {
		if now.Before(e.until) && e.until.Sub(now) <= denied {
			a, err := e.last(now)
			return a, err, true
		}
		return accounts.Account{}, nil, false
	}
	return e.account, nil, e.counts(now, fresh)
}

// counts reports whether the account was told no longer ago than that, by a clock that was not set back.
func (e *known) counts(now time.Time, age time.Duration) bool {
	ago := now.Sub(e.since)
	return !e.since.IsZero() && ago >= 0 && ago <= age
}

// last gives what was told last, as long as it counts.
func (e *known) last(now time.Time) (accounts.Account, error) {
	switch {
	case e.counts(now, Age):
		return e.account, nil
	case e.bad != nil:
		return accounts.Account{}, e.bad
	}
	return accounts.Account{}, errors.New("the name service switch does not answer in time: is the directory service reachable?")
}

// begin has it asked; mu is held.
func (s *Switch) begin(k key, e *known) {
	if s.ctx.Err() != nil {
		e.bad, e.until = errors.New("nothing is asked of the name service switch any more: muxward ends"), s.opt.Now()
		return
	}
	asking := make(chan struct{})
	e.asking, e.asked = asking, time.Now()
	s.wg.Go(func() {
		ctx, cancel := context.WithTimeout(s.ctx, s.opt.patience)
		defer cancel()
		a, err := s.inTurn(ctx, k)
		s.mu.Lock()
		defer s.mu.Unlock()
		e.hear(a, err, s.opt.Now())
		s.other(a)
		e.asking = nil
		close(asking)
	})
}

// inTurn has it looked up when it is its turn: several who come at once are asked about in a moment, and
// those whose questions hang are not waited for long.
func (s *Switch) inTurn(ctx context.Context, k key) (accounts.Account, error) {
	turn, long := s.turns[k.name != ""], time.NewTimer(s.opt.turnWait)
	defer long.Stop()
	select {
	case turn <- struct{}{}:
		defer func() { <-turn }()
		return s.look(ctx, k)
	case <-long.C:
	case <-ctx.Done():
	}
	return accounts.Account{}, fmt.Errorf("%d questions %w, and no more at once: is the directory service reachable?", atOnce, errTurns)
}

// other has no answer count any more that what was said just now contradicts: the same number by another
// name, or the same name by another number. Its own entry has heard it. With mu held.
func (s *Switch) other(a accounts.Account) {
	if a.Name == "" {
		return
	}
	for _, e := range s.known {
		if (e.account.UID == a.UID) != (e.account.Name == a.Name) {
			e.since = time.Time{}
		}
	}
}

// errTurns is the error of what was not asked.
var errTurns = errors.New("to the name service switch are under way")

// hear takes an answer. With an error an account is what was said of it before that, if anything was.
func (e *known) hear(a accounts.Account, err error, now time.Time) {
	switch {
	case err == nil:
		e.account, e.since, e.bad = a, now, nil
	case errors.Is(err, errNone):
		e.bad, e.until = fmt.Errorf("%w: %w", errNone, accounts.ErrNoAccount), now.Add(denied)
	case errors.Is(err, errTurns):
		e.bad, e.until = err, now // the next one may try
	default:
		e.bad, e.until = err, now.Add(failed)
	}
	other := a.Name != "" && (a.Name != e.account.Name || a.UID != e.account.UID)
	if err != nil && (other || errors.Is(err, accounts.ErrNoAccount) || errors.Is(err, errAnswer)) {
		e.since = time.Time{} // what it says now is not the same: that counts at once
	}
}
