package attack

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/soak"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// paste has a text come to a pane past muxward. It needs no client: tmux 3.7
// takes keys of nobody while a guest's display is the only one.
func paste(s host.Server, pane, text string) {
	s.Run("set-buffer", "-b", "mark", text, ";", "paste-buffer", "-d", "-b", "mark", "-t", pane)
}

func seen(x *tmuxtest.Terminal, text string) bool { return strings.Contains(string(x.Bytes()), text) }

// Carol types on and on while all is frozen, and hopes that some of it still
// gets through. She goes on looking, and is told. In the control run permits and
// verdicts in use are left as they are.
func TestRV07LockedDownWhileTyping(t *testing.T) {
	const typing = standardGrants + "  - {who: mwcarol, role: typist, on: mwalice/rv, reason: types}\n" +
		"  - {who: mwbob, role: viewer, on: mwalice/rv, reason: watches}\n"
	row{grants: typing, teeth: "teeth_revoke", restless: true, gains: 1, attack: func(w *world) {
		rv := newRevocation(w, "addressed", "")
		x := w.attach(typist, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/rv")
		x.WaitFor("recording")
		for i := range soak.N(1000, 5) {
			rv.rec.Reset()
			k := typeAlong(x)
			tmuxtest.Eventually(w.t, func() bool { return rv.rec.Len() > 4+i%13 }, "carol's keys reach the pane")
			began := time.Now()
			if r := w.Muxward(owner, "lockdown", "--reason", "incident"); r.Code != 0 {
				w.t.Errorf("trial %d: %+v", i, r)
			}
			inTime(w.t, began, 5*time.Second, "trial %d: locked down", i)
			paste(w.server, rv.pane, "|")
			before := k.pressed.Load()
			tmuxtest.Eventually(w.t, func() bool { return k.pressed.Load() > before+8 }, "carol goes on typing")
			close(k.stop)
			<-k.stopped
			if !w.control {
				x.WaitTold("locked down by mwalice: incident")
			}
			paste(w.server, rv.pane, "!")
			var late []byte
			tmuxtest.Eventually(w.t, func() bool {
				_, late, _ = bytes.Cut(rv.rec.Bytes(), []byte("|"))
				return bytes.IndexByte(late, '!') >= 0
			}, "the owner's marks")
			if late, _, _ = bytes.Cut(late, []byte("!")); len(late) > 0 {
				w.gain("trial %d: %d keys reached the pane after lockdown had returned", i, len(late))
			}
			// Bob, who looks at nothing, wants to begin just then.
			y := w.Terminal(viewer, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/rv")
			tmuxtest.Eventually(w.t, func() bool { return seen(y, "locked down by mwalice: incident") || seen(y, "recording") }, "bob is told, or gets in")
			if seen(y, "recording") {
				w.gain("trial %d: bob got in: %q", i, y.Bytes())
			}
			leave(y)
			if r := w.Muxward(owner, "unlock"); r.Code != 0 {
				w.t.Errorf("trial %d: unlock: %+v", i, r)
			}
			if i == 0 { // the control run: nothing else keeps bob out
				y := w.Terminal(viewer, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/rv")
				y.WaitFor("recording")
				leave(y)
			}
			if x.Exited() {
				w.t.Fatal("carol's display was closed")
			}
		}
		leave(x)
	}}.run(t)
}

// The host is locked down while the tmux server is stopped, and while the disk
// is full. It returns within five seconds and says what it could not confirm; it
// holds all the same, and when the server goes on nothing arrives that was typed.
func TestRV07LockedDownOnABadDay(t *testing.T) {
	disk := mounted(t, "size=16m,mode=0711")
	b := lay(t, host.Config{State: disk + "/state"})
	c := b.Terminal(typist, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/shared")
	c.WaitFor("recording")
	locked := func(what string) {
		t.Helper()
		began := time.Now()
		r := b.Muxward(root, "lockdown", "--host", "--reason", what)
		inTime(t, began, 5*time.Second, "%s: %s", what, strings.TrimSpace(r.Err))
		if r.Code != 0 && !strings.Contains(r.Err, "not confirmed") && !strings.Contains(r.Err, "not recorded") &&
			!strings.Contains(r.Err, "survive a restart") {
			t.Errorf("%s: %+v", what, r)
		}
	}
	unlocked := func() {
		t.Helper()
		tmuxtest.Eventually(t, func() bool { return b.Muxward(root, "unlock", "--host").Code == 0 }, "it is unlocked")
	}
	for range soak.N(20, 1) {
		signal(t, b.server.PID, sigStop)
		late := "late" + randomWord()
		c.Type(late)
		locked("tmux is stopped")
		later := "later" + randomWord()
		c.Type(later)
		// A pane of it is found, too, by what was known of it last.
		began := time.Now()
		if r := b.Muxward(owner, "lockdown", "-t", "shared:0.0"); r.Code == 0 || !strings.Contains(r.Err, "not confirmed: mwalice's tmux server does not answer") {
			t.Errorf("a pane, while tmux is stopped: %+v", r)
		}
		inTime(t, began, 6*time.Second, "a pane, while tmux is stopped")
		if r := b.Muxward(owner, "lockdown", "--list"); !strings.Contains(r.Out, "mwalice/shared:0.0") {
			t.Errorf("the pane is not locked down: %+v", r)
		}
		signal(t, b.server.PID, sigCont)
		if r := b.Muxward(owner, "unlock", "-t", "shared:0.0"); r.Code != 0 {
			t.Errorf("the pane is not unlocked: %+v", r)
		}
		c.WaitTold("locked down by root")
		paste(b.server, "shared:0.0", "mark"+late)
		b.arrived("mark" + late)
		if got := string(b.rec.Bytes()); strings.Contains(got, later) {
			t.Errorf("typed behind the lockdown, and arrived: %q", got)
		}
		unlocked()
		b.typed(typist, "u"+randomWord())

		fill(t, disk)
		locked("the disk is full")
		if r := b.Tmux(owner, "send-keys", "-t", "shared:0.1", "x"); r.Code == 0 || !strings.Contains(r.Err, "locked down by root") {
			t.Errorf("on a full disk: %+v", r)
		}
		if err := os.Remove(disk + "/filler"); err != nil {
			t.Fatal(err)
		}
		unlocked()
		b.turnsGreen()
		b.typed(typist, "v"+randomWord()) // the control run
	}
}

// A lockdown outlives muxward, and a broken policy: with one nothing is opened
// at all, and with the policy mended it is still locked down. The control run is
// the end of it.
func TestRV07LockedDownForGood(t *testing.T) {
	t.Parallel()
	b := lay(t, host.Config{})
	if r := b.Muxward(owner, "lockdown"); r.Code != 0 {
		t.Fatalf("lockdown: %+v", r)
	}
	b.Kill()
	b.WritePolicy("grants.yaml", "grants: [")
	if err := b.TryRun(); err == nil {
		t.Fatal("muxward runs with a broken policy")
	}
	if r := b.Tmux(typist, "send-keys", "-t", "mwalice/shared:0.0", "x"); r.Code == 0 {
		t.Errorf("nothing is open, and carol types: %+v", r)
	}
	b.WritePolicy("grants.yaml", bedGrants)
	b.Run()
	for _, who := range []string{typist, owner} {
		if r := b.Tmux(who, "send-keys", "-t", "mwalice/shared:0.0", "x"); r.Code == 0 || !strings.Contains(r.Err, "locked down by mwalice") {
			t.Errorf("%s after a restart: %+v", who, r)
		}
	}
	if r := b.Muxward(owner, "unlock"); r.Code != 0 {
		t.Errorf("unlock: %+v", r)
	}
	b.typed(typist, "again")
}
