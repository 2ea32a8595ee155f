package attack

import (
	"net"
	"os"
	"strconv"
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

// Mallory may type into a session, and attaches there until muxward has no descriptors; then she opens connections
// where its own commands come in, and says nothing on them. She hopes that nobody can take anything from her then. In
// the control run none are kept back for that.
func TestF15NobodyCanBeRevoked(t *testing.T) {
	row{teeth: "teeth_room", restless: true, unlogged: true, attack: func(w *world) {
		w.Must(owner, "new-session", "-d", "-s", "rv", "cat")
		granted{w}.give(owner, stranger, "typist", "-t", "mwalice/rv")
		pid := w.Daemon()
		open, err := os.ReadDir("/proc/" + strconv.Itoa(pid) + "/fd")
		var was unix.Rlimit
		if err == nil {
			err = unix.Prlimit(pid, unix.RLIMIT_NOFILE, nil, &was)
		}
		if err == nil { // for two who are attached or so, besides a quarter
			err = unix.Prlimit(pid, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: uint64(len(open)+32) * 4 / 3, Max: was.Max}, nil)
		}
		if err != nil {
			w.t.Fatal(err)
		}
		for range 8 {
			w.Terminal(stranger, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/rv")
		}
		told := w.soon(func() bool { return strings.Contains(w.Output(), "out of descriptors") })
		if !told && !w.control { // there the last of them go at the other door
			w.t.Error("nothing is told of it")
		}
		for i := range 120 { // a third are her own, and the others of uids that she may use besides
			uid := w.uid(stranger)
			if i%3 > 0 {
				uid = 300000 + uint32(i)
			}
			c, err := dialWith(uid, w.Doors+"/run/ctl", 0)
			if err != nil {
				w.t.Fatal(err)
			}
			defer c.Close()
		}
		if r := w.Muxward(owner, "revoke", stranger, "-t", "mwalice/rv"); r.Code != 0 {
			w.gain("alice takes nothing from her: %+v", r)
		}
		if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, &was, nil); err != nil {
			w.t.Fatal(err)
		}
	}}.run(t)
}

func doorOf(b *bed, who string) string {
	w := world{Host: b.Host, t: b.t}
	return w.door(who)
}
