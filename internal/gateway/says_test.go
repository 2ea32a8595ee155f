package gateway

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/grants"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/policy"
	"github.com/muxward/muxward/internal/tmux"
)

// saidGrants are what bob holds by the files, and dave may give, in turn: always, at some hours,
// by a group, or not.
var saidGrants = []string{
	"grants: []\n",
	"grants:\n  - {who: bob, role: typist, on: alice, reason: r}\n",
	"grants:\n  - {who: bob, role: typist, on: alice/s0, reason: r, when: 'Mon-Fri 09:00-11:00 UTC'}\n  - {who: dave, role: owner, on: alice, reason: r, when: 'Mon-Sun 08:00-10:00 UTC'}\n",
	"grants:\n  - {who: bob, role: owner, on: alice, reason: r}\n  - {who: dave, role: owner, on: alice, reason: r}\n",
	"grants:\n  - {who: '@team', role: viewer, on: alice/s0, reason: r}\n  - {who: dave, role: owner, on: alice, reason: r}\n",
}

// saidRules are policies beside them that go by the time.
var saidRules = []string{
	"permit (principal == Person::\"alice\", action == Action::\"view\", resource);\n",
	"forbid (principal, action == Action::\"type\", resource) when { context.now > datetime(\"2026-11-23T09:30:00Z\") };\n",
	"permit (principal == Person::\"bob\", action == Action::\"view\", resource) when { context.now < datetime(\"2026-11-23T10:15:00Z\") };\n",
}

// saidWorld is a gateway under a policy that changes, with rights in use.
type saidWorld struct {
	t      *rapid.T
	dir    string
	engine *policy.Engine
	g      *Gateway
	now    time.Time
	given  []*policy.Given
	next   int
	rights []*Right
}

// files writes the policy's files.
func (w *saidWorld) files(list, rules, team string) {
	for name, text := range map[string]string{
		"people.yaml": "people:\n  alice: {}\n  bob: {}\n  dave: {}\ngroups:\n  team: [" + team + "]\n",
		"grants.yaml": list, "more.cedar": rules,
	} {
		if err := os.WriteFile(filepath.Join(w.dir, name), []byte(text), 0o644); err != nil {
			w.t.Fatal(err)
		}
	}
}

func newSaidWorld(t *rapid.T, dir string) *saidWorld {
	w := &saidWorld{t: t, dir: dir, now: time.Date(2026, 11, 23, 8, 30, 0, 0, time.UTC)} // a Monday
	w.files(saidGrants[1], saidRules[0], "dave")
	_ = os.Remove(filepath.Join(dir, "..", "revocations.json")) // of the try before
	d, err := grants.OpenDenials(filepath.Join(dir, "..", "revocations.json"))
	if err != nil {
		t.Fatal(err)
	}
	if w.engine, err = policy.NewEngine(dir); err != nil {
		t.Fatal(err)
	}
	snap := tmux.NewSnapshot(tmux.Snapshot{Version: tmux.Reference()})
	w.g = New(Parts{Policy: w.engine, Denials: d, Servers: still{snap}, Log: mute{}, Now: func() time.Time { return w.now }})
	w.g.clock.passed = func() time.Duration { return 0 }
	l := &Live{g: w.g, who: identity.Supposed(identity.Subject{Person: "bob", Account: "bob", UID: -1, Door: "tmux"})}
	for _, n := range []Need{
		{Whole: true, Verbs: access.SetOf(access.View), Object: saidOn(access.Session)},
		{Verb: access.Type, Object: saidOn(access.Pane)},
		{Verb: access.Resize, Object: saidOn(access.Session)},
		Everything(saidOn(access.Server)),
		Joining(saidOn(access.Session)),
	} {
		w.rights = append(w.rights, l.Right(n))
	}
	return w
}

// saidOn is alice's server, the session of it, or the pane.
func saidOn(kind access.Kind) access.Object {
	o := access.Object{Kind: kind, Owner: "alice", Incarnation: "i"}
	if kind >= access.Session {
		o.Session = access.SessionRef{ID: 1, Name: "s0"}
	}
	return o
}

// move puts what is given in force, as the daemon does.
func (w *saidWorld) move() {
	w.engine.Move(policy.Moving{Given: w.given, Taken: w.g.Denials.Revoked, At: w.g.Time()})
}

// change is one thing that happens, with what the daemon does behind it.
func (w *saidWorld) change() string {
	t, pick := w.t, func(of int) int { return rapid.IntRange(0, of-1).Draw(w.t, "pick") }
	who := []string{"bob", "dave"}[pick(2)]
	on := saidOn([]access.Kind{access.Server, access.Session, access.Pane}[pick(3)])
	what := rapid.SampledFrom([]string{"time", "time", "give", "take back", "deny", "lock", "lift", "files", "look"}).Draw(t, "what")
	switch what {
	case "time":
		w.now = w.now.Add(time.Duration(rapid.SampledFrom([]int{1, 300, 1000, 1001, 60_000, 900_000, 3_600_000}).Draw(t, "ms")) * time.Millisecond)
	case "give":
		g := policy.Given{ID: fmt.Sprint(w.next), Who: []string{"bob", "@team", "dave"}[pick(3)], What: "typist", On: on,
			Giver: identity.Subject{Person: []string{"alice", "dave"}[pick(2)], UID: -1, Door: "ctl"}}
		if pick(2) == 0 {
			g.What, g.Verbs = "owner", access.TmuxVerbs.With(access.SetOf(access.Share))
		} else {
			g.Verbs, _ = access.Typist.Verbs()
		}
		if pick(2) == 0 {
			g.Until = w.now.Add(time.Duration(pick(3600)) * time.Second)
		}
		if pick(3) == 0 {
			g.From = w.now.Add(time.Duration(pick(1800)) * time.Second)
		}
		w.next++
		w.given = append(w.given[:len(w.given):len(w.given)], g.Ready())
		w.move()
	case "take back":
		if n := len(w.given); n > 0 {
			w.given = append([]*policy.Given{}, w.given[1:]...)
			w.move()
		}
	case "deny", "lock":
		den := grants.Denial{Person: who, Scope: on, Target: on.String(), By: "alice", At: w.now}
		if what == "lock" {
			den.Person, den.Lock, den.Views = "", true, pick(2) == 0
		}
		_ = w.g.Denials.Deny(den) // no disk
		if !den.Lock {
			w.engine.Bump()
		}
	case "lift":
		if _, err := w.g.Denials.Lift(w.g.Denials.List()); err != nil {
			t.Fatal(err)
		}
		w.engine.Bump()
	case "files":
		w.files(saidGrants[pick(len(saidGrants))], saidRules[pick(len(saidRules))], []string{"dave", "bob, dave"}[pick(2)])
		if err := w.engine.Reload(w.dir); err != nil {
			t.Fatal(err)
		}
	}
	w.g.forget() // everybody is decided anew
	return what
}

// A verdict by what is remembered of the policy is the one that the policy would give: whatever is
// given, taken back, over, denied, locked down or lifted, and whatever becomes of the files.
func TestSaysAsThePolicyWould(t *testing.T) {
	base, err := os.MkdirTemp("/dev/shm", "says") // to lift syncs a lot
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(base) })
	dir := filepath.Join(base, "policy")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	asked, kept := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		w := newSaidWorld(t, dir)
		for step := range rapid.IntRange(5, 40).Draw(t, "steps") {
			what := w.change()
			w.engine.At(w.g.Time()) // what counts is found out beside
			for i, r := range w.rights {
				if asked++; w.g.still(r.said.last.Load(), w.g.Time()) {
					kept++
				}
				got, want := r.Decide(), r.l.Decide(r.need)
				if got.Allow != want.Allow || got.Rule != want.Rule || got.Reason != want.Reason || got.Obligations != want.Obligations {
					t.Fatalf("step %d (%s), right %d at %v: by memory %v, anew %v", step, what, i, w.now, got, want)
				}
				if got.Allow && !want.Expires.IsZero() && (got.Expires.IsZero() || got.Expires.After(want.Expires)) {
					t.Fatalf("step %d (%s), right %d at %v: by memory until %v, anew until %v", step, what, i, w.now, got.Expires, want.Expires)
				}
			}
		}
	})
	if kept == 0 || kept == asked {
		t.Errorf("of %d answers %d were from memory: nothing is compared", asked, kept)
	}
}

// What is said to somebody rests on it that the two are the same.
func TestRuleDefault(t *testing.T) {
	if RuleDefault != policy.Default {
		t.Errorf("nothing permits by the rule %q, and refusals are worded for %q", policy.Default, RuleDefault)
	}
}
