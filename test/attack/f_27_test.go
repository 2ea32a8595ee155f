package attack

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// The guarded server's socket, or its directory, is opened for everybody
// behind muxward's back, and a stranger whom the owner's own tmux would take
// connects and stays. It is closed again within seconds, with an alarm that
// says since when it may have been open and who is connected. In the control
// run muxward is stopped: it stays open, and the stranger gets in with a tmux of
// their own.
func TestF27SocketOpened(t *testing.T) {
	// 3.2 has no such list, and lets everybody in.
	b := lay(t, host.Config{TmuxConf: "%if #{>=:#{version},3.3}\nserver-access -aw " + stranger + "\n%endif\n"})
	as := tmuxtest.As(t, stranger)
	stock := func(args ...string) *exec.Cmd {
		return as.Command("tmux", append([]string{"-S", b.server.Socket}, args...)...)
	}
	getsIn := func() bool {
		out, err := tmuxtest.Output(stock("ls"))
		return err == nil && strings.Contains(out, "shared")
	}
	dir := filepath.Dir(b.server.Socket)
	modes := func() string {
		d, err := os.Stat(dir)
		s, err2 := os.Stat(b.server.Socket)
		if err != nil || err2 != nil {
			return "gone"
		}
		return d.Mode().String() + s.Mode().String()
	}
	open := func() {
		for _, path := range []string{dir, b.server.Socket} {
			if err := os.Chmod(path, 0o777); err != nil {
				t.Fatal(err)
			}
		}
	}
	was := modes()
	if getsIn() {
		t.Fatal("a stranger reaches the guarded socket as it is")
	}
	open()
	opened := time.Now()
	tmuxtest.Eventually(t, func() bool { return modes() == was }, "the modes are put right: %s", was)
	b.alarmed("mode")
	inTime(t, opened, 5*time.Second, "put right and told")
	if getsIn() {
		t.Error("a stranger gets in after it was put right")
	}
	// An alarm is about one moment, in which a connection of muxward's own may not have
	// been accepted yet: then it says so, and the next one is asked for.
	for tries := 1; b.logs("alarm", "nobody is connected now") == 0; tries++ {
		told := b.logs("alarm", "who could connect meanwhile")
		if tries == 10 {
			t.Fatalf("of %d alarms none says that nobody is connected; muxward says:\n%s", told, b.Output())
		}
		open()
		tmuxtest.Eventually(t, func() bool { return modes() == was && b.logs("alarm", "who could connect meanwhile") > told },
			"the modes are put right again, and told of")
	}
	if b.logs("alarm", "(process ") > 0 {
		t.Errorf("somebody is said to be connected, and nobody was; muxward says:\n%s", b.Output())
	}
	b.typed(typist, "on")

	b.Signal(sigStop)
	open()
	tmuxtest.Eventually(t, getsIn, "control run: without muxward the stranger gets in")
	stays := stock("wait-for", "never")
	if err := stays.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stays.Process.Kill()
		_ = stays.Wait()
	})
	tmuxtest.Eventually(t, func() bool { return connectedTo(t, b.server.PID, stays.Process.Pid) }, "the stranger is connected")
	if modes() == was {
		t.Error("control run: the modes put themselves right")
	}
	b.Signal(sigCont)
	going := time.Now()
	tmuxtest.Eventually(t, func() bool { return modes() == was }, "the modes are put right: %s", was)
	b.alarmed(fmt.Sprintf("uid %d (process %d ", as.UID, stays.Process.Pid))
	inTime(t, going, 5*time.Second, "put right, and the stranger told of")
	if getsIn() {
		t.Error("a stranger gets in after it was put right")
	}
	b.kept()
	b.VerifyAudit()
}

// connectedTo reports whether a process has a connection that the server has
// accepted.
func connectedTo(t *testing.T, server, client int) (ok bool) {
	t.Helper()
	descriptors(t, server, func(fd int) {
		cred, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
		ok = ok || err == nil && int(cred.Pid) == client
	})
	return ok
}
