package sockets

import (
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/sockets"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// lastPID is where the kernel is told which process id to give out next.
const lastPID = "/proc/sys/kernel/ns_last_pid"

// another starts a program of alice's that has the process id of one that ended.
func (z *cage) another(pid int, words ...string) *exec.Cmd {
	z.t.Helper()
	var cmd *exec.Cmd
	tmuxtest.Eventually(z.t, func() bool {
		c := tmuxtest.As(z.t, owner).Command(words[0], words[1:]...)
		if err := os.WriteFile(lastPID, []byte(strconv.Itoa(pid-1)), 0); err != nil {
			tmuxtest.Skip(z.t, "needs to say which process id comes next: %v", err)
		}
		z.must(c.Start())
		if c.Process.Pid == pid { // else somebody was faster
			cmd = c
			return true
		}
		_ = c.Process.Kill()
		_ = c.Wait()
		return false
	}, "a process gets the id %d", pid)
	return cmd
}

// The attacker, or chance, has another process take the number of a server
// between the moment that root looks and the moment that root signals it. The
// signal would end it: nothing of alice's but a tmux server that listens there
// gets one, not even another tmux of hers. In the control run the number alone is
// signalled.
func TestSK10AnotherProcess(t *testing.T) {
	lost := func(t *testing.T) (*cage, *server, []sockets.Step) {
		z := newCage(t)
		s := z.server(owner, z.dir(owner, 0o700)+"/gone", 0)
		z.must(os.Remove(s.path))
		steps := z.steps("MW-S002")
		if len(steps) != 1 {
			t.Fatalf("%d steps", len(steps))
		}
		return z, s, steps
	}
	ended := func(cmd *exec.Cmd) bool {
		var ws unix.WaitStatus
		pid, err := unix.Wait4(cmd.Process.Pid, &ws, unix.WNOHANG, nil)
		return err == nil && pid == cmd.Process.Pid
	}
	end := func(cmd *exec.Cmd) {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	for name, words := range map[string][]string{
		"a program":          {"sleep", "1000"},
		"another tmux":       {"tmux", "-D", "-f", "/dev/null", "-S", "/proc/self/cwd/other"},
		"one that is called": {"tmux: server", "1000"},
	} {
		t.Run(name, func(t *testing.T) {
			z, s, steps := lost(t)
			s.kill()
			if words[0] == "tmux: server" {
				words = []string{z.called("tmux: server"), "1000"}
			}
			cmd := z.another(s.pid(), words...)
			defer end(cmd)
			d := z.mend(steps[0])
			if d.Outcome != sockets.Left || statOf(s.path) != [3]uint64{} {
				t.Errorf("%+v", d)
			}
			if ended(cmd) {
				t.Error("another process was signalled")
			}
		})
	}
	t.Run("still the same", func(t *testing.T) {
		z, s, steps := lost(t)
		if d := z.mend(steps[0]); d.Outcome != sockets.Mended || !connects(s.path) {
			t.Errorf("%+v", d)
		}
		z.allLive()
	})
	t.Run("control", func(t *testing.T) {
		z, s, _ := lost(t)
		s.kill()
		cmd := z.another(s.pid(), "sleep", "1000")
		z.must(unix.Kill(s.pid(), unix.SIGUSR1))
		tmuxtest.Eventually(t, func() bool { return ended(cmd) }, "the wrong process ends: else this is no test")
	})
}

// called is a program that sleeps and has another name.
func (z *cage) called(name string) string {
	z.t.Helper()
	sleep, err := exec.LookPath("sleep")
	z.must(err)
	data, err := os.ReadFile(sleep)
	z.must(err)
	path := z.base + "/" + name
	z.must(tmuxtest.WriteProgram(path, data, 0o755))
	return path
}

// Somebody starts a server at the path of one whose socket is gone, at the moment
// that root mends it: a new socket of the old one would put the new one out of reach. While
// the lock that tmux takes for a start is held, and when the new server is there,
// nothing is done.
func TestSK10PathTakenMeanwhile(t *testing.T) {
	z := newCage(t)
	dir := z.dir(owner, 0o700)
	old := z.server(owner, dir+"/gone", 0)
	z.must(os.Remove(old.path))
	steps := z.steps("MW-S002")
	if len(steps) != 1 {
		t.Fatalf("%d steps", len(steps))
	}
	lock, err := os.OpenFile(z.file(old.path+".lock", owner), os.O_WRONLY, 0)
	z.must(err)
	z.must(unix.Flock(int(lock.Fd()), unix.LOCK_EX))
	if d := z.mend(steps[0]); d.Outcome != sockets.Left || statOf(old.path) != [3]uint64{} {
		t.Errorf("while a server is being started: %+v", d)
	}
	z.must(lock.Close())
	z.must(os.Remove(old.path + ".lock"))
	z.server(owner, old.path, 0)
	was := statOf(old.path)
	if d := z.mend(steps[0]); d.Outcome != sockets.Left || statOf(old.path)[1] != was[1] {
		t.Errorf("with a new server there: %+v", d)
	}
	z.allLive()
	// The control run: who sends the signal all the same puts it out of reach.
	z.must(old.cmd.Process.Signal(syscall.SIGUSR1))
	tmuxtest.Eventually(t, func() bool { return statOf(old.path) != was }, "the new server loses its path: else this is no test")
}
