package attack

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/procfs"
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
	limits, err := os.ReadFile(dir + "limits")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(limits)) {
		for _, name := range []string{"Max open files", "Max core file size"} { // which were planted
			if rest, is := strings.CutPrefix(line, name); is {
				out = append(out, strings.Join(append([]string{name}, strings.Fields(rest)...), " "))
			}
		}
	}
	out = append(out, fmt.Sprintf("oom_score_adj %d", chosen(t, pid)))
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

// plantedKey gives this thread, and so what is started from it, a session keyring with a key.
// The goroutine is to stay on it, which ends with the test.
func plantedKey(t *testing.T) {
	t.Helper()
	runtime.LockOSThread()
	if _, err := unix.KeyctlInt(unix.KEYCTL_JOIN_SESSION_KEYRING, 0, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := unix.AddKey("user", "mwplanted", []byte("secret"), unix.KEY_SPEC_SESSION_KEYRING); err != nil {
		t.Fatal(err)
	}
}

// whoeverStarts has a muxward-helper be started by somebody who leaves it all that a
// process can be left: descriptors, an environment, a directory, ignored and blocked
// signals, a mask for files, limits, a capability that programs inherit, and a place among those that the kernel ends when memory is short.
func whoeverStarts(t *testing.T, base string) func(*exec.Cmd) {
	planted, err := os.Create(base + "/planted")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { planted.Close() })
	return func(cmd *exec.Cmd) {
		argv := append([]string{"-c", `trap '' HUP USR1 WINCH PIPE; umask 0; ulimit -Sn 777; ulimit -Hn 7777; ulimit -c 777; echo 77 >/proc/self/oom_score_adj; exec setpriv --inh-caps +chown "$@"`, "sh"}, append([]string{cmd.Path}, cmd.Args[1:]...)...)
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
	plantedKey(t)
	h.Run()
	// The client is started with the key, too: a pane is the server's, and has what that has.
	keys := h.Base + "/keys"
	if err := os.WriteFile(keys, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(keys, 0o666); err != nil {
		t.Fatal(err)
	}
	h.Must(owner, "new-session", "-d", "-s", "work", "{ echo keys; cat /proc/keys; echo end; } >"+keys+"; cat")
	server, err := strconv.Atoi(h.Must(owner, "display-message", "-p", "#{pid}"))
	if err != nil {
		t.Fatal(err)
	}
	inheritedAlone(t, around)
	ours := h.Exec(owner, nil, "/bin/cat", "/proc/keys")
	if !strings.Contains(ours.Out, "mwplanted") {
		t.Errorf("the control run has no key: nothing was tried; it has %+v", ours)
	}
	var paneKeys string
	tmuxtest.Eventually(t, func() bool {
		data, _ := os.ReadFile(keys)
		paneKeys = string(data)
		return strings.HasSuffix(paneKeys, "end\n")
	}, "the pane has looked for keys")
	ofHost := regexp.MustCompile(`CapBnd [0-9a-f]+`)
	ofGo := regexp.MustCompile(`SigBlk [0-9a-f]+\n`) // its threads block what they like
	home := tmuxtest.As(t, owner).Home
	got := "muxward\n" + ofGo.ReplaceAllString(strings.Join(inherited(t, ofDaemon(t, h)), "\n"), "") + "\n\ntmux\n" +
		strings.ReplaceAll(ofHost.ReplaceAllString(strings.Join(inherited(t, server), "\n"), "CapBnd HOST"), home, "HOME") + "\n" +
		fmt.Sprintf("session keyring of whoever starts %t\n", strings.Contains(paneKeys, "mwplanted"))
	asGolden(t, "testdata/inherited.golden", got)
}

// inheritedAlone is the control run: a program that whoever starts muxward starts as it is has all
// that was planted.
func inheritedAlone(t *testing.T, around func(*exec.Cmd)) {
	t.Helper()
	alone := exec.Command("sleep", "1000")
	around(alone)
	if err := alone.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = alone.Process.Kill(); _ = alone.Wait() }()
	tmuxtest.Eventually(t, func() bool {
		exe, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", alone.Process.Pid))
		environ, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", alone.Process.Pid))
		return !strings.HasSuffix(exe, "sh") && !strings.HasSuffix(exe, "setpriv") && exe != "" && len(environ) > 0 // a new program has none for a moment
	}, "the control run runs")
	control := inherited(t, alone.Process.Pid)
	for _, thing := range []string{"env SECRET", "fd planted", "ignores SIGUSR1 true", "Umask 0000", "oom_score_adj 77", "CapInh 0000000000000001"} {
		if !slices.Contains(control, thing) {
			t.Errorf("the control run has no %q: nothing was tried; it has %q", thing, control)
		}
	}
}

// Mallory's tmux wants the keys of root's session where muxward is root itself. The control run
// is the one of TestHP03Inherited.
func TestHP03RootsKeys(t *testing.T) {
	t.Parallel()
	if os.Getenv("MUXWARD_TEST_ACCOUNT") != "" {
		tmuxtest.Skip(t, "it takes a muxward that runs as root")
	}
	h := host.Prepare(t, host.Config{})
	plantedKey(t)
	h.Run()
	keys := h.Base + "/keys"
	if err := os.WriteFile(keys, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(keys, 0o666); err != nil {
		t.Fatal(err)
	}
	h.Must(owner, "new-session", "-d", "-s", "work", "{ echo keys; cat /proc/keys; echo end; } >"+keys+"; cat")
	tmuxtest.Eventually(t, func() bool {
		data, _ := os.ReadFile(keys)
		if strings.Contains(string(data), "mwplanted") {
			t.Errorf("the pane has root's key: %s", data)
		}
		return strings.HasSuffix(string(data), "end\n")
	}, "the pane has looked for keys")
}

// Mallory has a pane of her own, and wants what is in the session keyring of somebody else's panes
// (Kerberos tickets, keys of file systems), or to plant keys there: a keyring is for whoever
// has it, whatever their uid. The control run has both be started by one who has a keyring.
func TestHP03Keyrings(t *testing.T) {
	t.Parallel()
	h := host.Start(t, host.Config{Account: host.Ward})
	plantedKey(t) // the control run's
	ringOf := func(proc string) string {
		for line := range strings.Lines(proc) {
			if f := strings.Fields(line); len(f) > 7 && f[5] == "0" && f[7] == "keyring" && strings.HasPrefix(f[8], "_ses") {
				return f[0] // root's: they see those that they have
			}
		}
		t.Errorf("no session keyring is there, or none that is root's: %q", proc)
		return ""
	}
	rings := map[string]string{}
	for _, who := range []string{owner, stranger} {
		keys := h.Base + "/keys." + who
		err := os.WriteFile(keys, nil, 0o666)
		if err == nil {
			err = os.Chmod(keys, 0o666)
		}
		if err != nil {
			t.Fatal(err)
		}
		h.Must(who, "new-session", "-d", "-s", "work", "{ cat /proc/keys; echo end; } >"+keys+"; cat")
		tmuxtest.Eventually(t, func() bool {
			data, _ := os.ReadFile(keys)
			rings[who] = string(data)
			return strings.HasSuffix(string(data), "end\n")
		}, "the pane has looked for keys")
		rings[who] = ringOf(rings[who])
	}
	if rings[owner] == rings[stranger] {
		t.Errorf("their panes have one session keyring: %s", rings[owner])
	}
	if one, other := h.Exec(owner, nil, "/bin/cat", "/proc/keys").Out, h.Exec(stranger, nil, "/bin/cat", "/proc/keys").Out; ringOf(one) != ringOf(other) {
		t.Errorf("control run: %q, %q", one, other)
	}
}

// besideHelper are muxward's processes beside its helper, but for tmux and shells.
func besideHelper(helper, daemon int) (out []int) {
	all, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range all {
		pid, _ := strconv.Atoi(filepath.Base(dir))
		stat, err := procfs.ReadStat(pid)
		if err == nil && (pid == daemon || stat.PPID == daemon || stat.PPID == helper) && !strings.HasPrefix(stat.Comm, "tmux") && stat.Comm != "sh" {
			out = append(out, pid)
		}
	}
	return out
}

// Mallory has taken over muxward, and wants to go on in one of the processes beside it: what
// holds the keys, or puts terminals right, has a filter before its calls, no program to become,
// and no memory for others of its account. The control run is the helper, which has no filter.
func TestHP06Beside(t *testing.T) {
	t.Parallel()
	h := host.Start(t, host.Config{Account: host.Ward})
	helper, daemon := h.PID(), ofDaemon(t, h)
	if c := inherited(t, helper); !slices.Contains(c, "Seccomp 0") {
		t.Errorf("control run: %q", c)
	}
	// One that is only just beginning has none yet.
	tmuxtest.Eventually(t, func() bool {
		all := besideHelper(helper, daemon)
		return len(all) == 3 && !slices.ContainsFunc(all, func(pid int) bool {
			status, _ := procfs.Read(pid, "status", 8192)
			return !strings.Contains(string(status), "Seccomp:\t2")
		})
	}, "muxward, its keeper and the holder of the keys have a filter")
	found := 0
	for _, pid := range besideHelper(helper, daemon) {
		dir := fmt.Sprintf("/proc/%d", pid)
		stat, err := procfs.ReadStat(pid)
		if err != nil {
			continue
		}
		found++
		c := inherited(t, pid)
		if !slices.Contains(c, "Seccomp 2") || !slices.Contains(c, "NoNewPrivs 1") || !slices.Contains(c, "CapEff 0000000000000000") {
			t.Errorf("%s, process %d: %q", stat.Comm, pid, c)
		}
		// The files of a process that cannot be dumped are root's.
		if info, err := os.Stat(dir + "/mem"); err != nil || info.Sys().(*syscall.Stat_t).Uid != 0 {
			t.Errorf("%s, process %d: its memory is its account's: %v", stat.Comm, pid, err)
		}
	}
	if found != 3 {
		t.Errorf("%d processes were looked at, and not muxward, its keeper and the holder of the keys", found)
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
