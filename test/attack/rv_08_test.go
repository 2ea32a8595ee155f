package attack

import (
	"bytes"
	"encoding/json"
	"strings"
	"syscall"
	"testing"

	"github.com/muxward/muxward/internal/soak"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// typists lets bob and carol type into pane a.
const typists = standardGrants + `  - {who: mwbob, role: typist, on: "mwalice/shared:0.0", reason: pairs}
`

// keyboards is a world with a lease on pane a.
type keyboards struct{ *world }

// leasedPane is what its people call pane a.
const leasedPane = "mwalice/shared:0.0"

// lease has somebody do something about the lease.
func (k keyboards) lease(who string, args ...string) {
	k.t.Helper()
	if r := k.Muxward(who, append([]string{"lease"}, args...)...); r.Code != 0 {
		k.t.Fatalf("%s: lease %q: %+v", who, args, r)
	}
}

// hand has somebody hand a keyboard over. Who does so again and again waits for their turn.
func (k keyboards) hand(who, to, pane string) {
	k.t.Helper()
	r := host.Result{}
	tmuxtest.Eventually(k.t, func() bool {
		r = k.Muxward(who, "lease", "hand", to, "-t", pane)
		return r.Code == 0 || !strings.Contains(r.Err, "wait a little")
	}, "it is their turn: %+v", &r)
	if r.Code != 0 {
		k.t.Fatalf("%s hands it to %s: %+v", who, to, r)
	}
}

// told is the lease as it is told.
func (k keyboards) told() (l struct{ Holder, Line, Left, Next string }) {
	k.t.Helper()
	list := []struct{ Holder, Line, Left, Next string }{l}
	r := k.Muxward(owner, "leases", "--json")
	if err := json.Unmarshal([]byte(r.Out), &list); err != nil || len(list) != 1 {
		k.t.Fatalf("leases: %v, %+v", err, r)
	}
	return list[0]
}

// at has somebody look at the pane.
func (k keyboards) at(who string) *tmuxtest.Terminal {
	k.t.Helper()
	x := k.attach(who, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/shared")
	x.WaitFor("[shared]")
	return x
}

// mixed reports whether one person's bytes are between another's.
func mixed(got, first, then string) bool {
	rest := strings.TrimLeft(got, first)
	return strings.TrimLeft(rest, then) != ""
}

// Carol has the keyboard, and her connection dies in the middle of a word. Bob types all
// the time, and has the keyboard when it is free: what arrives is her bytes and then his,
// and he is told whose the line is that is begun there. In the control run a lease keeps
// nobody from typing.
func TestRV08HolderDies(t *testing.T) {
	t.Parallel()
	row{grants: typists, teeth: "teeth_lease", restless: true, attack: func(w *world) {
		w.anyInput = true // what arrives is looked at here
		k := keyboards{w}
		for range soak.N(50, 1) {
			w.rec.Reset()
			x, y, z := k.at(carol), k.at(viewer), k.at(viewer) // at z he does not type: what he is told there stays
			k.lease(owner, "on", "-t", leasedPane, "--for", carol, "--grace", "1s")
			arrive := func(key string, n int) bool {
				return soon(func() bool { return strings.Count(string(w.rec.Bytes()), key) >= n })
			}
			for i := range 10 {
				x.Type("c")
				if !arrive("c", i+1) {
					w.t.Fatalf("carol's word did not arrive: %q", w.rec.Bytes())
				}
				y.Type("b")
				if w.control && !arrive("b", i+1) {
					w.t.Fatalf("bob's word did not arrive: %q", w.rec.Bytes())
				}
			}
			if who := k.told().Line; !w.control && who != carol {
				w.t.Errorf("the line that carol has begun is said to be %q's", who)
			}
			x.Signal(syscall.SIGKILL)
			tmuxtest.Eventually(w.t, func() bool {
				y.Type("b")
				return k.told().Holder == ""
			}, "the keyboard is nobody's when carol has been away")
			k.lease(viewer, "ask", "-t", leasedPane)
			if !w.control {
				z.WaitTold("you have the keyboard of " + leasedPane + "; " + carol + " has begun a line there")
			}
			y.Type("bb")
			if !soon(func() bool { return strings.HasSuffix(string(w.rec.Bytes()), "bb") }) {
				w.t.Errorf("bob's word did not arrive: %q", w.rec.Bytes())
			}
			if got := w.rec.Bytes(); mixed(string(got), "c", "b") {
				w.gain("what arrived is %q", got)
			}
			if who := k.told().Line; !w.control && who != carol {
				w.t.Errorf("the line that carol has begun and bob goes on with is said to be %q's", who)
			}
			y.Type("\r")
			tmuxtest.Eventually(w.t, func() bool { return bytes.HasSuffix(w.rec.Bytes(), []byte("\r")) }, "the end of the line arrives")
			if !w.control {
				tmuxtest.Eventually(w.t, func() bool { return k.told().Line == "" }, "with its end no line is begun")
			}
			k.lease(owner, "off", "-t", leasedPane)
			leave(x, y, z)
		}
	}}.run(t)
}
