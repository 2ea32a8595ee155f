package attack

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// eyed is the policy of what is typed only while somebody watches.
const eyed = `grants:
  - {who: root, role: admin, on: "*", reason: runs it}
  - {who: mwbob, verbs: [view, type], on: mwalice/shared, requires: watcher, reason: four eyes}
  - {who: mwcarol, verbs: [view, type, approve], on: mwalice/*, requires: watcher, reason: leads}
`

// watchedPane is where the people of these rows type.
const watchedPane = "mwalice/shared:0.0"

// watchers is a world in which people type while others watch.
type watchers struct{ *world }

// types reports whether somebody may type just now.
func (a watchers) types(who string) bool {
	a.t.Helper()
	return a.try(who, "send-keys", "-t", watchedPane, "x").Code == 0
}

// watch has somebody look on until they are counted: bob may then type.
func (a watchers) watch(who string, args ...string) *tmuxtest.Terminal {
	a.t.Helper()
	x := a.attach(who, tmuxtest.TerminalConfig{}, args...)
	tmuxtest.Eventually(a.t, func() bool { return a.types(viewer) }, who+" watches")
	return x
}

// mark has something come to the pane behind all that has come to it so far. It is
// pasted: from 3.7 on tmux types nothing where only guests' displays are attached.
func (a watchers) mark(with string) {
	a.t.Helper()
	a.server.Run("set-buffer", "-b", "mark", with, ";", "paste-buffer", "-d", "-b", "mark", "-t", a.a)
	tmuxtest.Eventually(a.t, func() bool { return bytes.Contains(a.rec.Bytes(), []byte(with)) }, "the mark comes")
}

// behind is what has come to the pane since a mark.
func (a watchers) behind(mark string) string {
	_, after, _ := strings.Cut(string(a.rec.Bytes()), mark)
	return after
}

// typing has somebody type into a terminal until stop is called.
func (a watchers) typing(x *tmuxtest.Terminal) (stop func()) {
	over, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				x.Type("z")
			case <-over:
				return
			}
		}
	}()
	return func() { close(over); <-done }
}

// Carol leads, and may type only while somebody else watches. She watches herself: at a
// terminal of hers, at another one, at a place of her own, and by ssh. In the control run
// everybody who is attached is a watcher.
func TestFE01WatchOneself(t *testing.T) {
	t.Parallel()
	row{grants: eyed, teeth: "teeth_watcher", restless: true, ssh: true, gains: 3, attack: func(w *world) {
		w.anyInput = true
		a := watchers{w}
		for _, args := range [][]string{{"attach-session", "-t", "mwalice/shared"}, {"attach-session", "-f", "independent", "-t", "mwalice/shared"}} {
			x := w.attach(carol, tmuxtest.TerminalConfig{}, args...)
			tmuxtest.Eventually(w.t, func() bool { return a.types(viewer) }, "bob is watched by her")
			if a.types(carol) {
				w.gain("carol watches herself: %q", args)
			}
			x.Type("y")
		}
		s := w.attachSSH(carol, tmuxtest.TerminalConfig{}, "mwalice/shared@127.0.0.1")
		s.WaitFor("[shared]")
		if a.types(carol) {
			w.gain("carol watches herself by ssh")
		}
		if w.control {
			return
		}
		w.attach(owner, tmuxtest.TerminalConfig{}, "attach-session", "-t", "shared")
		tmuxtest.Eventually(w.t, func() bool { return a.types(carol) }, "alice watches her")
	}}.run(t)
}

// Whoever may type in a pane of alice's may use what lies there, and has her watch by
// that: by her key, at the ssh door of the same host. In the control run that is alice.
func TestFE01WatchedByAKeyOfTheOwners(t *testing.T) {
	t.Parallel()
	row{grants: eyed, teeth: "teeth_watcher", restless: true, ssh: true, attack: func(w *world) {
		w.anyInput = true
		a := watchers{w}
		s := w.attachSSH(owner, tmuxtest.TerminalConfig{}, "shared@127.0.0.1")
		s.WaitFor("[shared]")
		if a.types(carol) {
			w.gain("carol is watched by alice's key")
		}
		if w.control {
			return
		}
		w.attach(owner, tmuxtest.TerminalConfig{}, "attach-session", "-t", "shared")
		tmuxtest.Eventually(w.t, func() bool { return a.types(carol) }, "alice watches her")
	}}.run(t)
}
