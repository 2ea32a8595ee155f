package attack

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// withoutNamespaces takes from muxward what it takes to make PID namespaces, as in many
// containers.
func withoutNamespaces(cmd *exec.Cmd) {
	cmd.Args = append([]string{"setpriv", "--bounding-set=-sys_admin", cmd.Path}, cmd.Args[1:]...)
	cmd.Path = "/usr/bin/setpriv"
}

// Bob may run a subsystem. He wants what it runs to go on when that right is taken from him: by
// programs of their own session that heed no signal, while the process that
// would end them is killed, or stopped, by them: it is of the same account. When a revocation
// has returned, nothing of it runs; also where there are no PID namespaces.
func TestSS27Outlives(t *testing.T) {
	t.Parallel()
	for name, first := range map[string]string{"kill": "kill -9 $PPID", "stop": "kill -STOP $PPID"} {
		for where, change := range map[string]func(*exec.Cmd){"": nil, " without namespaces": withoutNamespaces} {
			t.Run(name+where, func(t *testing.T) {
				check := "teeth_enclosed"
				if change != nil {
					check = "teeth_minded"
				}
				r := row{ssh: true, restless: true, teeth: check, change: change,
					sshMore: "subsystems: {work: [$BASE/run]}",
					reach:   "allow:\n  - {id: work, who: mwbob, subsystems: [work], reason: he works}\n",
					attack:  func(w *world) { w.outlives(name, first) }}
				if name == "kill" || change != nil { // with its control run: what is stopped in a namespace has the same
					r.run(t)
					return
				}
				w := r.stage(t, false)
				r.attack(w)
				w.oracles()
				for _, g := range w.gains {
					t.Errorf("the attack succeeded: %s", g)
				}
			})
		}
	}
}

// outlives has bob run a subsystem that ends whatever would end it, and takes the right from him.
func (w *world) outlives(name, first string) {
	w.t.Helper()
	dir := tmuxtest.Dir(w.t, tmuxtest.As(w.t, viewer))
	script := fmt.Sprintf(`#!/bin/sh
trap '' HUP TERM INT PIPE
for i in 1 2 3; do (setsid -f sh -c 'trap "" HUP TERM; while :; do sleep 1000; done' %[1]s/left >/dev/null 2>&1 </dev/null); done
tr '\0' ' ' </proc/$(sed -n 's/^PPid:[[:space:]]*//p' /proc/$PPID/status)/cmdline >%[1]s/above
: > %[1]s/begun
%[2]s
exec sh -c 'while :; do sleep 1000; done' %[1]s/left
`, dir, first)
	if err := tmuxtest.WriteProgram(w.Base+"/run", []byte(script), 0o755); err != nil {
		w.t.Fatal(err)
	}
	cmd := exec.Command("ssh", append(w.SSHArgs(w.KeyOf(viewer)), "-s", "x@127.0.0.1", "work")...)
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	tmuxtest.Eventually(w.t, func() bool {
		_, err := os.Stat(dir + "/begun")
		// What minds it as a process of root's ends all of it as soon as that is killed.
		return err == nil && (w.row.change != nil && name == "kill" || len(running(w.t, dir+"/left")) > 2)
	}, "bob's subsystem has begun")
	if above, err := os.ReadFile(dir + "/above"); w.row.change != nil && (err != nil || !strings.Contains(string(above), " reach ") || !strings.Contains(string(above), " minded ")) {
		w.t.Errorf("it was not minded, but below %q (%v)", above, err)
	}
	r := w.Muxward(root, "revoke", viewer, "--reason", "enough")
	left := running(w.t, dir+"/left")
	if len(left) > 0 {
		w.gain("%d programs go on (revoke: %d %q)", len(left), r.Code, r.Out+r.Err)
	}
	for _, p := range left {
		_ = p.Kill()
	}
	if w.control {
		return
	}
	if r.Code != 0 {
		w.t.Errorf("revoke: %+v", r)
	}
	tmuxtest.Eventually(w.t, func() bool { return len(w.reaching()) == 0 }, "nothing that reaches is left")
}

// running finds processes that have a word among their arguments.
func running(t *testing.T, word string) (list []*os.Process) {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		line, _ := os.ReadFile("/proc/" + e.Name() + "/cmdline") // no process, or gone
		var pid int
		if _, err := fmt.Sscan(e.Name(), &pid); err != nil || !strings.Contains(string(line), "\x00"+word+"\x00") {
			continue
		}
		if p, err := os.FindProcess(pid); err == nil {
			list = append(list, p)
		}
	}
	return list
}
