package attack

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/soak"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// A policy that is broken, on reload and at the start: a mistake, half a file,
// an empty file, an empty directory, none. On reload the last good one stays
// in force, status is red and there is an alarm; at the start muxward refuses.
// The control run is the good policy: it is taken, and takes something away.
func TestCF01BrokenPolicy(t *testing.T) {
	b := lay(t, host.Config{})
	write := func(name, text string) func() {
		return func() { b.WritePolicy(name, text) }
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	aside, calm := b.Policy+".aside", b.resting()
	for i, c := range []struct {
		name        string
		break_, fix func()
	}{
		{"mistake", write("grants.yaml", "grants:\n  - {who: mwbob, roel: viewer, on: mwalice}\n"), write("grants.yaml", bedGrants)},
		{"half", write("grants.yaml", bedGrants[:len(bedGrants)/2]), write("grants.yaml", bedGrants)},
		{"rule", write("more.cedar", "permit(principal,"), func() { must(os.Remove(filepath.Join(b.Policy, "more.cedar"))) }},
		{"empty people", write("people.yaml", ""), write("people.yaml", standardPeople)},
		{"gone", func() { must(os.Rename(b.Policy, aside)) }, func() { must(os.Rename(aside, b.Policy)) }},
		{"empty", func() { must(os.Rename(b.Policy, aside)); must(os.Mkdir(b.Policy, 0o755)) },
			func() { must(os.Remove(b.Policy)); must(os.Rename(aside, b.Policy)) }},
	} {
		c.break_()
		b.Signal(sigHup)
		b.turnsRed("policy")
		b.typed(typist, strings.ReplaceAll(c.name, " ", "")+".")
		if b.Tmux(stranger, "send-keys", "-t", "mwalice/shared:0.0", "x").Code == 0 {
			t.Errorf("%s: a stranger types", c.name)
		}
		if i == 0 {
			b.alarmed("policy files are broken")
			if soak.Full() && !within(90*time.Second, func() bool { return b.logs("alarm", "policy files are broken") > 1 }) {
				t.Error("it is told once, not each minute")
			}
		}
		second := host.Prepare(t, host.Config{})
		second.Policy = b.Policy
		if err := second.TryRun(); err == nil {
			t.Errorf("%s: muxward starts with it", c.name)
		}
		c.fix()
		b.Signal(sigHup)
		b.turnsGreen()
	}
	if n := b.logs("reload", "refused"); n < 6 {
		t.Errorf("%d refused policies are in the log", n)
	}
	b.Reload("grants.yaml", strings.ReplaceAll(bedGrants, "mwcarol", "mwmallory"))
	tmuxtest.Eventually(t, func() bool {
		return b.Tmux(typist, "send-keys", "-t", "mwalice/shared:0.0", "x").Code != 0
	}, "control run: a good policy is taken")
	calm()
	b.VerifyAudit()
}
