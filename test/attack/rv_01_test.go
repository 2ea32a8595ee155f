package attack

import (
	"bytes"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/soak"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// Carol types at 200 keys a second while she is revoked, and hopes that some
// of it still slips through: keys that lie in her terminal, in muxward, in the
// pipeline to tmux. And she goes on looking, for what is printed from now on.
// Once `revoke` has returned, not one more byte reaches the pane and not one
// is shown to her, whether her keys are addressed to one pane or, with every
// verb, go to a display of her own; by a revocation of everything or of the
// session alone.
func TestRV01RevokedWhileTyping(t *testing.T) {
	const base = standardGrants + "  - {who: mwcarol, role: viewer, on: mwalice/rv, reason: looks}\n"
	const typing = base + "  - {who: mwcarol, role: typist, on: \"mwalice/rv:0.0\", reason: types}\n"
	const every = base + "  - {who: mwcarol, role: owner, on: mwalice, reason: every verb}\n"
	for _, c := range []struct{ name, grants, mode, target string }{
		{"addressed", typing, "addressed", ""},
		{"direct", every, "direct", ""},
		{"addressed-session", typing, "addressed", "mwalice/rv"},
	} {
		t.Run(c.name, row{grants: c.grants, teeth: "teeth_revoke", restless: true, attack: func(w *world) {
			rv := newRevocation(w, c.mode, c.target)
			trials := soak.N(1000, 20)
			if w.control {
				trials = 2
			}
			for i := range trials {
				rv.trial(i)
			}
		}}.run)
	}
}

// revocation is a session whose first pane records what is typed and whose
// second shows what the owner prints.
type revocation struct {
	w            *world
	rec          *tmuxtest.Recorder
	pane, shown  string
	mode, target string
	typed        atomic.Int64
}

func newRevocation(w *world, mode, target string) *revocation {
	r := &revocation{w: w, rec: tmuxtest.NewRecorder(w.t), mode: mode, target: target}
	r.pane = w.Must(owner, "new-session", "-d", "-x", "80", "-y", "24", "-s", "rv", "-P", "-F", "#{pane_id}", r.rec.Command())
	r.shown = w.Must(owner, "split-window", "-d", "-t", "rv", "-P", "-F", "#{pane_id}", "cat")
	r.rec.WaitReady()
	return r
}

// trial has carol attach, type, and be revoked in the middle of it.
func (r *revocation) trial(i int) {
	w := r.w
	w.t.Helper()
	r.rec.Reset()
	x := w.attach(typist, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/rv")
	x.WaitFor("recording")
	if who := w.Muxward(root, "who", "--json"); i == 0 && !strings.Contains(who.Out, `"`+r.mode+`"`) {
		w.t.Errorf("carol's input is not %s: %+v", r.mode, who)
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	r.typed.Store(0)
	go func() { // 200 keys a second
		defer close(stopped)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				x.Type("k")
				r.typed.Add(1)
			case <-stop:
				return
			}
		}
	}()
	tmuxtest.Eventually(w.t, func() bool { return r.rec.Len() > 4+i%13 }, "carol's keys reach the pane")

	args := []string{"revoke", typist, "--reason", "enough"}
	if r.target != "" {
		args = append(args, "-t", r.target)
	}
	res := w.Muxward(root, args...)
	before := r.typed.Load()
	if res.Code != 0 {
		w.t.Errorf("trial %d: revoke: %+v", i, res)
	}
	// Terminals keep their order: what comes after the owner's marks came
	// after revoke had returned.
	after := fmt.Sprintf("AFTER-%d-", i)
	w.server.Run("send-keys", "-t", r.pane, "|", ";", "send-keys", "-t", r.shown, after, "Enter")
	tmuxtest.Eventually(w.t, func() bool { return r.typed.Load() > before+8 }, "carol goes on typing")
	close(stop)
	<-stopped
	r.judge(i, x, after)
	x.Close()
	if res := w.Muxward(root, append([]string{"revoke", "--undo", typist}, args[4:]...)...); res.Code != 0 {
		w.t.Errorf("trial %d: undo: %+v", i, res)
	}
}

// judge looks at what came through after the marks.
func (r *revocation) judge(i int, x *tmuxtest.Terminal, after string) {
	w := r.w
	w.t.Helper()
	tmuxtest.Eventually(w.t, func() bool { return bytes.IndexByte(r.rec.Bytes(), '|') >= 0 }, "the owner's mark")
	// One more round trip through the server: what was on its way is there.
	w.server.Run("send-keys", "-t", r.pane, "!")
	var late []byte
	tmuxtest.Eventually(w.t, func() bool {
		_, late, _ = bytes.Cut(r.rec.Bytes(), []byte("|"))
		return bytes.IndexByte(late, '!') >= 0
	}, "the owner's second mark")
	if late = bytes.Trim(late, "!"); len(late) > 0 {
		w.gain("trial %d: %d keys reached the pane after revoke had returned", i, len(late))
	}
	if w.control {
		soon(func() bool { return bytes.Contains(x.Bytes(), []byte(after)) })
		if bytes.Contains(x.Bytes(), []byte(after)) {
			w.gain("trial %d: what was printed later was shown", i)
		}
		leave(x)
		return
	}
	if code := x.ExitCode(); code != 1 {
		w.t.Errorf("trial %d: carol's client exits %d", i, code)
	}
	if bytes.Contains(x.Bytes(), []byte(after)) {
		w.gain("trial %d: what was printed after revoke had returned was shown", i)
	}
	if again := w.Tmux(typist, "attach", "-t", "mwalice/rv"); again.Code == 0 || again.Out != "" {
		w.gain("trial %d: carol got in again: %+v", i, again)
	}
}
