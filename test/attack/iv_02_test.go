package attack

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/soak"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// Mallory has codes that were right: of an invite that bob has used up, of one that is
// over, and of one that was revoked. They open nothing, before and after muxward is
// started again. Of two who come at the same time by an invite for one, one comes in. In
// the control run invites do not end.
func TestIV02Replay(t *testing.T) {
	t.Parallel()
	row{teeth: "teeth_chain", restless: true, gains: 4, attack: func(w *world) {
		w.Must(owner, "new-session", "-d", "-s", "iv", "cat")
		for range soak.N(50, 2) {
			race(w)
		}
		_, used := w.share("--role", "viewer", "-t", "iv")
		if r := w.Muxward(viewer, "join", used); r.Code != 0 {
			w.t.Fatalf("bob: %+v", r)
		}
		last, over := soonOver(w)
		id, revoked := w.share("--role", "viewer", "-t", "iv", "--uses", "9")
		if r := w.Muxward(owner, "invite", "revoke", strconv.FormatInt(id, 10)); r.Code != 0 {
			w.t.Fatalf("revoke: %+v", r)
		}
		replay := func(when string) {
			w.joins(stranger, used, "what is used up, "+when)
			w.joins(stranger, over, "what is over, "+when)
			w.joins(stranger, revoked, "what was revoked, "+when)
			if r := w.Tmux(stranger, "has-session", "-t", "mwalice/iv"); r.Code == 0 {
				w.gain("mallory sees the session, %s", when)
			}
		}
		replay("at once")
		// It ends before that is on record: killed in between, muxward never says so.
		ended := fmt.Sprintf("invite %d is over", last)
		if !w.control && !soon(func() bool { return strings.Contains(w.Muxward(root, "audit", "query", "--kind", "grant").Out, ended) }) {
			w.t.Errorf("nothing says that %s", ended)
		}
		_, killed := soonOver(w)
		w.Kill()
		w.Run()
		replay("after a restart")
		w.joins(stranger, killed, "what was over when muxward was killed")
	}}.run(t)
}

// soonOver shares by an invite whose time is over when it returns.
func soonOver(w *world) (id int64, code string) {
	w.t.Helper()
	id, code = w.share("--role", "viewer", "-t", "iv", "--uses", "9", "--for", "1s")
	ends := time.Now().Add(time.Second)
	tmuxtest.Eventually(w.t, func() bool { return time.Now().After(ends) }, "the time is over")
	return id, code
}

// race has two come by an invite for one.
func race(w *world) {
	w.t.Helper()
	_, code := w.share("--role", "viewer", "-t", "iv")
	var both sync.WaitGroup
	came := make([]bool, 2)
	for i, who := range []string{viewer, typist} {
		both.Go(func() { came[i] = w.Muxward(who, "join", code).Code == 0 })
	}
	both.Wait()
	if came[0] && came[1] {
		w.gain("two come by an invite for one")
	} else if !came[0] && !came[1] {
		w.t.Error("nobody comes in by an invite that two try at once")
	}
}
