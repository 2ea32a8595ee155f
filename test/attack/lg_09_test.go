package attack

import (
	"testing"

	"github.com/muxward/muxward/internal/soak"
	"github.com/muxward/muxward/test/host"
)

// muxward is killed and started again, and again, while the clock may be set
// back. The log's numbers go on without a gap, and order is theirs, not the
// clock's. The clock is set below the whole program, as a static program takes
// no other clock; the control run is the
// number of restarts that the log has.
// TestClockBackOneHour was seen to fail with the look at the clock left out.
func TestLG09Sequence(t *testing.T) {
	t.Parallel()
	shownByPackage(t, "audit.TestClockBackOneHour", "gateway.TestClockSetBack", "audit.TestSecondOpenIsRefused", "audit.TestAppendsAreOrderedAndProved")
	b := lay(t, host.Config{})
	n := soak.N(200, 4)
	for range n {
		b.typed(typist, "x"+randomWord())
		b.Kill()
		b.Run()
	}
	var last uint64
	lives := 0
	for _, e := range b.Audit() {
		if e.Seq <= last {
			t.Errorf("number %d follows %d", e.Seq, last)
		}
		last = e.Seq
		if e.Kind == "life" {
			lives++
		}
	}
	if lives != n+1 {
		t.Errorf("control run: the log has %d lives, want %d", lives, n+1)
	}
	b.VerifyAudit()
}
