package script

import (
	"slices"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// TestWhoeverTypesDoesNotGovern: carol may type into alice's shell, so she can
// do what that shell can, in alice's name; the log says from which pane. What
// she cannot have it do is to govern: to revoke, or to lift what was revoked,
// or to list it. Alice can, from outside.
func TestWhoeverTypesDoesNotGovern(t *testing.T) {
	h := host.Start(t, host.Config{Policy: map[string]string{"grants.yaml": `grants:
  - {who: mwcarol, role: viewer, on: mwalice/work, reason: looks}
  - {who: mwcarol, role: typist, on: "mwalice/work:0.0", reason: types}
  - {who: mwbob, role: viewer, on: mwalice/work, reason: watches}
`}})
	h.Must(host.Alice, "new-session", "-d", "-x", "200", "-y", "50", "-s", "work", "exec sh")
	pane := h.Must(host.Alice, "display-message", "-p", "-t", "work", "#{pane_id}")
	given := "1"
	if r := h.Muxward(host.Alice, "grant", host.Bob, "viewer", "-t", "work"); r.Code != 0 || !strings.HasPrefix(r.Out, "grant "+given) {
		t.Fatalf("alice grants: %+v", r)
	}
	alice := h.Terminal(host.Alice, tmuxtest.TerminalConfig{Cols: 200, Rows: 50}, "attach", "-t", "work")
	alice.WaitFor("[work]")
	carol := h.Terminal(host.Carol, tmuxtest.TerminalConfig{Cols: 200, Rows: 50}, "attach", "-t", "mwalice/work")
	carol.WaitFor("[work]")
	// say has carol type a line and waits for the word that it prints last.
	say := func(line, word string) {
		t.Helper()
		carol.Type("clear; " + line + "; echo " + word + "'-'$?\r")
		carol.WaitFor(word + "-")
	}
	muxward := func(args string) string { return "MUXWARD_STATE=" + h.State + " " + h.Bin() + " " + args }

	say(muxward("revoke mwbob -t work --reason carol"), "direct")
	if !carol.Contains("ask from outside") || carol.Contains("direct-0") {
		t.Errorf("revoke from inside:\n%s", strings.Join(carol.Screen(), "\n"))
	}
	for word, line := range map[string]string{
		"list": muxward("revoke --list -t work"), "undo": muxward("revoke --undo mwbob -t work"),
		"piped": muxward("revoke mwbob -t work </dev/null 2>&1 | cat; false"), "nested": "sh -c '" + muxward("revoke mwbob -t work") + "'",
		"grant": muxward("grant mwcarol owner -t work"), "lockdown": muxward("lockdown -t work"), "unlock": muxward("unlock -t work"),
		"kick": muxward("kick mwbob"), "back": muxward("grants take-back " + given),
		"session": "setsid -w env " + muxward("revoke mwbob -t work"),
	} {
		say(line, word)
		if carol.Contains(word + "-0") {
			t.Errorf("%s: it is done:\n%s", line, strings.Join(carol.Screen(), "\n"))
		}
	}
	// A job of the server has no terminal; it is inside all the same.
	_, _ = h.Server(host.Alice).Try("run-shell", muxward("revoke mwbob -t work >/dev/null 2>&1; :")) // the log tells
	if r := h.Tmux(host.Bob, "has-session", "-t", "mwalice/work"); r.Code != 0 {
		t.Errorf("bob was revoked: %+v", r)
	}

	// What the shell may do is done, in alice's name, and the log says where.
	say("tmux rename-window -t work renamed-by-carol", "third")
	h.Must(host.Alice, "rename-window", "-t", "work", "renamed-by-alice")
	events := h.Audit()
	find := func(what string, ok func(e host.Event) bool) {
		t.Helper()
		if !slices.ContainsFunc(events, ok) {
			for _, e := range events {
				t.Logf("%s %s inside %q asked %q: %s", e.Kind, e.Person, e.Inside, e.Asked, e.Reason)
			}
			t.Fatalf("the log does not have %s", what)
		}
	}
	here := "mwalice/" + pane
	find("the refused revocation, with its pane", func(e host.Event) bool {
		return e.Kind == "denied" && e.Person == host.Alice && e.Inside == here && slices.Contains(e.Asked, "revoke") &&
			strings.Contains(e.Reason, "outside")
	})
	find("the refused revocation of a job", func(e host.Event) bool {
		return e.Kind == "denied" && e.Person == host.Alice && e.Inside == "mwalice/server" && slices.Contains(e.Asked, "revoke")
	})
	find("the tmux command, with its pane", func(e host.Event) bool {
		return e.Kind == "intent" && e.Allowed && e.Person == host.Alice && e.Inside == here && slices.Contains(e.Asked, "renamed-by-carol")
	})
	find("alice's own from outside, without", func(e host.Event) bool {
		return e.Kind == "intent" && e.Inside == "" && slices.Contains(e.Asked, "renamed-by-alice")
	})

	// From outside, alice governs.
	if r := h.Muxward(host.Alice, "revoke", host.Bob, "-t", "work", "--reason", "alice herself"); r.Code != 0 {
		t.Errorf("alice, from outside: %+v", r)
	}
	if r := h.Tmux(host.Bob, "has-session", "-t", "mwalice/work"); r.Code == 0 {
		t.Error("bob is still let in")
	}
	h.VerifyAudit()
}
