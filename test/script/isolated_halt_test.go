package script

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// The tmux server of prod hangs, and root locks it down: it is stopped, and what runs in its pane is
// frozen, beside muxward-helper as elsewhere. The helper is killed, and all stays so; root unlocks
// it, and both go on.
func TestIsolatedStopped(t *testing.T) {
	t.Parallel()
	h := isolatedHost(t, host.Ward)
	h.Must(host.Alice, "new-window", "-d", "-t", "prod/main", "sleep", "31417.5")
	s := h.Server("prod")
	var pid string
	tmuxtest.Eventually(t, func() bool { pid = running("sleep\x0031417.5\x00"); return pid != "" }, "the program runs")
	events := eventsOf(t, pid)
	is := func(text string) bool {
		data, err := os.ReadFile(events)
		return err == nil && strings.Contains(string(data), text)
	}
	fifo := tmuxtest.Dir(t, tmuxtest.As(t, host.Alice)) + "/fifo"
	if err := unix.Mkfifo(fifo, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(fifo, 0o666); err != nil {
		t.Fatal(err)
	}
	s.Run("run-shell", "-b", "-d", "0.1", "-C", "source-file "+fifo)
	tmuxtest.Eventually(t, func() bool {
		where, err := os.ReadFile(fmt.Sprintf("/proc/%d/wchan", s.PID))
		return err == nil && strings.Contains(string(where), "partner")
	}, "tmux hangs")
	r := h.Muxward("root", "lockdown", "-t", "prod", "--reason", "incident")
	if r.Code == 0 || !strings.Contains(r.Err, "it is stopped until this is unlocked, and so are the programs in 2 of its panes") {
		t.Errorf("lockdown: %+v", r)
	}
	stays := func(when string) {
		if now := stateOf(t, s.PID); now != "T" || !is("frozen 1") {
			t.Errorf("%s: state %s; the program is frozen: %t", when, now, is("frozen 1"))
		}
	}
	stays("locked down")
	h.Kill()
	h.Run()
	stays("after a restart")
	h.Kill()
	// So far all has come if it is killed as it lets them go on: nobody has unlocked it then.
	if err := errors.Join(os.WriteFile(filepath.Dir(events)+"/cgroup.freeze", []byte("0"), 0), unix.Kill(s.PID, unix.SIGCONT)); err != nil {
		t.Fatal(err)
	}
	tmuxtest.Eventually(t, func() bool { return is("frozen 0") && stateOf(t, s.PID) != "T" }, "both go on")
	h.Run()
	tmuxtest.Eventually(t, func() bool { return is("frozen 1") && stateOf(t, s.PID) == "T" }, "both are stopped again")
	stop, came := make(chan struct{}), make(chan struct{})
	defer func() { close(stop); <-came }()
	go func() { // whoever reads gets the end of the file as soon as it asks
		defer close(came)
		for {
			if fd, err := unix.Open(fifo, unix.O_WRONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0); err == nil {
				_ = unix.Close(fd)
				return
			}
			select {
			case <-stop:
				return
			case <-time.After(2 * time.Millisecond):
			}
		}
	}()
	if r := h.Muxward("root", "unlock", "-t", "prod"); r.Code != 0 {
		t.Errorf("unlock: %+v", r)
	}
	if now := stateOf(t, s.PID); now == "T" || !is("frozen 0") {
		t.Errorf("unlocked: state %s; the program goes on: %t", now, is("frozen 0"))
	}
	tmuxtest.Eventually(t, func() bool { return h.Tmux(host.Alice, "display-message", "-p", "-t", "prod/main", "x").Code == 0 }, "alice is let in again")
}

// running finds a process by its arguments.
func running(args string) string {
	lines, _ := filepath.Glob("/proc/[0-9]*/cmdline") // no error is possible
	for _, path := range lines {
		if data, err := os.ReadFile(path); err == nil && string(data) == args {
			return filepath.Base(filepath.Dir(path))
		}
	}
	return ""
}

func stateOf(t *testing.T, pid int) string {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(data), ") ")
	return rest[:1]
}

// eventsOf is cgroup.events of the cgroup2 that a process is in.
func eventsOf(t *testing.T, pid string) string {
	t.Helper()
	own, err := os.ReadFile("/proc/" + pid + "/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(own)) {
		path, ok := strings.CutPrefix(strings.TrimSpace(line), "0::")
		if !ok {
			continue
		}
		for _, top := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
			events := top + path + "/cgroup.events"
			if data, err := os.ReadFile(events); err == nil && strings.Contains(string(data), "frozen") {
				return events
			}
		}
	}
	tmuxtest.Skip(t, "needs a cgroup2 that can be written")
	return ""
}
