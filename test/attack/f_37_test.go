package attack

import (
	"slices"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// A fault of muxward itself: a panic in a goroutine that serves one person,
// at each place that does (the table of service_test.go has every failpoint
// there is). That person's service ends, their terminal is sane, the log has
// the stack, and everybody else goes on. The control run is the failpoint
// itself: one that is never reached fails the test, and without the recover of
// the place muxward would be gone.
func TestF37Panic(t *testing.T) {
	covered(t)
	b, arm := failing(t)
	check := witnesses(b)
	pid := b.PID()
	told := func(point string) {
		t.Helper()
		b.says(1, "failpoint "+point, "goroutine")
		check()
		if b.PID() != pid || b.Ended() {
			t.Fatal("muxward died")
		}
	}
	for _, s := range attached() {
		if s.act == nil {
			arm(s.point, "panic")
		}
		x := s.attach(b)
		if s.act != nil {
			x.WaitFor("recording")
			arm(s.point, "panic")
			s.act(b, x)
		}
		tmuxtest.Eventually(t, x.Exited, "the client of %s ends; muxward says:\n%s", s.point, b.Output())
		if code := x.ExitCode(); code == -1 {
			t.Errorf("%s: exit %d", s.point, code)
		}
		sane(t, x)
		x.Close()
		told(s.point)
		b.restored()
	}
	for _, s := range slices.Concat(alone(), byLines()) {
		arm(s.point, "panic")
		s.act(b, nil)
		told(s.point)
		b.hangUp()
	}
	b.typed(typist, "well")
	b.VerifyAudit()
}

// restored undoes what services were made to fail by.
func (b *bed) restored() {
	b.t.Helper()
	if b.revocation != nil {
		b.revocation.ExitCode()
		b.revocation = nil
		b.Muxward(root, "revoke", "--undo", typist)
	}
	b.Reload("grants.yaml", bedGrants)
	b.typable()
}
