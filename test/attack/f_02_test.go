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

// failing starts a muxward that has failpoints, and gives the way to set one.
func failing(t *testing.T) (b *bed, arm func(name, what string)) {
	t.Helper()
	dir := tmuxtest.Dir(t, tmuxtest.Account{})
	b = lay(t, host.Config{Build: "failpoints", Env: []string{"MUXWARD_FAILPOINTS=" + dir}})
	return b, func(name, what string) {
		t.Helper()
		if err := os.WriteFile(dir+"/."+name, []byte(what), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(dir+"/."+name, dir+"/"+name); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if _, err := os.Stat(dir + "/" + name); err == nil && !t.Failed() {
				t.Errorf("failpoint %s was never reached", name)
			}
		})
	}
}

// muxward is killed between the record that something is about to be done and
// the record of how it ended. After the restart the log says that this is not
// known, and nothing is done a second time.
func TestF02KilledBetweenIntentAndOutcome(t *testing.T) {
	b, arm := failing(t)
	for range soak.N(100, 2) {
		name := "w" + randomWord()
		arm("executor-run", "hang")
		x := b.Terminal(owner, tmuxtest.TerminalConfig{}, "new-window", "-d", "-t", "other", "-n", name, "cat")
		tmuxtest.Eventually(t, func() bool { return b.logged("intent", name) == 1 }, "the intent is in the log")
		b.Kill()
		x.ExitCode()
		unknown := b.logs("unknown", "")
		b.Run()
		if n := b.logs("unknown", ""); n != unknown+1 {
			t.Errorf("%d outcomes are unknown, want %d", n, unknown+1)
		}
		if n := b.logged("intent", name); n != 1 {
			t.Errorf("it was tried %d times", n)
		}
		if out := b.server.Run("list-windows", "-a", "-F", "#{window_name}"); strings.Contains(out, name) {
			t.Error("what was cut off was done after the restart")
		}
	}
	b.kept()
	b.VerifyAudit()
	// The control run: what was not cut off has an outcome, and is done.
	unknown := b.logs("unknown", "")
	b.Must(owner, "new-window", "-d", "-t", "other", "-n", "whole", "cat")
	b.Kill()
	b.Run()
	if n := b.logs("unknown", ""); n != unknown {
		t.Errorf("%d outcomes are unknown though nothing was cut off, want %d", n, unknown)
	}
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
