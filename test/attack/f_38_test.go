package attack

import (
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/soak"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

func containsAll(s string, words ...string) bool {
	for _, w := range words {
		if !strings.Contains(s, w) {
			return false
		}
	}
	return true
}

// A goroutine that serves one person stops for good, at each place that does.
// Nobody else waits for it: they work, a revocation of that person returns and
// says what it could not confirm, the policy can be loaded, and nothing more
// of that person's is typed. The control run is the failpoint: one that is
// never reached fails the test, and the same person without one works.
func TestF38Deadlock(t *testing.T) {
	for i, s := range attached() {
		t.Run(s.point, func(t *testing.T) {
			b, arm := failing(t)
			check := witnesses(b)
			x := b.Terminal(typist, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/shared")
			x.WaitFor("recording")
			x.Type("control")
			b.arrived("control")
			arm(s.point, "hang")
			s.act(b, x)
			check()
			b.Reload("people.yaml", standardPeople)
			if r := b.Muxward(root, "revoke", typist, "--reason", "stuck"); r.Code != 0 && !strings.Contains(r.Err, "confirm") {
				t.Errorf("revoke: %+v", r)
			}
			before := b.rec.Len()
			if !x.Exited() {
				x.Type("more")
			}
			check()
			if b.Tmux(typist, "send-keys", "-t", "mwalice/shared:0.0", "x").Code == 0 || b.rec.Len() != before {
				t.Error("who was revoked goes on typing")
			}
			check()
			if i == 0 || soak.Full() {
				b.Stop() // it takes its time over what is stuck, and ends
				b.VerifyAudit()
			}
		})
	}
}
