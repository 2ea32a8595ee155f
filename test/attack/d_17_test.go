package attack

import (
	"bytes"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// Bob looks at the session that the owner works in, and came after her, so of
// all displays his was used last. He wants what the owner asks for at a prompt to
// happen on his: her popup, her messages, the session that she goes to; or that
// her detaching throws him out and leaves her terminal open. What names no client
// means the owner's own.
func TestD17OwnersClient(t *testing.T) {
	t.Parallel()
	row{teeth: "teeth_mine", gains: 3, restless: true, attack: func(w *world) {
		alice := w.Terminal(owner, tmuxtest.TerminalConfig{}, "attach", "-t", "shared")
		alice.WaitFor("recording")
		hers := w.displayOf("shared")
		come := func(before ...*tmuxtest.Terminal) *tmuxtest.Terminal {
			leave(before...)
			tmuxtest.Eventually(w.t, func() bool { return len(w.displaysBut(hers)) == 0 }, "only the owner is there")
			x := w.attach(viewer, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/shared")
			x.WaitFor("recording")
			return x
		}
		bob := come()

		v, err := tmux.ParseVersion(w.server.Run("display-message", "-p", "#{version}"))
		if err != nil {
			w.t.Fatal(err)
		}
		if v.AtLeast(tmux.Version{Major: 3, Minor: 3}) { // before, it could not name a client
			w.Must(owner, "display-message", "said-to-alice")
			w.shownTo(alice, bob, "said-to-alice")
			bob = come(bob)
			leave(alice)
			tmuxtest.Eventually(w.t, func() bool { return len(w.displaysBut("")) == 1 }, "the owner has left")
			w.Must(owner, "display-message", "said-to-nobody")
			w.server.Run("display-message", "-c", w.displaysBut("")[0], "said-to-bob")
			bob.WaitTold("said-to-bob") // it goes by itself
			if saw(bob, "said-to-nobody") {
				w.gain("what the owner says while she is away is shown to bob")
			}
			alice = w.Terminal(owner, tmuxtest.TerminalConfig{}, "attach", "-t", "shared")
			alice.WaitFor("recording")
			hers = w.displaysBut(w.displaysBut("")[0])[0]
			bob = come(bob)
		} else {
			tmuxtest.Missing(w.t, "tmux %s cannot be told whom a message is for: its messages were not looked at", v)
		}
		asked := w.Terminal(owner, tmuxtest.TerminalConfig{}, "display-popup", "-E", "echo popup-of-alice; read x")
		w.shownTo(alice, bob, "popup-of-alice")
		if w.control {
			w.server.Run("display-popup", "-C", "-c", w.displaysBut(hers)[0])
		} else {
			alice.Type("\r")
		}
		asked.ExitCode()

		bob = come(bob)
		w.Must(owner, "switch-client", "-t", "secret")
		if !soonIf(!w.control, func() bool { return w.at(hers) == "secret" }) && w.at(hers) != "secret" {
			w.gain("the owner stays where she was")
		}
		w.server.Run("switch-client", "-c", hers, "-t", "shared")
		bob = come(bob)
		w.Must(owner, "detach-client")
		w.soon(func() bool { return alice.Exited() || bob.Exited() })
		if !alice.Exited() {
			w.gain("the owner is still attached, bob is not")
			leave(alice)
		}
		if !w.control && bob.Exited() {
			w.gain("bob was detached")
		}
	}}.run(t)
}

// at is the session that a client shows.
func (w *world) at(client string) string {
	w.t.Helper()
	for l := range strings.Lines(w.server.Run("list-clients", "-F", "#{client_name} #{client_session}")) {
		if name, session, _ := strings.Cut(strings.TrimSpace(l), " "); name == client {
			return session
		}
	}
	return ""
}

// displaysBut lists the displays of others at shared.
func (w *world) displaysBut(hers string) (all []string) {
	w.t.Helper()
	for name := range strings.FieldsSeq(w.server.Run("list-clients", "-t", "shared", "-F", "#{client_name}")) {
		if strings.HasPrefix(name, "/dev/") && name != hers {
			all = append(all, name)
		}
	}
	return all
}

// shownTo waits until text is on one of two terminals; that it is on the second
// is a gain.
func (w *world) shownTo(hers, theirs *tmuxtest.Terminal, text string) {
	w.t.Helper()
	tmuxtest.Eventually(w.t, func() bool { return saw(hers, text) || saw(theirs, text) }, "%q is shown", text)
	if saw(theirs, text) {
		w.gain("%q is shown to bob", text)
	}
}

// saw reports whether text was ever on a terminal.
func saw(x *tmuxtest.Terminal, text string) bool { return bytes.Contains(x.Bytes(), []byte(text)) }
