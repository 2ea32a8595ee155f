package attack

import (
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
	c := b.Terminal(typist, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/shared")
	c.WaitFor("recording")
	b.cgroup("cpu", "cpu.cfs_quota_us", "1000")
	for range soak.N(20, 1) {
		c.Type("control")
		b.arrived("control")
		c.Type(strings.Repeat("x", 200))
		r := b.Muxward(root, "revoke", typist)
		for strings.Contains(r.Err, "in time") { // the command's own patience
			r = b.Muxward(root, "revoke", typist)
		}
		n := b.rec.Len()
		if r.Code == 0 && !c.Exited() {
			c.Type(strings.Repeat("y", 200))
		}
		pause(2e9)
		if r.Code == 0 && b.rec.Len() != n {
			t.Errorf("after revoke returned %q arrived", b.rec.Bytes()[n:])
		}
		t.Logf("revoke: %+v", r)
	}
	if v.Exited() {
		t.Error("a watchdog threw somebody out")
	}
	b.kept()
}
