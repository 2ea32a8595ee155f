package attack

import (
	"net"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/soak"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
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
// muxward's own commands come in, so that nobody takes anything back; and at a tmux door, also such
// that say a few words, so that nobody gets to their panes. Who is attached stays so. In the control run they are
// kept, and there are too many.
func TestDO02ManyUIDs(t *testing.T) {
	t.Parallel()
	row{teeth: "teeth_room", unlogged: true, large: true, gains: 4, attack: func(w *world) { // some at either door
		people := []string{root, owner, viewer}
		x := w.Terminal(viewer, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/shared")
		x.WaitFor("recording")
		gone := w.crowd(33, 32, 1024, w.Doors+"/run/ctl", "")
		for _, who := range people {
			if r := w.Muxward(who, "who"); r.Code != 0 {
				w.gain("%s is not served: %+v", who, r)
			}
		}
		gone()
		gone = w.crowd(1100, 1, 1024, w.Doors+"/run/ctl", "")
		for _, who := range people {
			if r := w.Muxward(who, "who"); r.Code != 0 {
				w.gain("%s is not served beside one connection each of many: %+v", who, r)
			}
		}
		gone()
		gone = w.crowd(33, 64, 2048, w.door(stranger), string(frame(false, 100, 20, 0, make([]byte, 4))))
		for _, who := range people {
			if r := w.Tmux(who, "has-session", "-t", "mwalice/shared"); r.Code != 0 {
				w.gain("%s is not served at the tmux door: %+v", who, r)
			}
		}
		gone()
		x.Type("\x02d")
		if code := x.ExitCode(); code != 0 {
			w.gain("who was attached is no more: %d\n%s", code, x.Screen())
		}
	}}.run(t)
}

// crowd opens connections by many uids, more than there are, and says nothing on one half of them, and
// these words on the other. It is back when there are too many.
func (w *world) crowd(uids, each, room int, path, words string) (gone func()) {
	w.t.Helper()
	var all []*net.UnixConn
	gone = func() {
		for _, c := range all {
			_ = c.Close()
		}
	}
	w.t.Cleanup(gone)
	for i := range uids * each {
		c, err := dialWith(1<<20+uint32(i/each), path, 1<<unix.CAP_DAC_OVERRIDE)
		if err != nil {
			w.t.Fatal(err)
		}
		if all = append(all, c); i%2 == 0 {
			_, _ = c.Write([]byte(words)) // it may have made room already
		}
	}
	full := soon(func() bool {
		closed := 0
		for _, c := range all {
			if hungUp(c) {
				closed++
			}
		}
		return closed >= len(all)-room
	})
	if !full {
		w.t.Errorf("not all of %d connections have come in", len(all))
	}
	return gone
}
