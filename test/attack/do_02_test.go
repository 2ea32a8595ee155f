package attack

import (
	"testing"

	"github.com/muxward/muxward/internal/soak"
)

// Somebody opens connections, as many as they can, and says nothing on them,
// so that nobody else gets in. Of each uid the door keeps 64 that are not yet
// introduced; the owner is served meanwhile, and at the end nothing is left.
func TestDO02TooManyConnections(t *testing.T) {
	t.Parallel()
	row{teeth: "teeth_door", unlogged: true, attack: func(w *world) {
		n := soak.N(20_000, 1143)
		if w.control { // where the door keeps all of them
			n = 1143
		}
		w.silent(n)
	}}.run(t)
}

// Mallory has subordinate uids (subuid(5)), and opens connections by each of them that say nothing, where
// muxward's own commands come in, so that nobody takes anything back. In the control run they are
// kept, and there are too many.
func TestDO02ManyUIDs(t *testing.T) {
	t.Parallel()
	row{teeth: "teeth_door", unlogged: true, attack: func(w *world) {
		const first, uids, each = 1 << 20, 9, 32 // more than the 256 that there are
		for i := range uids * each {
			c, err := dialAs(first+uint32(i%uids), w.Doors+"/run/ctl")
			if err != nil {
				w.t.Fatal(err)
			}
			defer c.Close()
		}
		for _, who := range []string{root, owner, viewer} {
			if r := w.Muxward(who, "who"); r.Code != 0 {
				w.gain("%s is not served: %+v", who, r)
			}
		}
	}}.run(t)
}
