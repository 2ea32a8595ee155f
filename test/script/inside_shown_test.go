package script

import (
	"strings"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// TestConfirmedIsWhatWasShown: carol types into alice's shell, and has it ask for what looks
// like something else, or becomes something else while alice reads: words that look like
// options, names that are given to other sessions, a time that goes by. Alice is shown what it
// is, and that is done or nothing.
func TestConfirmedIsWhatWasShown(t *testing.T) {
	h := host.Start(t, host.Config{Settings: "answer_key: true\n", Policy: map[string]string{"grants.yaml": `grants:
  - {who: mwcarol, role: viewer, on: mwalice/work, reason: looks}
  - {who: mwcarol, role: typist, on: "mwalice/work:0.0", reason: types}
`}})
	for _, s := range []string{"work", "secret", "scratch"} {
		h.Must(host.Alice, "new-session", "-d", "-x", "160", "-y", "50", "-s", s, "exec sh")
	}
	alice := h.Terminal(host.Alice, tmuxtest.TerminalConfig{Cols: 160, Rows: 50}, "attach", "-t", "work")
	alice.WaitFor("[work]")
	carol := h.Terminal(host.Carol, tmuxtest.TerminalConfig{Cols: 160, Rows: 50}, "attach", "-t", "mwalice/work")
	carol.WaitFor("[work]")
	say := func(args, word string) {
		t.Helper()
		carol.Type("clear; MUXWARD_STATE=" + h.State + " " + h.Bin() + " " + args + "; echo " + word + "'-'$?\r")
		carol.WaitFor(word + "-1")
	}
	opens := func(shown ...string) {
		t.Helper()
		alice.WaitTold("M-a answers")
		tmuxtest.Eventually(t, func() bool { alice.Type("\x1ba"); return alice.Contains("this was asked in your name") }, "alice opens it")
		alice.WaitFor("y does it, n dismisses it")
		screen := strings.Join(alice.Screen(), "\n")
		for _, s := range shown {
			if !strings.Contains(screen, s) {
				t.Errorf("alice is not shown %q:\n%s", s, screen)
			}
		}
	}
	given := func() string { return h.Muxward(host.Alice, "grants", "--json").Out }

	say(`grant mwbob operator -t scratch --reason 'help --until 2036-11-27T23:00:00Z'`, "first")
	opens("until:\n", "no limit", `"help --until 2036-11-27T23:00:00Z"`, "mwalice/scratch (mwalice/$2)")
	carol.Type("tmux rename-session -t scratch x; tmux rename-session -t secret scratch; echo swapped'-'$?\r")
	carol.WaitFor("swapped-0")
	alice.Type("y")
	alice.WaitTold("has another name")
	if strings.Contains(given(), "mwbob") {
		t.Fatalf("it is given on what has that name by now: %s", given())
	}
	// Named as it was again, it is the session that alice is shown, until the time that she is shown.
	h.Must(host.Alice, "rename-session", "-t", "scratch", "secret")
	h.Must(host.Alice, "rename-session", "-t", "x", "scratch")
	asked := time.Now()
	say("grant mwbob viewer -t scratch --for 1h", "second")
	answered := time.Now()
	opens("mwbob", "viewer", "mwalice/scratch (mwalice/$2)")
	until := ""
	for _, line := range alice.Screen() {
		if _, at, err := cutTime(line); err == nil {
			until = at.Format(time.RFC3339Nano)
			if at.Before(asked.Add(time.Hour)) || at.After(answered.Add(time.Hour)) {
				t.Errorf("asked between %v and %v for an hour, and shown until %v", asked, answered, at)
			}
		}
	}
	alice.Type("y")
	alice.WaitTold("done: from inside")
	if g := given(); until == "" || !strings.Contains(g, until) || !strings.Contains(g, `"mwalice/scratch"`) {
		t.Errorf("alice was shown until %q: %s", until, g)
	}
	// What is taken back is told as what it is.
	say("grants take-back 1 --reason 'not needed'", "third")
	opens("take-back", "mwbob", "viewer", "mwalice/scratch (mwalice/$2)", `"not needed"`)
	alice.Type("y")
	alice.WaitTold("done: from inside")
	if strings.Contains(given(), "mwbob") {
		t.Errorf("it is not taken back: %s", given())
	}
	if log := h.Muxward(host.Alice, "audit", "show"); log.Code == 0 && !strings.Contains(log.Out, "asked from inside") {
		t.Errorf("the log does not say where it was asked: %s", log.Out)
	}
	h.VerifyAudit()
}

// cutTime finds a time that stands alone in a line of the screen.
func cutTime(line string) (string, time.Time, error) {
	word := strings.TrimSpace(line)
	at, err := time.Parse(time.RFC3339Nano, word)
	return word, at, err
}
