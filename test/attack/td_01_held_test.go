package attack

import (
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// Everybody opens as many connections as the door takes from one, begins to
// introduce themselves with an environment and a terminal as large as there are,
// and never comes to the end: the door is to hold all that. It holds little of
// each; meanwhile the owner, whose environment is large as well, is served. In
// the control run the door hears all of them at once.
func TestTD01EnvironmentsThatNeverEnd(t *testing.T) {
	row{people: ghostPeople, teeth: "teeth_door", unlogged: true, attack: func(w *world) {
		before := w.measure().rss
		all := w.introduced(begun())
		w.heldFor(all, before)
		w.outspoken()
		for _, c := range all {
			_ = c.Close()
		}
	}}.run(t)
}

// outspoken has the owner run some commands at once, with a large environment.
func (w *world) outspoken() {
	w.t.Helper()
	large := w.Env(owner)
	for i := range 20 {
		large = append(large, fmt.Sprintf("LARGE%d=%s", i, strings.Repeat("v", 10000)))
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			cmd := tmuxtest.As(w.t, owner).Command("tmux", "has-session", "-t", "shared")
			cmd.Env = large
			if r := w.start(owner, cmd); r.Code != 0 {
				w.gain("the owner is not served: %+v", r)
			}
		})
	}
	wg.Wait()
}

// begun is an introduction of some 400 KiB that lacks its end.
func begun() []byte {
	said := frame(false, 100, 20, 0, []byte{0, 0, 0, 0})
	say := func(kind uint32, text string) {
		said = append(said, frame(false, kind, 16+len(text)+1, 0, append([]byte(text), 0))...)
	}
	say(101, strings.Repeat("t", 16000)) // TERM
	say(102, strings.Repeat("y", 16000)) // the terminal's name
	say(108, strings.Repeat("d", 16000)) // the directory
	for i := range 1000 {
		say(105, fmt.Sprintf("N%d=%d", i, i))
	}
	for i := range 18 {
		say(105, fmt.Sprintf("L%d=%s", i, strings.Repeat("v", 16000)))
		say(112, fmt.Sprintf("c%d=%s", i, strings.Repeat("i", 1000)))
	}
	return said
}

// introduced has everybody say this on 64 connections each, as far as the door
// listens.
func (w *world) introduced(said []byte) []*net.UnixConn {
	w.t.Helper()
	var all []*net.UnixConn
	var wg sync.WaitGroup
	for _, who := range []string{viewer, typist, stranger, root} {
		for range 64 {
			c, err := dialAs(w.uid(who), w.door(who))
			if err != nil {
				w.t.Fatal(err)
			}
			w.t.Cleanup(func() { _ = c.Close() })
			all = append(all, c)
			wg.Go(func() {
				_ = c.SetWriteDeadline(time.Now().Add(time.Second)) // the door need not listen
				_, _ = c.Write(said)
			})
		}
	}
	wg.Wait()
	return all
}
