package attack

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// Carol holds every verb of alice's, and types an Escape to a display that takes it as it is. tmux
// waits whether it is the begin of a longer key, for three seconds, as alice has it. Meanwhile one
// verb is taken from Carol. She hopes that the Escape is typed when she is told that this is done.
// In the control run nothing is decided anew.
func TestTM23BegunKey(t *testing.T) {
	t.Parallel()
	row{grants: tm23Every, teeth: "teeth_revoke", restless: true, attack: func(w *world) {
		x, typed := w.typesDirectly(3 * time.Second)
		x.Type("\x1b")
		tmuxtest.Eventually(w.t, func() bool { return w.keyBytes() > typed+1 }, "the begin of a key is in the log")
		w.reloaded(tm23ButOne)
		before := w.escapesSoFar()
		w.typedBehind(before, 3*time.Second)
	}}.run(t)
}

// Carol does the same with an Escape that tmux holds for a second and a half, and a verb is taken
// from her: muxward waits for that key. Meanwhile all of alice's is locked down, by somebody else. She
// hopes that it is typed when that is done.
func TestTM23BegunKeyLockedDown(t *testing.T) {
	t.Parallel()
	row{grants: tm23Every, teeth: "teeth_revoke", restless: true, attack: func(w *world) {
		x, typed := w.typesDirectly(1500 * time.Millisecond)
		x.Type("\x1b")
		tmuxtest.Eventually(w.t, func() bool { return w.keyBytes() > typed+1 }, "the begin of a key is in the log")
		w.Reload("grants.yaml", tm23ButOne)
		if !w.control {
			tmuxtest.Eventually(w.t, w.typing("addressed"), "carol's input is to be addressed")
		}
		r := w.Muxward(root, "lockdown", "-t", "mwalice", "--reason", "enough")
		before := w.escapesSoFar()
		if r.Code != 0 && !w.control {
			w.t.Errorf("lockdown: %+v", r)
		}
		w.typedBehind(before, 1500*time.Millisecond)
	}}.run(t)
}

// Carol types the Escape while tmux is too busy to read it, and a verb is taken from her before it
// has. tmux holds the key from then on. She hopes that it is typed when she is told that this is done.
func TestTM23BegunKeyReadLate(t *testing.T) {
	t.Parallel()
	row{grants: tm23Every, teeth: "teeth_revoke", restless: true, attack: func(w *world) {
		x, typed := w.typesDirectly(1500 * time.Millisecond)
		signal := func(s syscall.Signal) {
			if err := syscall.Kill(w.server.PID, s); err != nil {
				w.t.Error(err)
			}
		}
		signal(syscall.SIGSTOP)
		x.Type("\x1b")
		tmuxtest.Eventually(w.t, func() bool { return w.keyBytes() > typed+1 }, "the begin of a key is in the log")
		time.AfterFunc(300*time.Millisecond, func() { signal(syscall.SIGCONT) }) // whenever it is: nobody is typed for behind that
		w.reloaded(tm23ButOne)
		before := w.escapesSoFar()
		w.typedBehind(before, 1500*time.Millisecond)
	}}.run(t)
}

// holdsEscape is for how long tmux holds an Escape. In the control run all that is done meanwhile has to be over by then.
func (w *world) holdsEscape(escapeTime time.Duration) time.Duration {
	if w.control {
		return 3 * escapeTime
	}
	return escapeTime
}

// typesDirectly has carol at a display that takes her keys as they are, where tmux waits so long
// behind an Escape, and has come to her first key; typed is how many bytes of hers the log has before that.
func (w *world) typesDirectly(escapeTime time.Duration) (x *tmuxtest.Terminal, typed int) {
	w.t.Helper()
	w.anyInput = true
	w.server.Run("set-option", "-s", "escape-time", strconv.FormatInt(w.holdsEscape(escapeTime).Milliseconds(), 10))
	x = w.attach(typist, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/shared")
	x.WaitFor("recording")
	tmuxtest.Eventually(w.t, w.typing("direct"), "carol's input is direct")
	there, typed := w.rec.Len(), w.keyBytes()
	x.Type("a")
	w.rec.WaitLen(there + 1)
	return x, typed
}

// typing reports whether somebody's input is of a kind.
func (w *world) typing(is string) func() bool {
	return func() bool { return strings.Contains(w.Muxward(root, "who", "--json").Out, `"`+is+`"`) }
}

// typedBehind counts it as a gain if more Escapes than before were typed when tmux has waited as long as it does.
func (w *world) typedBehind(before int, escapeTime time.Duration) {
	w.t.Helper()
	over := w.holdsEscape(escapeTime) + 500*time.Millisecond
	w.server.Run("run-shell", "-d", fmt.Sprint(over.Seconds()), "true") // tmux has come to what it waited for by then
	if n := bytes.Count(w.rec.Bytes(), []byte("\x1b")); n > before {
		w.gain("the begun key is typed behind that: %q", clip(w.rec.Bytes()))
	}
}

// escapesSoFar is how many Escapes were typed to the first pane by now. The program there
// may read them later: a mark goes behind them, and it is waited for.
func (w *world) escapesSoFar() int {
	w.t.Helper()
	paste(w.server, "shared:0.0", "behind")
	tmuxtest.Eventually(w.t, func() bool { return bytes.Contains(w.rec.Bytes(), []byte("behind")) }, "the mark is read")
	typed, _, _ := bytes.Cut(w.rec.Bytes(), []byte("behind"))
	return bytes.Count(typed, []byte("\x1b"))
}
