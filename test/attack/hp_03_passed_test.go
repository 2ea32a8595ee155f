package attack

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// ofManager is what a process has of what a service manager has passed: the socket, and the
// variables that tell of it.
func ofManager(t *testing.T, pid int, socket *os.File) (out []string) {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Fstat(int(socket.Fd()), &st); err != nil {
		t.Fatal(err)
	}
	dir := fmt.Sprintf("/proc/%d/", pid)
	env, err := os.ReadFile(dir + "environ")
	if err != nil {
		t.Fatal(err)
	}
	for kv := range strings.SplitSeq(string(env), "\x00") {
		if name, _, _ := strings.Cut(kv, "="); strings.HasPrefix(name, "LISTEN_") {
			out = append(out, name)
		}
	}
	fds, err := os.ReadDir(dir + "fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		if to, _ := os.Readlink(dir + "fd/" + fd.Name()); to == fmt.Sprintf("socket:[%d]", st.Ino) {
			out = append(out, "socket")
		}
	}
	return out
}

// Mallory works in a pane of a muxward that systemd has passed its ssh door to. She wants that
// socket, to take who comes by ssh for herself, or the variables, to have another program believe
// that it was passed something. The control run is a program that is started as muxward is.
func TestHP03Passed(t *testing.T) {
	for name, account := range map[string]string{"beside a helper": host.Ward, "as root": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tmuxtest.As(t, stranger) // skips where there are no accounts
			socket, addr := host.ManagersSocket(t, "127.0.0.1:0")
			around := host.AsManager(socket)
			h := host.Start(t, host.Config{Account: account, SSH: []string{stranger}, SSHListen: addr, Change: around})
			if h.SSHAddr() != addr {
				t.Fatalf("it was not passed: %s", h.Output())
			}
			h.Must(stranger, "new-session", "-d", "-s", "work", "sleep 1000")
			for _, of := range []string{"#{pid}", "#{pane_pid}"} {
				pid, err := strconv.Atoi(h.Must(stranger, "display-message", "-p", "-t", "work", of))
				if err != nil {
					t.Fatal(err)
				}
				if has := ofManager(t, pid, socket); len(has) > 0 {
					t.Errorf("%s has %q", of, has)
				}
			}
			if account != "" { // what holds root's rights has no door
				if has := ofManager(t, h.PID(), socket); strings.Contains(strings.Join(has, " "), "socket") {
					t.Errorf("the helper has kept %q", has)
				}
			}
			if has := ofManager(t, ofDaemon(t, h), socket); strings.Count(strings.Join(has, " "), "socket") != 1 {
				t.Errorf("muxward has %q, and the socket once is what was to be seen", has)
			}
			alone := exec.Command("sleep", "1000")
			around(alone)
			alone.Env = append(os.Environ(), alone.Env...)
			if err := alone.Start(); err != nil {
				t.Fatal(err)
			}
			defer func() { _ = alone.Process.Kill(); _ = alone.Wait() }()
			tmuxtest.Eventually(t, func() bool {
				return len(ofManager(t, alone.Process.Pid, socket)) == 4 // three variables, and it
			}, "the control run has all of it")
		})
	}
}
