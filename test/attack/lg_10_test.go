package attack

import (
	"sync"
	"testing"

	"github.com/muxward/muxward/internal/soak"
	"github.com/muxward/muxward/test/host"
)

// A stranger knocks as fast as they can, to fill the disk, or to hide among
// denials the one that matters. Their denials are counted, not listed, from a
// point on; what the administrator does is there. The control run is the first
// denials: those are listed. Rates that no client reaches are shown below the
// whole program.
// They were seen to fail with the counting left out.
func TestLG10FloodOfDenials(t *testing.T) {
	shownByPackage(t, "audit.TestFloodIsCounted", "audit.TestFloodOfManyIdentities")
	b := lay(t, host.Config{})
	tries := soak.N(20_000, 400)
	var wg sync.WaitGroup
	work := make(chan struct{}, tries)
	for range tries {
		work <- struct{}{}
	}
	close(work)
	for range 4 {
		wg.Go(func() {
			for range work {
				b.Tmux(stranger, "kill-session", "-t", "mwalice/shared")
			}
		})
	}
	if r := b.Muxward(root, "revoke", viewer, "--reason", "in the middle"); r.Code != 0 {
		t.Errorf("%+v", r)
	}
	wg.Wait()
	denied, absorbed, revoked := 0, 0, 0
	for _, e := range b.Audit() {
		switch {
		case e.Kind == "denied" && e.Person == stranger:
			denied++
		case e.Kind == "absorbed":
			absorbed++
		case e.Kind == "intent" && e.Person == root:
			revoked++
		}
	}
	t.Logf("%d tries: %d listed, %d counts", tries, denied, absorbed)
	if denied == 0 {
		t.Error("control run: no denial is listed at all")
	}
	if denied == tries {
		t.Logf("the door is too slow here for the log to count; see the package's tests")
	} else if absorbed == 0 {
		t.Error("denials are missing and nothing counts them")
	}
	if revoked == 0 {
		t.Error("the administrator's revocation is not in the log")
	}
	b.VerifyAudit()
}
