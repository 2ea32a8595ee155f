package attack

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// calm is what the daemon holds while nothing goes on.
type calm struct{ fds, goroutines, rss int }

// statusEvery is how often the daemon is asked how it is while it is polled:
// the asking is a process each time, and disturbs what it measures.
const statusEvery = 200 * time.Millisecond

// settle takes the daemon's measure once it has done what it does first.
func (w *world) settle() {
	w.t.Helper()
	for _, who := range []string{owner, viewer, stranger} {
		w.Tmux(who, "ls")
	}
	last := calm{}
	tmuxtest.Eventually(w.t, func() bool {
		now := w.measure()
		same := now.fds == last.fds && now.goroutines > 0
		last = now
		return same
	}, "the daemon is calm")
	w.base = last
}

// measure looks at descriptors and memory from outside, each time; how many
// goroutines there are only the daemon knows, which is not asked more often
// than statusEvery.
func (w *world) measure() calm {
	w.t.Helper()
	pid := w.Daemon()
	fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		w.t.Fatalf("muxward has gone: %v\n%s", err, w.Output())
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		w.t.Fatal(err)
	}
	if now := time.Now(); now.Sub(w.asked) >= statusEvery {
		w.goroutines, w.asked = w.Status().Goroutines, now
	}
	return calm{len(fds), w.goroutines, field(status, "VmRSS:")}
}

func field(status []byte, name string) int {
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			n, _ := strconv.Atoi(strings.Fields(rest)[0])
			return n
		}
	}
	return -1
}

// Slack of the calm oracle. Go keeps memory for a while; what must not stay is
// some of it for each attempt. Descriptors are exact but for those of audit
// segments and of the display that is still closing, goroutines but for those
// of what is looked at now and then, such as the seven of a connection to a tmux
// server that was opened anew.
const (
	slackFDs        = 3
	slackGoroutines = 12
	slackRSS        = 24 << 10 // KiB
)

// again waits until the daemon is back at its baseline. Terminals of the
// attack are still open: their clients are asked to go first.
func (b calm) again(w *world) {
	w.t.Helper()
	var now calm
	if !soon(func() (ok bool) { now, ok = b.reached(w); return ok }) {
		w.t.Errorf("calm: at first %+v, now %+v; there are\n%s; muxward says:\n%s", b, now, w.Muxward(root, "who", "--json").Out, w.Output())
	}
}

// reached reports whether the daemon is back at its baseline now.
func (b calm) reached(w *world) (now calm, ok bool) {
	w.t.Helper()
	now = w.measure()
	return now, now.fds <= b.fds+slackFDs && now.goroutines > 0 && now.goroutines <= b.goroutines+slackGoroutines &&
		(now.rss <= b.rss+slackRSS || w.row.large)
}
