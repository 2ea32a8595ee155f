package policy

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/identity"
)

// Engine holds the policy in force. A decision carries the generation in
// which it was made; whoever keeps it asks again once [Engine.Generation] has
// moved on.
type Engine struct {
	now atomic.Pointer[inForce]
	own owners // whose files it believes

	reload sync.Mutex // held during a reload: the last one asked for wins
	change sync.Mutex // held while another policy or other grants are put in force
	mu     sync.Mutex // held while what is in force is replaced
	broken error      // why the last reload was refused
	digest string     // of what was read last

	isolated map[string]string // servers that the policy has to name; with reload held
	files    *Set              // what was loaded, without profiles; with reload held
	profiles Profiles          // with reload held
	gone     map[string]string // profiles that there were, by their accounts; likewise

	working sync.Mutex // held while grants are worked out: who changes them often keeps one processor busy
}

// inForce is a policy with its generation: both are read at once.
type inForce struct {
	set        *Set // of the files
	moving     Moving
	generation uint64

	mu    sync.Mutex // held while it is found out what counts
	whole atomic.Pointer[standing]
}

// standing is the policy with the moving grants that count from one time on, until
// the policy's limit.
type standing struct {
	set   *Set
	since time.Time
	// old is set if something has changed since on which it rests. What it
	// permits by moving grants is asked of those who gave them all the same.
	old bool
}

// holds reports whether it is what counts at a time. A question may have been on
// its way for a moment.
func (w *standing) holds(at time.Time) bool {
	return w != nil && !w.old && w.covers(at) && (w.set.limit.IsZero() || at.Before(w.set.limit))
}

// counted is the policy of it, nil if there is none.
func (w *standing) counted() *Set {
	if w == nil {
		return nil
	}
	return w.set
}

// covers reports whether it is of that time, or of one before.
func (w *standing) covers(at time.Time) bool { return !at.Before(w.since.Add(-recheck)) }

// at gives the policy with the moving grants that count at a time.
func (f *inForce) at(at time.Time) *Set {
	if len(f.moving.Given) == 0 {
		return f.set
	}
	if w := f.whole.Load(); w.holds(at) {
		return w.set
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.renew(at)
}

// renew finds out what counts at a time, unless that is known. f.mu must be held.
func (f *inForce) renew(at time.Time) *Set {
	was := f.whole.Load()
	if was.holds(at) {
		return was.set
	}
	w := &standing{set: f.set.with(f.moving, at, was.counted()), since: at}
	if was == nil || was.covers(at) { // else it is about the past
		f.whole.Store(w)
	}
	return w.set
}

// decide has the policy answer. While it is found out anew what counts, nobody waits
// who is let through by what counted before: no grant in that goes on beyond its
// limit, and those who gave are asked for each time.
func (f *inForce) decide(at time.Time, ask func(*Set) access.Decision) access.Decision {
	w := f.whole.Load()
	switch {
	case len(f.moving.Given) == 0:
		return ask(f.set)
	case w.holds(at):
		return ask(w.set)
	case w == nil || !w.covers(at):
		return ask(f.at(at))
	case f.mu.TryLock():
		go f.renewBeside(at)
	}
	d := ask(w.set)
	if !d.Allow {
		return ask(f.at(at))
	}
	if soon := at.Add(recheck); !d.Expires.After(at) || d.Expires.After(soon) {
		d.Expires = soon
	}
	return d
}

// renewBeside finds out what counts for others than who asks. f.mu must be held, and
// is let go of.
func (f *inForce) renewBeside(at time.Time) {
	defer f.mu.Unlock()
	defer func() { _ = recover() }() // whoever asks meets the same, where that is seen to
	f.renew(at)
}

// NewEngine loads a policy directory for the first time. Without a whole
// policy there is no Engine: the error is [Problems].
func NewEngine(dir string) (*Engine, error) { return newEngine(dir, inUse()) }

// NewSystemEngine is NewEngine for a process that is not root, and whose word counts for what root
// does: as of root's own, the policy has to be nobody's but root's.
func NewSystemEngine(dir string) (*Engine, error) { return newEngine(dir, owners{root: true}) }

func newEngine(dir string, own owners) (*Engine, error) {
	set, digest, err := loadRead(dir, own)
	if err != nil {
		return nil, err
	}
	e := EngineOf(set)
	e.digest, e.own = digest, own
	return e, nil
}

// EngineOf makes an Engine of a policy that was loaded already.
func EngineOf(set *Set) *Engine {
	e := &Engine{own: inUse(), files: set}
	e.now.Store(&inForce{set: set, generation: 1})
	return e
}

// Set gives the policy of the files in force.
func (e *Engine) Set() *Set { return e.now.Load().set }

// At gives the policy in force with the moving grants that count at a time.
func (e *Engine) At(at time.Time) *Set { return e.now.Load().at(at) }

// Move puts other moving grants in force; an ID names the same one for good. It waits
// for nothing: what counts of them is worked out beside. What is not among them any
// more, and what may rest on it, counts no more when Move returns. Only who is not let
// through by what surely counts waits for the rest.
func (e *Engine) Move(m Moving) {
	e.change.Lock()
	cur := e.now.Load()
	w := cur.whole.Load()
	if w == nil || len(cur.moving.Given) == 0 {
		w = &standing{set: cur.set, since: m.At}
	}
	w.set.doubts(cur.moving.Given, m.Given)
	next := e.put(cur.set, m, m.At, w)
	e.change.Unlock()
	e.workOut(next, m.At)
}

// put puts a policy and moving grants in force, with what counts of them surely
// until that is known: workOut has to follow. e.change must be held.
func (e *Engine) put(set *Set, m Moving, at time.Time, surely *standing) *inForce {
	next := &inForce{set: set, moving: m}
	if next.inAdvance(at) {
		next.mu.Lock()
		next.whole.Store(&standing{set: surely.set, since: surely.since, old: true})
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	next.generation = e.now.Load().generation + 1
	e.now.Store(next)
	return next
}

// inAdvance reports whether it is found out what counts before anybody asks.
func (f *inForce) inAdvance(at time.Time) bool { return len(f.moving.Given) > 0 && !at.IsZero() }

// workOut has it found out what counts of what was put in force, unless that is
// replaced before it comes to it.
func (e *Engine) workOut(next *inForce, at time.Time) {
	if !next.inAdvance(at) {
		return // whoever asks first does it, if there is anything
	}
	go func() {
		e.working.Lock()
		defer e.working.Unlock()
		if e.now.Load() != next {
			next.mu.Unlock()
			return
		}
		next.renewBeside(at)
	}()
}

// Generation is 1 at first and grows whenever an answer may have changed.
func (e *Engine) Generation() uint64 { return e.now.Load().generation }

// Reload reads the directory again. If it is whole it is in force when Reload
// returns; else the policy in force stays, and the error, of type [Problems],
// is kept for [Engine.Broken] until a reload succeeds.
func (e *Engine) Reload(dir string) error {
	e.reload.Lock()
	defer e.reload.Unlock()
	files, digest, err := loadRead(dir, e.own)
	var set *Set
	if err == nil {
		set, err = files.profiled(e.profiles, e.gone)
	}
	if err == nil {
		err = set.isolates(e.isolated)
	}
	e.mu.Lock()
	e.broken, e.digest = err, digest
	e.mu.Unlock()
	if err != nil {
		return err
	}
	e.files = files
	e.replace(set)
	return nil
}

// Try says why [Engine.Reload] would refuse a directory.
func (e *Engine) Try(dir string) error {
	e.reload.Lock()
	defer e.reload.Unlock()
	files, _, err := loadRead(dir, e.own)
	var set *Set
	if err == nil {
		set, err = files.profiled(e.profiles, e.gone)
	}
	if err == nil {
		err = set.isolates(e.isolated)
	}
	return err
}

// replace puts another policy in force, with the moving grants that there are.
func (e *Engine) replace(set *Set) {
	e.change.Lock()
	cur := e.now.Load()
	at := cur.moving.At
	if w := cur.whole.Load(); w != nil && w.since.After(at) {
		at = w.since
	}
	next := e.put(set, cur.moving, at, &standing{set: set, since: at})
	e.change.Unlock()
	e.workOut(next, at)
}

// Broken gives the error of the last reload, nil if it was taken.
func (e *Engine) Broken() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.broken
}

// Digest gives what [Digest] says of what was read last, whether it was taken or not; ""
// if nothing was read.
func (e *Engine) Digest() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.digest
}

// Bump begins a new generation under the same policy: something else that
// decisions rest on has changed.
func (e *Engine) Bump() {
	e.mu.Lock()
	defer e.mu.Unlock()
	cur := e.now.Load()
	next := &inForce{set: cur.set, moving: cur.moving, generation: cur.generation + 1}
	if w := cur.whole.Load(); w != nil {
		next.whole.Store(&standing{set: w.set, since: w.since, old: true})
	}
	e.now.Store(next)
}

// Decide answers a question: see [Set.Decide].
func (e *Engine) Decide(q access.Question) access.Decision {
	cur := e.now.Load()
	d := cur.decide(q.At, func(s *Set) access.Decision { return s.Decide(q) })
	d.Generation = cur.generation
	return d
}

// Covers decides about everything in an object: see [Set.Covers].
func (e *Engine) Covers(who identity.Subject, verbs access.VerbSet, o access.Object, at time.Time) access.Decision {
	cur := e.now.Load()
	d := cur.decide(at, func(s *Set) access.Decision { return s.Covers(who, verbs, o, at) })
	d.Generation = cur.generation
	return d
}

// CoversServer reports whether the subject holds every verb of tmux on the
// whole server.
func (e *Engine) CoversServer(who identity.Subject, server access.Object, at time.Time) bool {
	return e.Covers(who, TmuxVerbs, server, at).Allow
}

// Holds gives every verb held on the object: see [Set.Holds].
func (e *Engine) Holds(who identity.Subject, o access.Object, at time.Time) access.VerbSet {
	return e.At(at).Holds(who, o, at)
}

// Sees reports whether any of the objects is visible: see [Set.Sees].
func (e *Engine) Sees(who identity.Subject, at time.Time, objects ...access.Object) bool {
	return e.At(at).Sees(who, at, objects...)
}

// Blind reports that nothing of a server or a session is visible: see [Set.Blind].
func (e *Engine) Blind(who identity.Subject, o access.Object, at time.Time) bool {
	return e.At(at).Blind(who, o, at)
}

// Duties is [Set.Duties] by the policy in force.
func (e *Engine) Duties(who identity.Subject, o access.Object, at time.Time) access.Obligations {
	return e.At(at).Duties(who, o, at)
}

// Holders is [Set.Holders] by the policy in force.
func (e *Engine) Holders(v access.Verb, o access.Object, at time.Time) []string {
	return e.At(at).Holders(v, o, at)
}

// GivenBy is [Set.GivenBy] by the policy in force.
func (e *Engine) GivenBy(who identity.Subject, giver string, verb access.Verb, pane access.Object, at time.Time) (bool, time.Time) {
	return e.At(at).GivenBy(who, giver, verb, pane, at)
}

// PersonOf says which person a Unix account is: see [Set.PersonOf].
func (e *Engine) PersonOf(uid uint32, account string) (string, error) {
	return e.now.Load().set.PersonOf(uid, account)
}
