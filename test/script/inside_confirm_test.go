package script

import (
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// TestConfirmedByAKey: carol types into alice's shell, and has it ask for what only alice
// may do. None of it is done: it waits for a key in a display of alice's that is in no pane,
// which shows all of it and from where it came; neither carol nor the pane can press that.
func TestConfirmedByAKey(t *testing.T) {
	h := host.Start(t, host.Config{Settings: "answer_key: true\n", Policy: map[string]string{"grants.yaml": `grants:
  - {who: mwcarol, role: viewer, on: mwalice/work, reason: looks}
  - {who: mwcarol, role: typist, on: "mwalice/work:0.0", reason: types}
`}})
	h.Must(host.Alice, "new-session", "-d", "-x", "200", "-y", "50", "-s", "work", "exec sh")
	pane := h.Must(host.Alice, "display-message", "-p", "-t", "work", "#{pane_id}")
	alice := h.Terminal(host.Alice, tmuxtest.TerminalConfig{Cols: 200, Rows: 50}, "attach", "-t", "work")
	alice.WaitFor("[work]")
	carol := h.Terminal(host.Carol, tmuxtest.TerminalConfig{Cols: 200, Rows: 50}, "attach", "-t", "mwalice/work")
	carol.WaitFor("[work]")
	say := func(args, word string) {
		t.Helper()
		carol.Type("clear; MUXWARD_STATE=" + h.State + " " + h.Bin() + " " + args + "; echo " + word + "'-'$?\r")
		carol.WaitFor(word + "-1")
	}
	given := func() string { return h.Muxward(host.Alice, "grants", "--json").Out }
	open := func(command string) {
		t.Helper()
		alice.WaitTold("M-a answers")
		tmuxtest.Eventually(t, func() bool { alice.Type("\x1ba"); return alice.Contains("this was asked in your name") }, "alice opens it")
		alice.WaitFor(command)
		alice.WaitFor("y does it, n dismisses it")
	}

	say("grant mwbob viewer -t work", "first")
	if !carol.Contains("waits") || strings.Contains(given(), "mwbob") {
		t.Fatalf("it is done, or not said to wait:\n%s\n%s", strings.Join(carol.Screen(), "\n"), given())
	}
	// Carol's own display has nothing to answer: there the key is one for the shell.
	carol.Type("\x1ba")
	h.Must(host.Alice, "send-keys", "-t", "work", "M-a", "y")
	open("from inside mwalice/" + pane + " this was asked in your name")
	for _, what := range []string{"grant", "mwbob", "viewer", "no limit", "mwalice/work"} {
		if !alice.Contains(what) {
			t.Errorf("alice is not shown %q:\n%s", what, strings.Join(alice.Screen(), "\n"))
		}
	}
	alice.Type("n")
	alice.WaitTold("dismissed")
	if strings.Contains(given(), "mwbob") {
		t.Errorf("it was dismissed, and is done: %s", given())
	}
	carol.Type("\x15")
	say("grant mwbob viewer -t work --reason pairs", "second")
	open("to whom:")
	alice.Type("y")
	alice.WaitTold("done: from inside")
	if !strings.Contains(given(), "mwbob") {
		t.Errorf("alice has confirmed it, and it is not done: %s", given())
	}
	// It is alice's own: what she does not hold it does not give.
	say("lockdown --host", "third")
	open("the whole host")
	alice.Type("y")
	alice.WaitTold("not answered: not permitted")
	if r := h.Tmux(host.Carol, "send-keys", "-t", "mwalice/work:0.0", "x"); r.Code != 0 {
		t.Errorf("the host is locked down: %+v", r)
	}
	h.VerifyAudit()
}
