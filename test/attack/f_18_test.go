package attack

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// There are no process ids left for muxward: a server for somebody new cannot
// be started, which is said, and who is there works on. With ids again, which
// is the control run, it starts.
func TestF18NoProcesses(t *testing.T) {
	b := lay(t, host.Config{})
	c := b.Terminal(typist, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/shared")
	c.WaitFor("recording")
	group := newCgroup(t, "pids")
	group.take(b.PID())
	// muxward's own threads count as well, so some room is left for those: a
	// server takes more than that.
	group.limit("pids", strconv.Itoa(group.number("pids.current")))
	r := b.Tmux(stranger, "new-session", "-d", "-s", "mine", "cat")
	if r.Code == 0 {
		t.Error("a server was started without a process")
	}
	t.Logf("told: %s", r.Err)
	group.limit("pids", "max")
	if c.Exited() {
		t.Error("who was attached was thrown out")
	}
	b.typed(typist, "well")
	b.Must(stranger, "new-session", "-d", "-s", "mine", "cat")
	b.kept()
	b.VerifyAudit()
}

// The host has no terminal left to give. Who attaches is refused and told so,
// with their own terminal as it was; no window opens; who is attached works
// on. With terminals again, which is the control run, the same people come in.
func TestF18NoTerminals(t *testing.T) {
	tmuxtest.As(t, owner) // skips where there is no mount namespace
	if err := unix.Mount("devpts", "/dev/pts", "devpts", 0, "mode=0620,ptmxmode=0666"); err != nil {
		t.Fatalf("mount terminals of our own: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount("/dev/pts", unix.MNT_DETACH) })
	b := lay(t, host.Config{})
	c := b.Terminal(typist, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/shared")
	c.WaitFor("recording")
	// Their own terminals are there before.
	var late []*tmuxtest.Terminal
	for _, who := range []string{owner, viewer} {
		target := "mwalice/shared"
		if who == owner {
			target = "shared"
		}
		x := tmuxtest.Open(t, tmuxtest.TerminalConfig{As: tmuxtest.As(t, who), Env: b.Env(who)}, "sh", "-c",
			"read go; tmux attach -t "+target+"; echo code-$?; read again; exec tmux attach -t "+target)
		late = append(late, x)
	}
	limit := func(n int) {
		t.Helper()
		if err := unix.Mount("", "/dev/pts", "", unix.MS_REMOUNT, fmt.Sprintf("mode=0620,ptmxmode=0666,max=%d", n)); err != nil {
			t.Fatal(err)
		}
	}
	used, err := filepath.Glob("/dev/pts/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	limit(len(used))
	for _, x := range late {
		x.Type("\r")
		x.WaitFor("code-1")
		if text := string(x.Bytes()); !strings.Contains(text, "kernel.pty.max") {
			t.Errorf("it is not told that there are no terminals: %q", text)
		}
		sane(t, x)
	}
	if r := b.Tmux(owner, "new-window", "-d", "-t", "other", "cat"); r.Code == 0 {
		t.Error("a window without a terminal")
	}
	c.Type("typed-on")
	b.arrived("typed-on")
	limit(1000)
	for _, x := range late {
		x.Type("\r")
		x.WaitFor("recording")
	}
	b.turnsGreen()
	b.kept()
	b.VerifyAudit()
}

// There are no watches left for directories. It is told, once, and what was
// tampered with is put right all the same, when muxward looks by itself. The
// control run is a muxward with watches, which has nothing to tell.
func TestF18NoWatches(t *testing.T) {
	const told = "not at once"
	with := lay(t, host.Config{})
	b := lay(t, host.Config{Change: func(cmd *exec.Cmd) {
		// In a user namespace of its own, with the same accounts, limits can
		// be set that bind nobody else.
		cmd.Args = append([]string{"sh", "-c", `echo 0 >/proc/sys/user/max_inotify_watches && exec "$@"`, "sh"}, cmd.Args...)
		cmd.Path = "/bin/sh"
		same := []syscall.SysProcIDMap{{Size: 65536}}
		cmd.SysProcAttr.Cloneflags = unix.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings, cmd.SysProcAttr.GidMappings = same, same
		cmd.SysProcAttr.GidMappingsEnableSetgroups = true
	}})
	b.alarmed(told)
	b.typed(typist, "on")
	door := b.Doors + "/tmux-" + fmt.Sprint(tmuxtest.As(t, owner).UID)
	if err := os.Chmod(door, 0o777); err != nil {
		t.Fatal(err)
	}
	tmuxtest.Eventually(t, func() bool {
		st, err := os.Stat(door)
		return err == nil && st.Mode().Perm() == 0o500
	}, "the door's mode is put right")
	if n := b.logs("alarm", told); n != 1 {
		t.Errorf("it is told %d times", n)
	}
	if with.logs("alarm", told) != 0 {
		t.Error("control run: it is told where there are watches")
	}
	b.kept()
	b.VerifyAudit()
}
