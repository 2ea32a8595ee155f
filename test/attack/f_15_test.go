package attack

import (
	"net"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// muxward runs out of descriptors. Who is attached works on, new people wait
// or are refused, the log says so without being flooded, and with descriptors
// again everybody is served. Before the limit falls, the same people get in:
// that is the control run.
func TestF15NoDescriptors(t *testing.T) {
	b := lay(t, host.Config{})
	c := b.Terminal(typist, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/shared")
	c.WaitFor("recording")
	b.Must(viewer, "ls")
	var was unix.Rlimit
	none := unix.Rlimit{Cur: 8}
	if err := unix.Prlimit(b.PID(), unix.RLIMIT_NOFILE, nil, &was); err != nil {
		t.Fatal(err)
	}
	none.Max = was.Max
	if err := unix.Prlimit(b.PID(), unix.RLIMIT_NOFILE, &none, nil); err != nil {
		t.Fatal(err)
	}
	var waiting []net.Conn
	for range 20 {
		if conn, err := net.Dial("unix", doorOf(b, viewer)); err == nil {
			waiting = append(waiting, conn)
		}
	}
	word := "w" + randomWord()
	c.Type(word)
	b.arrived(word)
	tmuxtest.Eventually(t, func() bool { return strings.Contains(b.Output(), "out of descriptors") }, "it is told")
	if err := unix.Prlimit(b.PID(), unix.RLIMIT_NOFILE, &was, nil); err != nil {
		t.Fatal(err)
	}
	for _, conn := range waiting {
		_ = conn.Close()
	}
	b.Must(viewer, "ls")
	if n := strings.Count(b.Output(), "out of descriptors"); n > 10 {
		t.Errorf("told %d times", n)
	}
	b.VerifyAudit()
}

func doorOf(b *bed, who string) string {
	w := world{Host: b.Host, t: b.t}
	return w.door(who)
}
