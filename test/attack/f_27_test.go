package attack

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// The guarded server's socket, or its directory, is opened for everybody
// behind muxward's back, and somebody who was not let in connects. It is
// closed again within seconds, with an alarm. In the control run muxward is
// stopped: it stays open, and a stranger gets in with a tmux of their own.
func TestF27SocketOpened(t *testing.T) {
	b := lay(t, host.Config{})
	stock := func() int {
		as := tmuxtest.As(t, stranger)
		_, err := tmuxtest.Output(as.Command("tmux", "-S", b.server.Socket, "ls"))
		if err != nil {
			return 1
		}
		return 0
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
		if err := os.Chmod(dir, 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(b.server.Socket, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	was := modes()
	if stock() == 0 {
		t.Fatal("a stranger reaches the guarded socket as it is")
	}
	open()
	tmuxtest.Eventually(t, func() bool { return modes() == was }, "the modes are put right: %s", was)
	b.alarmed("mode")
	b.typed(typist, "on")
	b.kept()
	b.VerifyAudit()
	b.Signal(sigStop)
	open()
	pause(1e9)
	if modes() == was {
		t.Error("control run: the modes put themselves right")
	}
	b.Signal(sigCont)
	tmuxtest.Eventually(t, func() bool { return modes() == was }, "the modes are put right: %s", was)
}
