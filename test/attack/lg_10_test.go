package attack

import (
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/soak"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/internal/tmux/wire"
	"github.com/muxward/muxward/test/host"
)

// A stranger knocks as fast as the door answers, with clients of their own
// making, to fill the disk, or to hide among denials the one that matters.
// Their denials are counted, not listed, from a point on, and the counts leave
// none out; what somebody else is denied meanwhile is listed, and so is what
// the administrator does. In the control run nothing is counted, and each try
// has its line. (100,000 a second are shown below the whole program.)
func TestLG10FloodOfDenials(t *testing.T) {
	shownByPackage(t, "audit.TestFloodIsCounted", "audit.TestFloodOfManyIdentities")
	t.Run("attack", func(t *testing.T) {
		f := newKnocking(t, "", soak.N(100_000, 1000))
		defer f.b.VerifyAudit()
		most := 20 * (int(f.took/time.Second) + 2) // in each second of the clock that it touches
		if f.counted == 0 || f.listed == 0 || f.listed > most {
			t.Errorf("of %d denials %d are listed, %d at most, and %d counted", f.tries, f.listed, most, f.counted)
		}
		if f.listed+f.counted != f.tries {
			t.Errorf("%d denials and %d counted ones are %d, but there were %d", f.listed, f.counted, f.listed+f.counted, f.tries)
		}
		if f.bobs != 1 {
			t.Errorf("bob's one denial is listed %d times", f.bobs)
		}
		if f.revoked != 1 {
			t.Errorf("the administrator's revocation is in the log %d times", f.revoked)
		}
	})
	t.Run("control", func(t *testing.T) {
		f := newKnocking(t, "teeth_flood", 500)
		if f.listed != f.tries || f.counted != 0 {
			t.Errorf("without the counting %d of %d denials are listed, %d counted: this is no test", f.listed, f.tries, f.counted)
		}
	})
}

// knocking is what the log has after a flood of denials.
type knocking struct {
	b                                     *bed
	tries, listed, counted, bobs, revoked int
	took                                  time.Duration
}

func newKnocking(t *testing.T, build string, tries int) *knocking {
	t.Helper()
	f := &knocking{b: lay(t, host.Config{Build: build}), tries: tries}
	uid := tmuxtest.As(t, stranger).UID
	ctx, cancel := context.WithTimeout(t.Context(), time.Duration(tries)*tmuxtest.Patience/100)
	defer cancel()
	door := fmt.Sprintf("%s/tmux-%d/default", f.b.Doors, uid)
	var wg sync.WaitGroup
	var begun atomic.Int64
	began := time.Now()
	for range 4 {
		wg.Go(func() {
			for begun.Add(1) <= int64(tries) {
				c, err := dialAs(uid, door)
				if err != nil {
					t.Error(err)
					return
				}
				h := &wire.Hello{Cwd: "/", PID: int32(os.Getpid()), Argv: []string{"kill-session", "-t", "mwalice/shared"}}
				if _, text := converse(ctx, c, h); text == "" {
					t.Error("a try was not answered")
				}
			}
		})
	}
	tmuxtest.Eventually(t, func() bool { return begun.Load() > int64(tries/3) }, "the flood is on")
	f.b.Tmux(viewer, "kill-session", "-t", "mwalice/other")
	if r := f.b.Muxward(root, "revoke", viewer, "--reason", "in the middle"); r.Code != 0 {
		t.Errorf("%+v", r)
	}
	wg.Wait()
	f.took = time.Since(began)
	t.Logf("%.0f tries a second", float64(tries)/f.took.Seconds())
	soon(func() bool { // what is only counted is written each second
		f.count()
		return f.listed+f.counted >= tries
	})
	t.Logf("%d tries: %d listed, %d counted", tries, f.listed, f.counted)
	return f
}

func (f *knocking) count() {
	f.listed, f.counted, f.bobs, f.revoked = 0, 0, 0, 0
	for _, e := range f.b.Audit() {
		switch {
		case e.Kind == "denied" && e.Person == stranger:
			f.listed++
		case e.Kind == "absorbed" && e.Person == stranger:
			f.counted += e.Count
		case e.Kind == "denied" && e.Person == viewer:
			f.bobs++
		case e.Kind == "intent" && e.Person == root:
			f.revoked++
		}
	}
}
