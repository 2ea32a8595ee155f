package executor

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/tmux"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// What tmux answers tells whether a display shows a session: that one, by its id
// and by its name, whoever else is attached, and whatever else has taken either.
func TestDisplayIsWhereItWasDecided(t *testing.T) {
	s := tmuxtest.Start(t, tmuxtest.Config{})
	s.Run("new-session", "-d", "-s", "x", "-x", "80", "-y", "24", "cat")
	s.Run("new-session", "-d", "-s", "a b,c#{", "-x", "80", "-y", "24", "cat")
	name := func(id string) string {
		return strings.TrimSuffix(s.Run("display-message", "-p", "-t", id+":", "#{session_name}"), "\n")
	}
	odd := name("$1") // as this version keeps it
	x := s.Attach(t, tmuxtest.TerminalConfig{}, "attach", "-t", "$1")
	x.WaitFor("[")
	tty := strings.TrimSpace(s.Run("list-clients", "-t", "$1", "-F", "#{client_name}"))
	v, err := tmux.ParseVersion(strings.TrimSpace(s.Run("display-message", "-p", "#{version}")))
	if err != nil {
		t.Fatal(err)
	}
	c := controlOf(t, s)
	shown := func(tty, id, name string) (shown, sizes bool, pane string) {
		t.Helper()
		session, err := tmux.ParseSessionID(id)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), tmuxtest.Patience)
		defer cancel()
		replies, err := c.Do(ctx, where(tty, session, tmux.ParseOptions{Version: v}))
		if err != nil {
			t.Fatal(err)
		}
		at := &seat{tty: tty}
		shown, sizes = at.shows(replies[0], &stage{session: tmux.Session{ID: session, Name: name}}, 0)
		if p := at.active.Load(); p != nil {
			pane = p.String()
		}
		return shown, sizes, pane
	}
	is := func(what, tty, id, name string, want bool) {
		t.Helper()
		got, _, pane := shown(tty, id, name)
		if got != want || (pane != "") != want {
			t.Errorf("%s: shown %v, pane %q", what, got, pane)
		}
	}
	is("where it is", tty, "$1", odd, true)
	if _, sizes, pane := shown(tty, "$1", odd); !sizes || pane != "%1" {
		t.Errorf("sizes %v, pane %q", sizes, pane)
	}
	is("another session", tty, "$0", "x", false)
	is("another session by the name of this", tty, "$0", odd, false)
	is("a session that is not there", tty, "$7", odd, false)
	is("another client", "/dev/pts/none", "$1", odd, false)
	s.Run("split-window", "-t", "$1:", "cat")
	if _, _, pane := shown(tty, "$1", odd); pane != "%2" {
		t.Errorf("after a split the active pane is %q", pane)
	}
	s.Run("rename-session", "-t", "$1", "new")
	is("with the name it had", tty, "$1", odd, false)
	is("renamed", tty, "$1", "new", true)
	s.Run("rename-session", "-t", "$0", odd)
	is("another with the name it had", tty, "$0", odd, false)
	s.Run("switch-client", "-c", tty, "-t", "$0")
	is("moved away", tty, "$1", "new", false)
	is("moved there", tty, "$0", odd, true)
	s.Run("refresh-client", "-t", tty, "-f", "ignore-size")
	if _, sizes, _ := shown(tty, "$0", odd); sizes {
		t.Error("it is said to have a say in sizes")
	}
	s.Run("detach-client", "-t", tty)
	tmuxtest.Eventually(t, x.Exited, "the client ends")
	is("gone", tty, "$0", odd, false)
}

// Waits that follow each other share a deadline, which none of them finds too near; it
// ends with the person's own context.
func TestPatienceIsShared(t *testing.T) {
	ctx, leave := context.WithCancel(t.Context())
	var p patience
	first := p.within(ctx)
	if p.within(ctx) != first {
		t.Error("the next wait has a deadline of its own")
	}
	p.until = time.Now().Add(keyTime - time.Second) // as later
	second := p.within(ctx)
	if second == first || first.Err() != nil {
		t.Errorf("a wait has %v", first.Err())
	}
	if d, ok := second.Deadline(); !ok || time.Until(d) < keyTime || time.Until(d) > 2*keyTime {
		t.Errorf("a wait ends at %v", d)
	}
	leave()
	if first.Err() == nil || second.Err() == nil {
		t.Error("they outlast the person")
	}
}
