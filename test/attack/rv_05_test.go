package attack

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/soak"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// chained is a right of bob's in the files, and what he lets others do with it.
const chained = `grants:
  - {who: root, role: admin, on: "*", reason: runs it}
  - {who: mwbob, verbs: [view, scroll, type, share], on: mwalice/rv, reason: pairs}
`

const unchained = `grants:
  - {who: root, role: admin, on: "*", reason: runs it}
`

// granted is a world in which rights are given.
type granted struct{ *world }

// give has somebody grant something and gives its number, and when it is over.
func (g granted) give(giver string, args ...string) (id string, until time.Time) {
	g.t.Helper()
	r := g.Muxward(giver, append([]string{"grant", "--json"}, args...)...)
	var made struct {
		ID    int64     `json:"id"`
		Until time.Time `json:"until"`
	}
	if err := json.Unmarshal([]byte(r.Out), &made); r.Code != 0 || err != nil {
		g.t.Fatalf("grant %q: %+v", args, r)
	}
	return strconv.FormatInt(made.ID, 10), made.Until
}

// Carol has what she may do from mallory, who has it from bob, who has it from
// the policy files. Bob loses it: he is revoked, or the files say so no more, or
// mallory's grant is taken back. Carol types and looks on as if nothing had
// happened, and does not get one more byte in or out. In the control run grants
// count whatever becomes of their givers.
func TestRV05GiverIsRevoked(t *testing.T) {
	t.Parallel()
	const verbs = "view,scroll,type,share"
	row{grants: chained, teeth: "teeth_chain", restless: true, gains: 2, attack: func(w *world) {
		g := granted{w}
		rv := newRevocation(w, "addressed", "")
		var ids []string
		rv.before = func() {
			first, _ := g.give(viewer, stranger, "--verbs", verbs, "-t", "mwalice/rv")
			second, _ := g.give(stranger, typist, "--verbs", verbs, "-t", "mwalice/rv", "--for", "1h")
			ids = []string{first, second}
		}
		for name, by := range map[string]struct {
			take func(*tmuxtest.Terminal) host.Result
			undo func() host.Result
		}{
			"revoked": {
				func(*tmuxtest.Terminal) host.Result { return w.Muxward(root, "revoke", viewer, "-t", "mwalice/rv") },
				func() host.Result { return w.Muxward(root, "revoke", "--undo", viewer, "-t", "mwalice/rv") },
			},
			"kicked": {
				func(*tmuxtest.Terminal) host.Result { return w.Muxward(owner, "kick", viewer) },
				func() host.Result { return w.Muxward(owner, "kick", "--undo", viewer) },
			},
			"files": {
				func(x *tmuxtest.Terminal) host.Result { w.Reload("grants.yaml", unchained); return rv.closed(x) },
				func() host.Result { w.Reload("grants.yaml", chained); return host.Result{} },
			},
			"taken back": {
				func(*tmuxtest.Terminal) host.Result {
					if w.control { // it is the giver's own that is taken: no chain
						return w.Muxward(root, "revoke", viewer, "-t", "mwalice/rv")
					}
					return w.Muxward(owner, "grants", "take-back", ids[0])
				},
				func() host.Result { return w.Muxward(root, "revoke", "--undo", viewer, "-t", "mwalice/rv") },
			},
		} {
			rv.take = by.take
			rv.undo = func() {
				by.undo()
				for _, id := range ids {
					w.Muxward(owner, "grants", "take-back", id)
				}
			}
			began, trials := time.Now(), soak.N(250, 1) // a thousand in all
			for i := range trials {
				rv.trial(i)
			}
			w.t.Logf("%s: %d trials in %v", name, trials, time.Since(began).Round(time.Second))
		}
	}}.run(t)
}

// Who gives hands out more than they hold: a verb more, more than the object,
// what they may not share, to themselves by way of a group, or after they lost it.
// In the control run policy lets them have it all.
func TestRV05MoreThanTheyHold(t *testing.T) {
	t.Parallel()
	const held = chained + `  - {who: mwmallory, role: operator, on: mwalice/shared, reason: may not share}
`
	const people = standardPeople + "groups:\n  friends: [mwbob, mwcarol]\n"
	all := chained
	for _, who := range []string{viewer, typist, stranger} {
		all += "  - {who: " + who + ", role: owner, on: \"*\", reason: control run}\n"
	}
	row{people: people, grants: held, loosePeople: people, loose: all, restless: true, gains: 8, attack: func(w *world) {
		w.Must(owner, "new-session", "-d", "-s", "rv", "cat")
		for _, try := range [][]string{
			{viewer, "grant", typist, "operator", "-t", "mwalice/rv"},
			{viewer, "grant", typist, "viewer", "-t", "mwalice"},
			{viewer, "grant", typist, "viewer", "--host"},
			{viewer, "grant", "@friends", "owner", "-t", "mwalice/rv"},
			{viewer, "grant", typist, "--verbs", "execute", "-t", "mwalice/rv:0.0"},
			{viewer, "share", "--role", "operator", "-t", "mwalice/rv"},
			{stranger, "share", "--role", "viewer", "-t", "mwalice/shared"},
			{stranger, "grant", typist, "viewer", "-t", "mwalice/shared"},
			{stranger, "grant", stranger, "--verbs", "share", "-t", "mwalice/shared"},
			{typist, "grant", typist, "viewer", "-t", "mwalice/secret"},
		} {
			if r := w.Muxward(try[0], try[1:]...); r.Code == 0 {
				w.gain("%q: %s", try, r.Out)
			} else if !strings.Contains(r.Err, "not permitted") && !strings.Contains(r.Err, "find session") {
				w.t.Errorf("%q: %+v", try, r)
			}
		}
	}}.run(t)
}

// A grant ends while carol types: at its limit, not one byte more. Each key is decided before
// it, at the moment in which tmux gets it; none waits in muxward until after it. What tmux
// was given in time may come to the pane behind a mark by another connection. In the
// control run the policy files let her type as well.
func TestRV05ExpiredWhileTyping(t *testing.T) {
	t.Parallel()
	for part := range soak.N(4, 1) { // a thousand trials in all: each waits for its time most of it
		t.Run(strconv.Itoa(part), func(t *testing.T) {
			t.Parallel()
			expiredWhileTyping(t, soak.N(250, 10))
		})
	}
}

func expiredWhileTyping(t *testing.T, trials int) {
	t.Helper()
	loose := standardGrants + "  - {who: mwcarol, role: typist, on: mwalice/rv, reason: control run}\n"
	row{loose: loose, restless: true, paused: true, gains: 1, attack: func(w *world) {
		g := granted{w}
		rv := newRevocation(w, "addressed", "")
		var first string
		slow := 0
		rv.before = func() { first, _ = g.give(owner, typist, "typist", "-t", "mwalice/rv", "--for", "1h") }
		rv.take = func(x *tmuxtest.Terminal) host.Result {
			// She is there by then: what ends soon is all that she has left.
			_, until := g.give(owner, typist, "typist", "-t", "mwalice/rv", "--for", "1s")
			rv.over = until
			if r := w.Muxward(owner, "grants", "take-back", first); r.Code != 0 {
				w.t.Errorf("take-back: %+v", r)
			}
			if now := time.Now(); now.After(until) { // a slow machine: it ended by the take-back
				rv.over, slow = now, slow+1
			}
			tmuxtest.Eventually(w.t, func() bool { return !time.Now().Before(until) }, "the time is over")
			rv.says("|") // what comes behind it came later
			return rv.closed(x)
		}
		rv.undo = func() {}
		for i := range trials {
			rv.trial(i)
			if len(w.gains) > 0 {
				break
			}
		}
		w.t.Logf("%d trials, in %d of which the other grant was taken back after the time; %d keys decided in time were with tmux after it, by %v at most",
			trials, slow, rv.handed.late, rv.handed.most)
	}}.run(t)
}
