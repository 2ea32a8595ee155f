package attack

import (
	"fmt"
	"math/bits"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/soak"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// hardship is what may be wrong with a host when it is locked down.
type hardship struct {
	name         string
	begins, ends func()
}

// hardships are those of a muxward beside its helper, whose state lies on a disk of its own.
func hardships(b *bed, disk string) []hardship {
	stopped := func(name string, pid int) hardship {
		return hardship{name, func() { signal(b.t, pid, sigStop) }, func() { signal(b.t, pid, sigCont) }}
	}
	return []hardship{
		stopped("the helper hangs", b.PID()),
		stopped("tmux is stopped", b.server.PID),
		{"the disk is full", func() { fill(b.t, disk) }, func() {
			if err := os.Remove(disk + "/filler"); err != nil {
				b.t.Fatal(err)
			}
		}},
	}
}

// Many are attached, and carol wants to type on while the host is locked down on the worst
// of days: the helper hangs, tmux is stopped, the disk is full, and any of that at once.
// The call returns within five seconds, and says what it could not confirm; nothing that is
// typed behind it arrives, also when all goes on again, and nobody gets in meanwhile. In the
// control run what has been decided before is left as it was.
func TestRV07LockedDownOnTheWorstOfDays(t *testing.T) {
	for _, build := range []string{"", "teeth_revoke"} {
		t.Run("build "+build, func(t *testing.T) {
			disk := mounted(t, "size=64m,mode=0711")
			b := lay(t, host.Config{Account: host.Ward, State: disk + "/state", Build: build})
			g := grid{b, build != "", nil}
			n := soak.N(1000, 10)
			if g.control {
				n = 1
			}
			for i := range n {
				who := []string{typist, viewer}[i%2] // one account has 512 places
				c := b.Terminal(who, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/shared")
				c.WaitFor("recording")
				g.people = append(g.people, c)
			}
			all := hardships(b, disk)
			if g.control { // on a good day: on each of the bad ones something else keeps her keys back, too
				g.lockedDown(nil)
				return
			}
			for mask := 1; mask < 1<<len(all); mask++ {
				if !soak.Full() && bits.OnesCount(uint(mask)) == 2 { // each alone, and all
					continue
				}
				var at []hardship
				for i, h := range all {
					if mask&(1<<i) != 0 {
						at = append(at, h)
					}
				}
				g.lockedDown(at)
			}
		})
	}
}

// grid is a muxward with people at it.
type grid struct {
	b       *bed
	control bool
	people  []*tmuxtest.Terminal
}

// lockedDown locks the host down under hardships, and ends both.
func (g *grid) lockedDown(all []hardship) {
	b := g.b
	b.t.Helper()
	var names []string
	for _, h := range all {
		names = append(names, h.name)
		h.begins()
	}
	what := strings.Join(names, ", ")
	var keys *typing
	if g.control {
		keys = typeAlong(g.people[0])
		tmuxtest.Eventually(b.t, func() bool { return strings.Count(string(b.rec.Bytes()), "k") > 8 }, "carol's keys reach the pane")
	}
	began := time.Now()
	r := b.Muxward(root, "lockdown", "--host", "--reason", "incident")
	inTime(b.t, began, 5*time.Second, "%s, with %d people: code %d: %s", what, len(g.people), r.Code, strings.TrimSpace(r.Err))
	said := strings.Contains(r.Err, "not confirmed") || strings.Contains(r.Err, "not recorded") || strings.Contains(r.Err, "survive a restart")
	if r.Code != 0 && !said { // with room that was kept for it, it is written on a full disk as well
		b.t.Errorf("%s: it fails, and does not say what is not confirmed: %+v", what, r)
	}
	if g.control {
		paste(b.server, "shared:0.0", "|")
		tmuxtest.Eventually(b.t, func() bool {
			_, late, _ := strings.Cut(string(b.rec.Bytes()), "|")
			return strings.Contains(late, "k")
		}, "control run: %s: it is typed on", what)
		close(keys.stop)
		<-keys.stopped
	}
	later := "later" + randomWord()
	for _, x := range g.people {
		x.Type(later)
	}
	y := b.Terminal(typist, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/shared")
	if !g.control {
		tmuxtest.Eventually(b.t, func() bool { return y.Exited() || seen(y, "locked down by root: incident") }, "%s: carol is not let in", what)
		if seen(y, "recording") {
			b.t.Errorf("%s: carol got in: %q", what, clip(y.Bytes()))
		}
	}
	for _, h := range slices.Backward(all) {
		h.ends()
	}
	leave(y)
	mark := "mark" + randomWord()
	if !g.control {
		for i, x := range g.people {
			// What was told while all stood still has gone by itself.
			var typed time.Time
			tmuxtest.Eventually(b.t, func() bool {
				if time.Since(typed) > time.Second { // each key takes from what all the others wait for
					x.Type("z")
					typed = time.Now()
				}
				return x.Told("locked down by root: incident")
			}, "%s: person %d is told", what, i)
			if x.Exited() {
				b.t.Fatalf("%s: the display of person %d was closed: %q", what, i, clip(x.Bytes()))
			}
		}
		paste(b.server, "shared:0.0", mark)
		b.arrived(mark)
		if got := string(b.rec.Bytes()); strings.Contains(got, later) {
			b.t.Errorf("%s: typed behind the lockdown, and arrived: %q", what, clip([]byte(got)))
		}
	}
	tmuxtest.Eventually(b.t, func() bool { return b.Muxward(root, "unlock", "--host").Code == 0 }, "%s: it is unlocked", what)
	b.turnsGreen()
	again := fmt.Sprintf("again%s", randomWord())
	tmuxtest.Eventually(b.t, func() bool { g.people[0].Type(again); return strings.Contains(string(b.rec.Bytes()), again) }, "%s: carol types again", what)
}
