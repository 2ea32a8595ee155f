package attack

import (
	"math/rand/v2"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/soak"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// Somebody sends what no tmux client sends: every type of message with every
// kind of wrong length, in both forms of the header, before and after the
// introduction, and noise; or half a header, and then nothing for ever. They
// want the door to fall, to hang, or to keep what they hold. Each connection
// is closed, no more than a few are kept waiting, and those that are hold
// little. (The parser itself is fuzzed in internal/tmux/wire.)
func TestTD01GarbageAtTheDoor(t *testing.T) {
	t.Parallel()
	row{teeth: "teeth_door", unlogged: true, attack: func(w *world) {
		if !w.control { // there the door is what is broken, not the parser
			w.held()
		}
		send := func(parts ...[]byte) {
			c := w.knock()
			defer c.Close()
			for _, p := range parts {
				_, _ = c.Write(p) // the door may have had enough
			}
			_ = c.CloseWrite()
			if !closed(c, tmuxtest.Patience) {
				w.gain("a connection was kept open after %d parts of garbage", len(parts))
			}
		}
		hello := frame(false, 100, 20, 0, []byte{0, 0, 0, 0})
		step := 1
		if !soak.Full() {
			step = 7
		}
		for i, kind := range kinds() {
			for j, length := range []int{16, 15, 0, 17, 16384, 16385, 0xffff, 1 << 20} {
				if (i*8+j)%step != 0 {
					continue
				}
				for _, wide := range []bool{false, true} {
					body := make([]byte, max(0, min(length, 0xffff)-16))
					send(frame(wide, kind, length, 0, body))
					send(hello, frame(wide, kind, length, 0, body), frame(wide, kind, length, 0, body))
				}
			}
		}
		for range soak.N(20000, 200) {
			noise := make([]byte, 4096)
			for i := range noise {
				noise[i] = byte(rand.Uint32())
			}
			send(noise)
		}
		w.silent(200)
	}}.run(t)
}

// perConnection is what one connection may have the daemon hold while nothing
// is known of it.
const perConnection = 64 << 10

// held has every account open as many connections as the door takes from one,
// each with a message of the greatest length that lacks its last byte, and
// compares what the daemon holds with what it held before. It was seen to fail
// with a first buffer of 128 KiB that was written to.
func (w *world) held() {
	w.t.Helper()
	var all []*net.UnixConn
	before := w.measure().rss
	half := frame(false, 105, 16384, 0, make([]byte, 16384-17))
	for _, who := range []string{owner, viewer, typist, stranger, root} {
		for range 64 {
			c, err := dialAs(w.uid(who), w.door(who))
			if err != nil {
				w.t.Fatal(err)
			}
			defer c.Close()
			if _, err := c.Write(half); err != nil {
				w.t.Fatal(err)
			}
			all = append(all, c)
		}
	}
	w.heldFor(all, before)
}

// heldFor measures what muxward has come to hold for connections that are all to
// be open; more than is allowed for each is a gain.
func (w *world) heldFor(all []*net.UnixConn, before int) {
	w.t.Helper()
	open := 0
	for _, c := range all {
		if !closed(c, time.Millisecond) {
			open++
		}
	}
	if open != len(all) {
		w.t.Errorf("%d of %d connections were kept, so what they hold is not known", open, len(all))
	}
	most := 0
	within(500*time.Millisecond, func() bool { most = max(most, w.measure().rss); return false })
	each := (most - before) << 10 / max(open, 1)
	w.t.Logf("%d connections hold %d bytes each", open, each)
	if each > perConnection {
		w.gain("%d connections hold %d bytes each", open, each)
	}
}

func kinds() []uint32 {
	all := []uint32{0, 1, 12, 99, 113, 199, 309, 999, 1 << 31}
	for _, r := range [][2]uint32{{100, 112}, {200, 218}, {300, 308}} {
		for k := r[0]; k <= r[1]; k++ {
			all = append(all, k)
		}
	}
	return all
}

// silent has a stranger open connections that send half a header and then
// nothing, and looks how many of them the door keeps, whether others are served
// meanwhile, and whether it lets go of those.
func (w *world) silent(n int) {
	w.t.Helper()
	var all []*net.UnixConn
	for range n {
		c, err := dialAs(w.uid(stranger), w.door(stranger))
		if err != nil {
			w.t.Fatal(err)
		}
		w.t.Cleanup(func() { _ = c.Close() })
		_, _ = c.Write([]byte{100, 0, 0, 0, 16, 0, 0})
		all = append(all, c)
		if len(all) == 2000 { // so many descriptors need not be kept here
			all = slices.DeleteFunc(all, func(c *net.UnixConn) bool { return closed(c, time.Millisecond) && c.Close() == nil })
		}
	}
	for _, who := range []string{owner, viewer, root} {
		if r := w.Tmux(who, "has-session", "-t", "mwalice/shared"); r.Code != 0 {
			w.gain("%s is not served while %d connections are open: %+v", who, n, r)
		}
	}
	kept := len(all)
	w.soon(func() bool {
		kept = 0
		for _, c := range all {
			if !closed(c, time.Millisecond) {
				kept++
			}
		}
		return kept <= 64
	})
	if kept > 64 {
		w.gain("the door keeps %d connections of one uid that say nothing", kept)
	}
	for _, c := range all {
		if !w.control && !closed(c, tmuxtest.Patience) {
			w.gain("a connection that says nothing is kept for ever")
		}
		_ = c.Close()
	}
}
