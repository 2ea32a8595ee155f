package attack

import (
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// muxward may have 64 descriptors, and somebody connects until there are none.
// Who is attached works on, who comes then is not served until there are some
// again, the log says so once, and afterwards everybody is served. Before the limit
// falls, the same people get in: that is the control run.
func TestF15NoDescriptors(t *testing.T) {
	b := lay(t, host.Config{})
	c := b.Terminal(typist, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/shared")
	c.WaitFor("recording")
	if x := b.Terminal(viewer, tmuxtest.TerminalConfig{}, "ls"); x.ExitCode() != 0 {
		t.Fatalf("control run: with descriptors bob is not served: %s", x.Bytes())
	}
	calm := b.resting()
	limit := func(n uint64) (was uint64) {
		var now unix.Rlimit
		err := unix.Prlimit(b.PID(), unix.RLIMIT_NOFILE, nil, &now)
		was = now.Cur
		if now.Cur = n; err == nil {
			err = unix.Prlimit(b.PID(), unix.RLIMIT_NOFILE, &now, nil)
		}
		if err != nil {
			t.Fatal(err)
		}
		return was
	}
	was := limit(64)
	var waiting []net.Conn
	tmuxtest.Eventually(t, func() bool {
		if conn, err := net.Dial("unix", doorOf(b, viewer)); err == nil {
			waiting = append(waiting, conn)
		}
		return strings.Contains(b.Output(), "out of descriptors")
	}, "it is told")
	late := b.Terminal(viewer, tmuxtest.TerminalConfig{}, "ls")
	for range 3 { // while others try again and again
		word := "w" + randomWord()
		c.Type(word)
		b.arrived(word)
		pause(time.Second)
	}
	if late.Contains("shared") {
		t.Errorf("bob was served without descriptors: %s", late.Bytes())
	}
	if c.Exited() {
		t.Error("carol was thrown out")
	}
	limit(was)
	for _, conn := range waiting {
		_ = conn.Close()
	}
	late.ExitCode() // he was refused, or waited until now
	tmuxtest.Eventually(t, func() bool { return b.Tmux(viewer, "ls").Code == 0 }, "bob is served with descriptors again")
	for _, what := range []string{"out of descriptors", "read the accounts"} {
		if n := strings.Count(b.Output(), what); n > 1 {
			t.Errorf("%q is told %d times; muxward says:\n%s", what, n, b.Output())
		}
	}
	b.kept()
	calm()
	b.VerifyAudit()
}

func doorOf(b *bed, who string) string {
	w := world{Host: b.Host, t: b.t}
	return w.door(who)
}
