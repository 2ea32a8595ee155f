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
