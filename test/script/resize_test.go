package script

import (
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// TestLosingResize: whose terminal may size a session no longer does so once
// that right is gone, though they go on watching; and does again when it is
// back.
func TestLosingResize(t *testing.T) {
	with := func(role string) string {
		return "grants:\n  - {who: mwbob, role: " + role + ", on: mwalice/work, reason: he watches}\n"
	}
	h := host.Start(t, host.Config{Policy: map[string]string{"grants.yaml": with("operator")}})
	h.Must(host.Alice, "new-session", "-d", "-s", "work", "cat")
	b := h.Terminal(host.Bob, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/work")
	b.WaitFor("work")
	flags := func() string { return listed(h.Server(host.Alice), "#{client_flags}") }
	if got := flags(); strings.Contains(got, "ignore-size") {
		t.Fatalf("an operator's display: %s", got)
	}
	for _, tc := range []struct {
		role    string
		ignored bool
	}{{"viewer", true}, {"operator", false}, {"typist", true}} {
		h.Reload("grants.yaml", with(tc.role))
		// In force means that decisions go by it; displays follow.
		tmuxtest.Eventually(t, func() bool { return strings.Contains(flags(), "ignore-size") == tc.ignored },
			"a %s's display ignores sizes: %v", tc.role, tc.ignored)
	}
	b.Type("\x02d")
	if code := b.ExitCode(); code != 0 {
		t.Errorf("exit %d: %s", code, b.Screen())
	}
}

// listed is what a format says of each client of work, without muxward's own connection,
// which is attached there from 3.4 on.
func listed(server host.Server, format string) string {
	var others strings.Builder
	for line := range strings.Lines(server.Run("list-clients", "-t", "work", "-F", "#{?#{m:*control-mode*ignore-size*,#{client_flags}},own,"+format+"}")) {
		if strings.TrimSpace(line) != "own" {
			others.WriteString(line)
		}
	}
	return others.String()
}

// TestDetachingWhatKeepsTheSize: beside a guest who may not size windows hangs a
// client that keeps their display from it. An owner who sends that one away
// sends the guest away, and nothing of both is left in the list.
func TestDetachingWhatKeepsTheSize(t *testing.T) {
	h := host.Start(t, host.Config{Policy: map[string]string{
		"grants.yaml": "grants:\n  - {who: mwbob, role: viewer, on: mwalice/work, reason: he watches}\n"}})
	h.Must(host.Alice, "new-session", "-d", "-s", "work", "cat")
	server := h.Server(host.Alice)
	b := h.Terminal(host.Bob, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/work")
	b.WaitFor("work")
	clients := func() string {
		return listed(server, "#{client_control_mode} #{client_name}")
	}
	tmuxtest.Eventually(t, func() bool { return strings.Contains(clients(), "1 ") }, "something keeps bob's size away")
	detached := 0
	for line := range strings.Lines(clients()) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "1 "); ok {
			server.Run("detach-client", "-t", name)
			detached++
		}
	}
	if detached != 1 {
		t.Fatalf("%d clients keep bob's size away", detached)
	}
	if code := b.ExitCode(); code != 0 || !b.Contains("[detached (from session mwalice/work)]") {
		t.Errorf("bob's client exits %d: %q", code, b.Screen())
	}
	tmuxtest.Eventually(t, func() bool { return clients() == "" }, "nobody is left")
}

// TestGuestsShareWhatKeepsTheSize: one client keeps the displays of all guests of a session
// from sizing windows, for as long as one of them is there. Whoever detaches it sends all of
// them away.
func TestGuestsShareWhatKeepsTheSize(t *testing.T) {
	h := host.Start(t, host.Config{Policy: map[string]string{"grants.yaml": "grants:\n" +
		"  - {who: mwbob, role: viewer, on: mwalice/work, reason: he watches}\n" +
		"  - {who: mwcarol, role: viewer, on: mwalice/work, reason: she watches}\n"}})
	h.Must(host.Alice, "new-session", "-d", "-x", "80", "-y", "24", "-s", "work", "cat")
	server := h.Server(host.Alice)
	clients := func() (displays int, keepers []string) {
		for line := range strings.Lines(listed(server, "#{client_control_mode} #{client_name}")) {
			if name, ok := strings.CutPrefix(strings.TrimSpace(line), "1 "); ok {
				keepers = append(keepers, name)
			} else {
				displays++
			}
		}
		return displays, keepers
	}
	size := func() string {
		return server.Run("display-message", "-p", "-t", "work", "#{window_width}x#{window_height}")
	}
	before := size()
	come := func(who string) *tmuxtest.Terminal {
		x := h.Terminal(who, tmuxtest.TerminalConfig{Cols: 41, Rows: 11}, "attach", "-t", "mwalice/work")
		x.WaitFor("work")
		return x
	}
	bob, carol := come(host.Bob), come(host.Carol)
	if displays, keepers := clients(); displays != 2 || len(keepers) != 1 {
		t.Fatalf("%d displays, and their sizes are kept away by %v", displays, keepers)
	}
	bob.Type("\x02d")
	if code := bob.ExitCode(); code != 0 {
		t.Errorf("bob's client exits %d: %q", code, bob.Screen())
	}
	tmuxtest.Eventually(t, func() bool { displays, _ := clients(); return displays == 1 }, "bob has left")
	if _, keepers := clients(); len(keepers) != 1 || size() != before || carol.Exited() {
		t.Errorf("bob has left: carol's size is kept away by %v, and the window is %s", keepers, size())
	}
	bob = come(host.Bob)
	_, keepers := clients()
	for _, name := range keepers {
		server.Run("detach-client", "-t", name)
	}
	for who, x := range map[string]*tmuxtest.Terminal{"bob": bob, "carol": carol} {
		if code := x.ExitCode(); code != 0 || !x.Contains("[detached (from session mwalice/work)]") {
			t.Errorf("%s's client exits %d: %q", who, code, x.Screen())
		}
	}
	tmuxtest.Eventually(t, func() bool { displays, keepers := clients(); return displays+len(keepers) == 0 }, "nobody is left")
	come(host.Carol)
	if displays, keepers := clients(); displays != 1 || len(keepers) != 1 {
		t.Errorf("carol has come again: %d displays, and their sizes are kept away by %v", displays, keepers)
	}
}

// TestDetachingWhatKeepsOnesSize: two guests watch two sessions. An owner who sends away what
// keeps the one display's size from its session leaves the other guest alone, and who is in
// control mode hears of nothing but displays.
func TestDetachingWhatKeepsOnesSize(t *testing.T) {
	h := host.Start(t, host.Config{Policy: map[string]string{"grants.yaml": "grants:\n" +
		"  - {who: mwbob, role: viewer, on: mwalice/work, reason: he watches}\n" +
		"  - {who: mwcarol, role: viewer, on: mwalice/other, reason: she watches}\n"}})
	h.Must(host.Alice, "new-session", "-d", "-s", "work", "cat")
	h.Must(host.Alice, "new-session", "-d", "-s", "other", "cat")
	server := h.Server(host.Alice)
	hears := h.Control(host.Alice, "attach-session", "-t", "work")
	hears.Wait("%session-changed ")
	come := func(who, session string) *tmuxtest.Terminal {
		x := h.Terminal(who, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/"+session)
		x.WaitFor(session)
		return x
	}
	carol, bob := come(host.Carol, "other"), come(host.Bob, "work")
	keeps := func(session string) (names []string) {
		for line := range strings.Lines(server.Run("list-clients", "-t", session, "-F", "#{client_flags} #{client_name}")) {
			if flags, name, _ := strings.Cut(strings.TrimSpace(line), " "); strings.Contains(flags, "control-mode") && strings.Contains(flags, "no-output") && !strings.Contains(flags, "ignore-size") {
				names = append(names, name)
			}
		}
		return names
	}
	theirs := keeps("work")
	if len(theirs) != 1 || len(keeps("other")) != 1 {
		t.Fatalf("bob's size is kept away by %v, carol's by %v", theirs, keeps("other"))
	}
	server.Run("detach-client", "-t", theirs[0])
	if code := bob.ExitCode(); code != 0 || !bob.Contains("[detached (from session mwalice/work)]") {
		t.Errorf("bob's client exits %d: %q", code, bob.Screen())
	}
	if left := keeps("other"); len(left) != 1 || carol.Exited() {
		t.Errorf("bob was sent away: carol's size is kept away by %v, and she has left: %v", left, carol.Exited())
	}
	carol.Type("\x02d")
	if code := carol.ExitCode(); code != 0 {
		t.Errorf("carol's client exits %d: %q", code, carol.Screen())
	}
	tmuxtest.Eventually(t, func() bool { return len(keeps("other")) == 0 }, "nothing of carol's is left")
	hears.Say("display-message -p that-is-all")
	hears.Wait("that-is-all")
	for _, line := range hears.Said() {
		if strings.Contains(line, "client-") && !strings.Contains(line, " /dev/") {
			t.Errorf("alice heard %q", line)
		}
	}
}

// TestLosingResizeThatWasNotUsed: carol holds every verb and asks herself that
// her terminal size nothing. Once she only looks she has no choice any more: it
// still sizes nothing, also where nobody else is attached, and she goes on
// watching.
func TestLosingResizeThatWasNotUsed(t *testing.T) {
	with := func(role, on string) string {
		return "grants:\n  - {who: mwcarol, role: " + role + ", on: " + on + ", reason: helps}\n"
	}
	h := host.Start(t, host.Config{Policy: map[string]string{"grants.yaml": with("owner", "mwalice")}})
	h.Must(host.Alice, "new-session", "-d", "-x", "80", "-y", "24", "-s", "work", "cat")
	server := h.Server(host.Alice)
	c := h.Terminal(host.Carol, tmuxtest.TerminalConfig{Cols: 41, Rows: 11}, "attach", "-f", "ignore-size", "-t", "mwalice/work")
	c.WaitFor("work")
	size := func() string {
		return server.Run("display-message", "-p", "-t", "work", "#{window_width}x#{window_height}")
	}
	h.Reload("grants.yaml", with("viewer", "mwalice/work"))
	tmuxtest.Eventually(t, func() bool {
		for line := range strings.Lines(server.Run("list-clients", "-t", "work", "-F", "#{client_flags}")) {
			if strings.Contains(line, "control-mode") && !strings.Contains(line, "ignore-size") {
				return true
			}
		}
		return false
	}, "something keeps her size away")
	before := size()
	c.Resize(60, 20)
	// After her size was taken in. What she is told may be drawn over by what tmux
	// draws for the new size: then she is told again.
	tmuxtest.Eventually(t, func() bool {
		c.Type("x")
		return strings.Contains(strings.Join(c.Screen(), "\n"), "not permitted")
	}, "she is told that she may not type")
	if now := size(); now != before {
		t.Errorf("the window was %s and is %s", before, now)
	}
	c.Type("\x02d")
	if code := c.ExitCode(); code != 0 {
		t.Errorf("exit %d: %s", code, c.Screen())
	}
}
