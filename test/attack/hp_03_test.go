package attack

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// ofDaemon gives muxward itself, which a helper has started.
func ofDaemon(t *testing.T, h *host.Host) int {
	t.Helper()
	var s struct{ PID int }
	if r := h.Muxward("root", "status", "--json"); json.Unmarshal([]byte(r.Out), &s) != nil || s.PID == 0 {
		t.Fatalf("%+v", r)
	}
	return s.PID
}

// inherited is what a process has from whoever started it: a line for each thing, without
// what differs from run to run.
func inherited(t *testing.T, pid int) []string {
	t.Helper()
	dir := fmt.Sprintf("/proc/%d/", pid)
	var out []string
	status, err := os.ReadFile(dir + "status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		if slices.Contains([]string{"Uid", "Gid", "Groups", "SigBlk", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp", "Umask"}, name) {
			out = append(out, name+" "+strings.Join(strings.Fields(value), " "))
		}
		if name == "SigIgn" { // SIGPIPE and what shells and tmux ignore by themselves aside
			mask, err := strconv.ParseUint(strings.TrimSpace(value), 16, 64)
			if err != nil {
				t.Fatal(err)
			}
			for _, sig := range []syscall.Signal{unix.SIGHUP, unix.SIGUSR1, unix.SIGWINCH} {
				out = append(out, fmt.Sprintf("ignores %s %t", unix.SignalName(sig), mask&(1<<(sig-1)) != 0))
			}
		}
	}
	env, err := os.ReadFile(dir + "environ")
	if err != nil {
		t.Fatal(err)
	}
	for kv := range strings.SplitSeq(strings.TrimRight(string(env), "\x00"), "\x00") {
		name, _, _ := strings.Cut(kv, "=")
		out = append(out, "env "+name)
	}
	cwd, _ := os.Readlink(dir + "cwd")
	out = append(out, "cwd "+cwd)
	fds, err := os.ReadDir(dir + "fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		to, _ := os.Readlink(dir + "fd/" + fd.Name())
		if strings.Contains(to, "planted") {
			out = append(out, "fd "+filepath.Base(to))
		}
	}
	slices.Sort(out)
	return out
}

// whoeverStarts has a muxward-helper be started by somebody who leaves it all that a
// process can be left: descriptors, an environment, a directory, ignored and blocked
// signals, a mask for files.
func whoeverStarts(t *testing.T, base string) func(*exec.Cmd) {
	planted, err := os.Create(base + "/planted")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { planted.Close() })
	return func(cmd *exec.Cmd) {
		argv := append([]string{"-c", `trap '' HUP USR1 WINCH PIPE; umask 0; exec "$@"`, "sh"}, append([]string{cmd.Path}, cmd.Args[1:]...)...)
		cmd.Path, cmd.Args = "/bin/sh", append([]string{"sh"}, argv...)
		cmd.ExtraFiles = []*os.File{planted, planted, planted, planted, planted}
		cmd.Env = append(cmd.Env, "LD_PRELOAD=/planted.so", "SECRET=planted", "TMUX=planted", "BASH_ENV=/planted")
		cmd.Dir = base
	}
}

// Mallory can have a service start with what she chooses around it, or finds what root's
// shell left there: she wants a descriptor, a variable, a right or an ignored signal of it
// to come through to the daemon, or to somebody's tmux. The control run is a tmux that is
// started as it is.
func TestHP03Inherited(t *testing.T) {
	t.Parallel()
	h := host.Prepare(t, host.Config{Account: host.Ward})
	around := whoeverStarts(t, h.Base)
	h = host.Prepare(t, host.Config{Account: host.Ward, Change: around})
	h.Run()
	h.Must(owner, "new-session", "-d", "-s", "work", "cat")
	server, err := strconv.Atoi(h.Must(owner, "display-message", "-p", "#{pid}"))
	if err != nil {
		t.Fatal(err)
	}
	alone := exec.Command("sleep", "1000")
	around(alone)
	if err := alone.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = alone.Process.Kill(); _ = alone.Wait() }()
	tmuxtest.Eventually(t, func() bool {
		exe, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", alone.Process.Pid))
		return !strings.HasSuffix(exe, "sh") && exe != ""
	}, "the control run runs")
	control := inherited(t, alone.Process.Pid)
	for _, thing := range []string{"env SECRET", "fd planted", "ignores SIGUSR1 true", "Umask 0000"} {
		if !slices.Contains(control, thing) {
			t.Errorf("the control run has no %q: nothing was tried; it has %q", thing, control)
		}
	}
	ofHost := regexp.MustCompile(`CapBnd [0-9a-f]+`)
	ofGo := regexp.MustCompile(`SigBlk [0-9a-f]+\n`) // its threads block what they like
	home := tmuxtest.As(t, owner).Home
	got := "muxward\n" + ofGo.ReplaceAllString(strings.Join(inherited(t, ofDaemon(t, h)), "\n"), "") + "\n\ntmux\n" +
		strings.ReplaceAll(ofHost.ReplaceAllString(strings.Join(inherited(t, server), "\n"), "CapBnd HOST"), home, "HOME") + "\n"
	golden := "testdata/inherited.golden"
	if os.Getenv("MUXWARD_UPDATE") != "" {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("inherited is:\n%s\nand should be:\n%s", got, want)
	}
}

// Mallory has taken over the process that everybody's bytes go through: she runs what she
// likes as its account, beside it. She wants root's rights by the helper, the sockets of
// servers, people's keys, what the log has, and to go on behind its back. The control run
// tries the same as root.
func TestHP06FromTheAccount(t *testing.T) {
	t.Parallel()
	h := host.Start(t, host.Config{Account: host.Ward})
	h.Must(owner, "new-session", "-d", "-s", "work", "cat")
	home := tmuxtest.As(t, owner).Home
	if err := os.MkdirAll(home+"/.ssh", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(home+"/.ssh/authorized_keys", []byte("# none\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	sockets, _ := filepath.Glob(h.Doors + "/run/servers/*/s")
	if len(sockets) != 1 {
		t.Fatal(sockets)
	}
	helper, daemon := h.PID(), ofDaemon(t, h)
	tries := map[string]string{
		"signal the helper":            fmt.Sprintf("kill -0 %d", helper),
		"read the helper's memory":     fmt.Sprintf("head -c 1 /proc/%d/maps", helper),
		"see the helper's descriptors": fmt.Sprintf("ls /proc/%d/fd", helper),
		"take the line of the daemon":  fmt.Sprintf("head -c 1 /proc/%d/fd/3 || test -w /proc/%d/fd/3", helper, helper),
		"come to a guarded socket":     "tmux -S " + sockets[0] + " ls",
		"list guarded servers":         "ls " + h.Doors + "/run/servers",
		"take a guarded socket away":   "rm " + sockets[0],
		"read an account's keys":       "cat " + home + "/.ssh/authorized_keys",
		"write where the helper reads": "echo >> " + h.Base + "/muxward.yaml",
		"put a door of its own":        "mkdir " + h.Doors + "/tmux-0",
		"become another account":       "setpriv --reuid 0 true",
		"signal somebody's tmux":       "kill -0 " + h.Must(owner, "display-message", "-p", "#{pid}"),
	}
	for what, script := range tries {
		for _, who := range []string{host.Ward, root} {
			if who == root && strings.HasPrefix(script, "rm ") {
				continue // it would work
			}
			r := h.Exec(who, nil, "/bin/sh", "-c", script)
			if who == root && r.Code != 0 && what != "come to a guarded socket" && what != "take the line of the daemon" {
				t.Errorf("control run: root cannot %s: %+v", what, r)
			}
			if who != root && r.Code == 0 {
				t.Errorf("as the daemon's account one can %s", what)
			}
		}
	}
	// What the line has is no path, and only the two hold it.
	for _, pid := range []int{helper, daemon} {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/unix", pid))
		if err != nil || strings.Contains(string(data), "privsep") {
			t.Error(err)
		}
	}
}

// Mallory kills the helper again and again: nobody's panes may end by that, or be left
// with nobody in front of them, and no helper or daemon may stay behind.
func TestF03HelperKilled(t *testing.T) {
	t.Parallel()
	h := host.Start(t, host.Config{Account: host.Ward})
	h.Must(owner, "new-session", "-d", "-s", "work", "cat")
	pane := h.Must(owner, "display-message", "-p", "-t", "work", "#{pane_pid}")
	for range 3 {
		daemon := ofDaemon(t, h)
		h.Kill()
		tmuxtest.Eventually(t, func() bool { return syscall.Kill(daemon, 0) == syscall.ESRCH }, "the daemon has ended with its helper")
		if r := h.Tmux(owner, "new-window", "-t", "work"); r.Code == 0 {
			t.Error("something was done without a helper")
		}
		h.Run()
		if is := h.Must(owner, "display-message", "-p", "-t", "work", "#{pane_pid}"); is != pane {
			t.Errorf("the pane runs %s, and ran %s", is, pane)
		}
	}
}
