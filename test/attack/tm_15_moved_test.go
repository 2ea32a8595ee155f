package attack

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/soak"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// watching has bob look at shared, on a terminal and in control mode, and gives
// what each is called at the owner's tmux.
func (w *world) watching() (x *tmuxtest.Terminal, display string, l *host.Lines, lines string) {
	w.t.Helper()
	x = w.attach(viewer, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/shared")
	x.WaitFor("recording")
	before := w.server.Run("list-clients", "-F", "#{client_name}")
	display = w.displayOf("shared")
	l = w.lines(viewer, "attach-session", "-t", "mwalice/shared")
	l.Wait("%session-changed $0 mwalice/shared")
	for _, name := range strings.Fields(w.server.Run("list-clients", "-F", "#{client_name}")) {
		if !strings.Contains(before, name) {
			lines = name
		}
	}
	if display == "" || lines == "" {
		w.t.Fatalf("bob's clients are %q and %q among\n%s", display, lines, w.server.Run("list-clients"))
	}
	return x, display, l, lines
}

// displayOf is the only display of a session, by its name at the owner's tmux.
func (w *world) displayOf(session string) string {
	w.t.Helper()
	out := w.server.Run("list-clients", "-t", session, "-F", "#{client_name}")
	for _, name := range strings.Fields(out) {
		if strings.HasPrefix(name, "/dev/") {
			return name
		}
	}
	w.t.Fatalf("%s has no display among %q", session, out)
	return ""
}

// sentAway: bob has been moved past muxward, and must hear why and nothing else.
func (w *world) sentAway(x *tmuxtest.Terminal, l *host.Lines) {
	w.t.Helper()
	if w.control {
		tmuxtest.Eventually(w.t, func() bool { return x.Contains(w.mark) }, "the secret is on bob's terminal")
		tmuxtest.Eventually(w.t, func() bool { return l.Has(w.mark) }, "the secret is in bob's lines")
		return
	}
	if !w.soon(x.Exited) {
		w.gain("bob's display goes on after it was moved")
	}
	l.Code()
	tmuxtest.Eventually(w.t, func() bool {
		n := 0
		for _, e := range w.Audit() {
			if e.Kind == "detach" && e.Person == viewer && e.Note != "left" {
				n++
			}
		}
		return n == 2
	}, "the log says twice why bob left")
}

// The owner's tmux moves bob's display, and his client in control mode, to the
// secret session, past muxward. Bob, who may look at shared, wants to go on
// looking. He sees nothing of it; his display ends, and he hears why.
func TestTM15MovedDisplay(t *testing.T) {
	t.Parallel()
	row{teeth: "teeth_moved,teeth_control", gains: 2, attack: func(w *world) {
		x, display, l, lines := w.watching()
		for _, name := range []string{display, lines} {
			w.server.Run("switch-client", "-c", name, "-t", "secret")
		}
		w.sentAway(x, l)
	}}.run(t)
}

// The session that bob looks at is killed, and the owner has set that clients
// then go on to another session: the secret one. Bob's do not.
func TestTM15SessionKilled(t *testing.T) {
	t.Parallel()
	row{teeth: "teeth_moved,teeth_control", conf: "set -g detach-on-destroy off\n", gains: 2, restless: true, attack: func(w *world) {
		x, _, l, _ := w.watching()
		w.server.Run("kill-session", "-t", "shared")
		w.sentAway(x, l)
		w.server.Run("new-session", "-d", "-s", "shared", "cat") // that the owner is asked about
	}}.run(t)
}

// Carol types while somebody who acts as the owner disturbs the connection by
// which muxward types: it is moved to another session, detached, paused, given a
// size and cut. She wants a key to be typed twice, or somewhere else. Each is
// typed once or never, in order, and of those that nobody knows of the log says
// so. In the control run such a key is sent again.
func TestTM15ConnectionDisturbed(t *testing.T) {
	t.Parallel()
	const sized = standardGrants + "  - {who: mwcarol, verbs: [resize], on: mwalice/shared, reason: no anchor of hers has the name of the connection}\n"
	row{teeth: "teeth_once", grants: sized, restless: true, attack: func(w *world) {
		var x *tmuxtest.Terminal
		spared := displays(w.t, w.Host, w.server, func() {
			x = w.attach(typist, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/shared")
			x.WaitFor("recording")
		})
		w.anyInput = true // what arrived is looked at here
		name := fmt.Sprintf("client-%d", w.PID())
		const letters = "abcdefghijklmnopqrst"
		reached, given := 0, 0
		trials := soak.N(1000, 12)
		if w.control {
			trials = 1000 // until a key was under way
		}
		for i := range trials {
			w.rec.Reset()
			for j := range letters {
				x.Type(letters[j : j+1])
				if j == 5+i%10 {
					reached += w.disturb(name, i)
					cut(w.t, w.Host, w.server, spared)
				}
			}
			mark := fmt.Sprint(i % 10)
			w.soon(func() bool {
				x.Type(mark)
				return strings.Contains(string(w.rec.Bytes()), mark)
			})
			got := strings.Map(onlyLetters, string(w.rec.Bytes()))
			given += len(letters) - len(got)
			if !inOrder(got, letters) {
				w.gain("trial %d: typed %q, the pane received %q", i, letters, got)
			}
			if w.control && len(w.gains) > 0 {
				break
			}
		}
		w.t.Logf("the connection was reached %d times, %d keys were given up", reached, given)
		if x.Exited() {
			w.t.Errorf("carol was thrown out:\n%s", x.Bytes())
		}
		if n := w.side.Len(); n > 0 {
			w.gain("pane b received %d keys", n)
		}
		if !w.control {
			w.unknown(x, spared)
		}
	}}.run(t)
}

// onlyLetters leaves out the marks of trials, of which others may still come.
func onlyLetters(r rune) rune {
	if r < 'a' {
		return -1
	}
	return r
}

// disturb does to the client of that name what the owner's tmux can do to it,
// each time something else. Where it is no client that tmux would find by its
// name there is nothing to be done.
func (w *world) disturb(name string, i int) (reached int) {
	w.t.Helper()
	for _, args := range [][][]string{
		{{"switch-client", "-c", name, "-t", "secret"}},
		{{"refresh-client", "-t", name, "-A", w.a + ":pause"}, {"refresh-client", "-t", name, "-f", "pause-after=1"}},
		{{"refresh-client", "-t", name, "-C", "90x30"}},
		{{"detach-client", "-t", name}},
	}[i%4] {
		if _, err := w.server.Try(args...); err == nil {
			reached++
		}
	}
	return reached
}

// unknown cuts the connection while a server that stands still has not read a
// key, until the log says that nobody knows of one.
func (w *world) unknown(x *tmuxtest.Terminal, spared map[uint64]bool) {
	w.t.Helper()
	w.rec.Reset()
	typed := 0
	tmuxtest.Eventually(w.t, func() bool {
		signal(w.t, w.server.PID, sigStop)
		x.Type("z")
		typed++
		pause(time.Duration(min(typed, 20)) * 50 * time.Millisecond) // until it is sent, while the server stands still
		cut(w.t, w.Host, w.server, spared)
		signal(w.t, w.server.PID, sigCont)
		return slices.ContainsFunc(w.Audit(), func(e host.Event) bool {
			return e.Kind == "unknown" && e.Person == typist && strings.Contains(e.Note, "may or may not have been typed")
		})
	}, "the log says that a key may or may not have been typed")
	tmuxtest.Eventually(w.t, func() bool {
		x.Type("!")
		return strings.Contains(string(w.rec.Bytes()), "!")
	}, "carol types again")
	if n := strings.Count(string(w.rec.Bytes()), "z"); n > typed {
		w.gain("%d keys were typed %d times", typed, n)
	}
}
