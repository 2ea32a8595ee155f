package attack

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/soak"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// failing starts a muxward that has failpoints, and gives the way to set one;
// reached tells whether somebody has come by there.
func failing(t *testing.T) (b *bed, arm func(name, what string) (reached func() bool)) {
	t.Helper()
	dir := tmuxtest.Dir(t, host.Serves(t))
	b = lay(t, host.Config{Settings: byKey, Build: "failpoints", Env: []string{"MUXWARD_FAILPOINTS=" + dir}})
	return b, func(name, what string) (reached func() bool) {
		t.Helper()
		if err := os.WriteFile(dir+"/."+name, []byte(what), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(dir+"/."+name, dir+"/"+name); err != nil {
			t.Fatal(err)
		}
		reached = func() bool {
			_, err := os.Stat(dir + "/" + name)
			return err != nil
		}
		b.reached = reached
		t.Cleanup(func() {
			if !reached() && !t.Failed() {
				t.Errorf("failpoint %s was never reached", name)
			}
		})
		return reached
	}
}

// point is a place on the line of a new-window, and what a kill there leaves.
type point struct {
	name                  string
	intent, done, outcome bool // is in the log, was done by tmux, is in the log
}

// line lists the failpoints that a command comes by, in order.
var line = []point{
	{name: "tmuxd-run"},
	{name: "gateway-resolve"},
	{name: "gateway-decided"},
	{name: "gateway-permitted", intent: true},
	{name: "executor-run", intent: true},
	{name: "executor-ran", intent: true, done: true},
	{name: "gateway-executed", intent: true, done: true},
	{name: "gateway-written", intent: true, done: true, outcome: true},
	{name: "tmuxd-finish", intent: true, done: true, outcome: true},
}

// muxward is killed at each place of a command's way in turn: before the record
// that something is about to be done, between that and the record of how it
// ended, before and after tmux did it, and later. After the restart the log says
// what is not known, what was done is there once, and nothing is done a second
// time. The control run is the way without a kill, at the end, and a failpoint
// that is not reached fails the test.
func TestF02KilledBetweenIntentAndOutcome(t *testing.T) {
	b, arm := failing(t)
	for range soak.N(112, 1) {
		for _, p := range line {
			name := "w" + randomWord()
			reached := arm(p.name, "hang")
			x := b.Terminal(owner, tmuxtest.TerminalConfig{}, "new-window", "-d", "-t", "other", "-n", name, "cat")
			tmuxtest.Eventually(t, reached, "it comes to %s", p.name)
			tmuxtest.Eventually(t, func() bool { return b.logged("intent", name) == times(p.intent) }, "the intent is in the log, or not, at %s", p.name)
			b.Kill()
			x.ExitCode()
			x.Close()
			unknown := b.logs("unknown", "")
			b.Run()
			if n := b.logs("unknown", "") - unknown; n != times(p.intent && !p.outcome) {
				t.Errorf("killed at %s: %d outcomes more are unknown, want %d", p.name, n, times(p.intent && !p.outcome))
			}
			if n := b.logged("intent", name); n != times(p.intent) {
				t.Errorf("killed at %s: it was tried %d times, want %d", p.name, n, times(p.intent))
			}
			if n := b.windows(name); n != times(p.done) {
				t.Errorf("killed at %s: there are %d windows, want %d", p.name, n, times(p.done))
			}
			if n := b.windows(name); n > 0 {
				b.server.Run("kill-window", "-t", "other:"+name)
			}
		}
	}
	b.kept()
	b.VerifyAudit()
	unknown := b.logs("unknown", "")
	b.Must(owner, "new-window", "-d", "-t", "other", "-n", "whole", "cat")
	b.Kill()
	b.Run()
	if n := b.logs("unknown", ""); n != unknown {
		t.Errorf("%d outcomes are unknown though nothing was cut off, want %d", n, unknown)
	}
	if n := b.windows("whole"); n != 1 {
		t.Errorf("there are %d windows of what was not cut off, want 1", n)
	}
}

func times(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

// windows counts the windows of a name, asked past muxward.
func (b *bed) windows(name string) int {
	b.t.Helper()
	return strings.Count("\n"+b.server.Run("list-windows", "-a", "-F", "#{window_name}")+"\n", "\n"+name+"\n")
}

// logged counts the events of a kind that have a word of a command.
func (b *bed) logged(kind, word string) int {
	b.t.Helper()
	n := 0
	for _, e := range b.Audit() {
		if e.Kind == kind && slices.Contains(e.Asked, word) {
			n++
		}
	}
	return n
}
