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

	reload sync.Mutex // held during a reload: the last one asked for wins
	mu     sync.Mutex // held while the policy changes
	broken error      // why the last reload was refused
}

// inForce is a policy with its generation: both are read at once.
type inForce struct {
	set        *Set // of the files
	moving     Moving
	generation uint64

	mu    sync.Mutex // held while it is found out what counts
	whole atomic.Pointer[standing]
}

// standing is the policy with the moving grants that count until a limit.
type standing struct {
	set   *Set
	limit time.Time // zero: for as long as nothing changes
}

// at gives the policy with the moving grants that count at a time.
func (f *inForce) at(at time.Time) *Set {
	if len(f.moving.Given) == 0 {
		return f.set
	}
	if w := f.whole.Load(); w != nil && (w.limit.IsZero() || at.Before(w.limit)) {
		return w.set
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if w := f.whole.Load(); w != nil && (w.limit.IsZero() || at.Before(w.limit)) {
		return w.set
	}
	var w standing
	w.set, w.limit = f.set.with(f.moving, at)
	f.whole.Store(&w)
	return w.set
}

// NewEngine loads a policy directory for the first time. Without a whole
// policy there is no Engine: the error is [Problems].
func NewEngine(dir string) (*Engine, error) {
	set, err := Load(dir)
	if err != nil {
		return nil, err
	}
	return EngineOf(set), nil
}

// EngineOf makes an Engine of a policy that was loaded already.
func EngineOf(set *Set) *Engine {
	e := &Engine{}
	e.now.Store(&inForce{set: set, generation: 1})
	return e
}

// Set gives the policy of the files in force.
func (e *Engine) Set() *Set { return e.now.Load().set }

// At gives the policy in force with the moving grants that count at a time.
func (e *Engine) At(at time.Time) *Set { return e.now.Load().at(at) }

// Move puts other moving grants in force.
func (e *Engine) Move(m Moving) {
	e.mu.Lock()
	defer e.mu.Unlock()
	cur := e.now.Load()
	e.now.Store(&inForce{set: cur.set, moving: m, generation: cur.generation + 1})
}

// Generation is 1 at first and grows whenever an answer may have changed.
func (e *Engine) Generation() uint64 { return e.now.Load().generation }

// Reload reads the directory again. If it is whole it is in force when Reload
// returns; else the policy in force stays, and the error, of type [Problems],
// is kept for [Engine.Broken] until a reload succeeds.
func (e *Engine) Reload(dir string) error {
	e.reload.Lock()
	defer e.reload.Unlock()
	set, err := Load(dir)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.broken = err; err != nil {
		return err
	}
	cur := e.now.Load()
	e.now.Store(&inForce{set: set, moving: cur.moving, generation: cur.generation + 1})
	return nil
}

// Broken gives the error of the last reload, nil if it was taken.
func (e *Engine) Broken() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.broken
}

// Bump begins a new generation under the same policy: something else that
// decisions rest on has changed.
func (e *Engine) Bump() {
	e.mu.Lock()
	defer e.mu.Unlock()
	cur := e.now.Load()
	e.now.Store(&inForce{set: cur.set, moving: cur.moving, generation: cur.generation + 1})
}

// Decide answers a question: see [Set.Decide].
func (e *Engine) Decide(q access.Question) access.Decision {
	cur := e.now.Load()
	d := cur.at(q.At).Decide(q)
	d.Generation = cur.generation
	return d
}

// Covers decides about everything in an object: see [Set.Covers].
func (e *Engine) Covers(who identity.Subject, verbs access.VerbSet, o access.Object, at time.Time) access.Decision {
	cur := e.now.Load()
	d := cur.at(at).Covers(who, verbs, o, at)
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

// PersonOf says which person a Unix account is: see [Set.PersonOf].
func (e *Engine) PersonOf(uid uint32, account string) (string, error) {
	return e.now.Load().set.PersonOf(uid, account)
}
