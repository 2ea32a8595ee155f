package attack

import (
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/soak"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// A goroutine that serves one person stops for good, at each place that does.
// Nobody else waits for it longer than a second: they work, a revocation of that
// person returns and says what it could not confirm, the policy can be loaded,
// nothing more of that person's is typed, and it is told, in the log or to who
// revokes. The control run is the failpoint: one that is never reached fails the
// test, and the same person without one works.
func TestF38Deadlock(t *testing.T) {
	covered(t)
	for i, s := range attached() {
		t.Run(s.point, func(t *testing.T) {
			t.Parallel()
			b, arm := failing(t)
			check := witnesses(b)
			var reached func() bool
			if s.act == nil {
				reached = arm(s.point, "hang")
			}
			x := s.attach(b)
			if s.act != nil {
				x.WaitFor("recording")
				x.Type("control")
				b.arrived("control")
				reached = arm(s.point, "hang")
				s.act(b, x)
			}
			tmuxtest.Eventually(t, reached, "%s is reached; muxward says:\n%s", s.point, b.Output())
			check()
			b.typable()
			b.Reload("people.yaml", standardPeople)
			heard := ""
			if b.revocation != nil {
				b.revocation.ExitCode()
				heard = string(b.revocation.Bytes())
			}
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
			x.Close()
			if !strings.Contains(heard, s.told) {
				b.says(1, s.told)
			}
			check()
			if i == 0 || soak.Full() {
				b.Stop() // it takes its time over what is stuck, and ends
				b.VerifyAudit()
			}
		})
	}
	for _, s := range byLines() {
		t.Run(s.point, func(t *testing.T) {
			t.Parallel()
			b, arm := failing(t)
			check := witnesses(b)
			reached := arm(s.point, "hang")
			s.act(b, nil)
			tmuxtest.Eventually(t, reached, "%s is reached; muxward says:\n%s", s.point, b.Output())
			check()
			b.hangUp()
			b.says(1, s.told)
			check()
			b.typed(typist, "well")
			b.VerifyAudit()
		})
	}
	t.Run("alone", func(t *testing.T) {
		t.Parallel()
		b, arm := failing(t)
		check := witnesses(b)
		want := map[string]int{}
		for _, s := range alone() {
			reached := arm(s.point, "hang")
			s.act(b, nil)
			tmuxtest.Eventually(t, reached, "%s is reached; muxward says:\n%s", s.point, b.Output())
			check()
			want[s.told]++
		}
		for _, x := range b.clients { // they give up
			x.Close()
		}
		for text, n := range want {
			b.says(n, text)
		}
		check()
		b.typed(typist, "well")
		b.VerifyAudit()
	})
}
