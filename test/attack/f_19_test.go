package attack

import (
	"fmt"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/soak"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// muxward has one percent of a processor. It is slow, but when revoke returns
// it is true, nobody is thrown out by a watchdog, and the servers live. The
// control run is the typing before: it arrives.
func TestF19NoCPU(t *testing.T) {
	b := lay(t, host.Config{})
	v := b.Terminal(viewer, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/other")
	v.WaitFor("[other]")
	group := newCgroup(t, "cpu")
	group.take(b.PID())
	for round := range soak.N(20, 2) {
		group.limit("cpu", "-1") // until the typist is back
		c := b.Terminal(typist, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/shared")
		c.WaitFor("recording")
		group.limit("cpu", "1000")
		b.rec.Reset()
		control := fmt.Sprintf("<%d>", round)
		c.Type(control)
		b.arrived(control)
		c.Type(strings.Repeat("x", 200))
		r := b.Muxward(root, "revoke", typist)
		for tries := 0; r.Code != 0 && tries < 20; tries++ { // not in time, or not confirmed: that is no yes
			r = b.Muxward(root, "revoke", typist)
		}
		n := b.rec.Len()
		t.Logf("round %d, after %d bytes: revoke: %+v", round, n, r)
		if r.Code != 0 {
			t.Errorf("round %d: revoke could not be confirmed: %+v", round, r)
		}
		if !c.Exited() {
			c.Type(strings.Repeat("y", 200))
		}
		pause(2e9)
		if b.rec.Len() != n {
			t.Errorf("round %d: after revoke returned %q arrived", round, b.rec.Bytes()[n:])
		}
		group.limit("cpu", "-1")
		c.ExitCode()
		c.Close()
		if r := b.Muxward(root, "revoke", "--undo", typist); r.Code != 0 {
			t.Fatalf("round %d: undo: %+v", round, r)
		}
	}
	if v.Exited() {
		t.Error("a watchdog threw somebody out")
	}
	b.kept()
	b.VerifyAudit()
}
