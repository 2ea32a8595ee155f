package keyboard

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/grants"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/policy"
)

// typists are a policy by which these people may type, and no others.
type typists []string

func (p typists) Set() *policy.Set { return nil }
func (p typists) Holds(who identity.Subject, _ access.Object, _ time.Time) access.VerbSet {
	if slices.Contains(p, who.Person) {
		return access.SetOf(access.Type)
	}
	return 0
}

// watcher is displays that note who has the keyboard whenever it is found out anew what waits for whom.
type watcher struct {
	leases *grants.Leases
	seen   []string
	told   []string
}

func (w *watcher) Knock() {
	for _, l := range w.leases.List() {
		w.seen = append(w.seen, l.Holder)
	}
}

func (w *watcher) Tell(_ access.Object, text func(who identity.Identity) string) {
	w.told = append(w.told, text(identity.Supposed(identity.Subject{Person: "eve", UID: -1})))
}

// leased is keyboards of whom bob has one, and the lease.
func leased(t *testing.T, may typists) (*Keyboards, *watcher, grants.Lease) {
	t.Helper()
	leases, err := grants.OpenLeases(filepath.Join(t.TempDir(), "leases.json"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	t.Cleanup(func() { stop(); wg.Wait() })
	w := &watcher{leases: leases}
	k := &Keyboards{
		Leases: leases, Gateway: gateway.New(gateway.Parts{Leases: leases}), Policy: may, Displays: w,
		Revoked: func(string, access.Object) bool { return false }, Complain: func(what string) { t.Log(what) }, Ctx: ctx, Go: wg.Go,
	}
	l := grants.Lease{ID: 1, Holder: "bob", By: "alice", Target: "alice/work:0.0", Grace: time.Minute,
		On: access.Object{Kind: access.Pane, Owner: "alice", Incarnation: "1", Pane: access.PaneRef{ID: 3}}}
	keep, err := leases.Change(func(list []grants.Lease) ([]grants.Lease, error) { return append(list, l), nil })
	if err == nil {
		err = keep()
	}
	if err != nil {
		t.Fatal(err)
	}
	return k, w, l
}

func always(grants.Lease) error { return nil }

// Between one who has the keyboard and the next nobody has it; who may not type there is not given it; and who has it has
// nothing done anew.
func TestPass(t *testing.T) {
	k, w, l := leased(t, typists{"bob", "carol"})
	now, err := k.pass(t.Context(), l.ID, "carol", always)
	if err != nil || now.Holder != "carol" {
		t.Fatalf("%+v, %v", now, err)
	}
	if want := []string{"", "carol"}; !slices.Equal(w.seen, want) {
		t.Errorf("it is had by %q, want %q", w.seen, want)
	}
	if want := []string{"carol has the keyboard of alice/work:0.0"}; !slices.Equal(w.told, want) {
		t.Errorf("who looks on hears %q, want %q", w.told, want)
	}
	w.seen = nil
	if now, err = k.pass(t.Context(), l.ID, "carol", always); err != nil || now.Holder != "carol" || len(w.seen) > 0 {
		t.Errorf("once more: %+v, %v, %q", now, err, w.seen)
	}
	if now, err = k.pass(t.Context(), l.ID, "dave", always); err != nil || now.Holder != "" {
		t.Errorf("dave may not type there: %+v, %v", now, err)
	}
}

// Who takes the keyboard while it goes to another has it, and who only asks for it then hears so.
func TestTakenOnItsWay(t *testing.T) {
	k, _, l := leased(t, typists{"bob", "carol", "alice"})
	passed := make(chan struct{})
	if _, err := k.Leases.Edit(l.ID, func(l *grants.Lease) error {
		l.Holder, l.Last, l.Passed = "", "bob", passed
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	on := grants.Lease{ID: l.ID, On: l.On, Target: l.Target, Last: "bob", Passed: passed}
	if _, err := k.pass(t.Context(), l.ID, "carol", always); !errors.Is(err, errPassing) {
		t.Errorf("carol asks meanwhile: %v", err)
	}
	took := make(chan error, 1)
	go func() {
		l, err := k.take(t.Context(), l.ID, "alice")
		if err == nil && l.Holder != "alice" {
			err = fmt.Errorf("it is %q's", l.Holder)
		}
		took <- err
	}()
	deadline := time.Now().Add(10 * time.Second)
	for now, _ := k.Leases.Find(l.ID); now.Next != "alice"; now, _ = k.Leases.Find(l.ID) {
		if time.Now().After(deadline) {
			t.Fatal("nobody is to have it next")
		}
		time.Sleep(time.Millisecond)
	}
	if now, err := k.passOn(t.Context(), on, "carol", nil); err != nil || now.Holder != "alice" {
		t.Errorf("it goes to %q, and was taken: %v", now.Holder, err)
	}
	if err := <-took; err != nil {
		t.Error(err)
	}
}

// meddled is a policy that has something done while it is asked, once.
type meddled struct {
	typists
	do *func()
}

func (p meddled) Holds(who identity.Subject, on access.Object, at time.Time) access.VerbSet {
	if do := *p.do; do != nil {
		*p.do = nil
		do()
	}
	return p.typists.Holds(who, on, at)
}

// Who takes the keyboard in the moment in which it is asked about whom it goes to has it, and that one has not.
func TestTakenAsItArrives(t *testing.T) {
	k, w, l := leased(t, nil)
	var do func()
	k.Policy = meddled{typists{"bob", "carol", "alice"}, &do}
	do = func() {
		if _, err := k.Leases.Edit(l.ID, func(l *grants.Lease) error { l.Next = "alice"; return nil }); err != nil {
			t.Error(err)
		}
	}
	if now, err := k.pass(t.Context(), l.ID, "carol", always); err != nil || now.Holder != "alice" || now.Next != "" {
		t.Errorf("%+v, %v", now, err)
	}
	if want := []string{"", "alice"}; !slices.Equal(w.seen, want) {
		t.Errorf("it is had by %q, want %q", w.seen, want)
	}
}

// From whom everything was taken has the keyboard no more, and who looks on hears of it.
func TestFreeRevoked(t *testing.T) {
	k, w, l := leased(t, nil)
	k.FreeRevoked()
	if now, _ := k.Leases.Find(l.ID); now.Holder != "bob" {
		t.Errorf("nothing was taken from bob, and %q has it", now.Holder)
	}
	k.Log = nobodyReads{}
	k.Revoked = func(person string, _ access.Object) bool { return person == "bob" }
	k.FreeRevoked()
	if now, _ := k.Leases.Find(l.ID); now.Holder != "" || now.Last != "bob" {
		t.Errorf("%+v", now)
	}
	if len(w.told) != 1 {
		t.Errorf("who looks on hears %q", w.told)
	}
}

type nobodyReads struct{}

func (nobodyReads) Append(context.Context, access.Class, access.Event) (uint64, error) { return 0, nil }

// So many ask for one keyboard, each of them once, until they have it or are kept waiting.
func TestAskers(t *testing.T) {
	var a askers
	who := func(n int) identity.Identity {
		return identity.Supposed(identity.Subject{Person: fmt.Sprintf("p%d", n), UID: -1})
	}
	for n := range mostAskers {
		if err := a.add(1, who(n)); err != nil {
			t.Fatal(err)
		}
	}
	if a.add(1, who(0)) != nil || len(a.of(1)) != mostAskers {
		t.Errorf("who asks again is one more: %d", len(a.of(1)))
	}
	if a.add(1, who(mostAskers)) == nil || a.add(2, who(mostAskers)) != nil {
		t.Error("one more asks, or may not ask for another keyboard")
	}
	if !a.done(1, "p3") || a.done(1, "p3") || len(a.of(1)) != mostAskers-1 {
		t.Errorf("%d are left", len(a.of(1)))
	}
	if !a.done(1, "") || len(a.of(1)) != 0 || len(a.of(2)) != 1 {
		t.Error("not all of one lease are forgotten, or others are")
	}
}
