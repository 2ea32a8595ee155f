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
)

// Mallory's shell is in a pane of an isolated server. She wants what the host has, for herself: processes
// without end, memory, files, and a terminal that never stops. The pane's cgroup holds her to what the
// configuration gives to a pane; meanwhile people type elsewhere, the server's other panes
// answer, and when her pane goes all of hers goes. In the control run nothing bounds a pane. Files are on
// a file system in memory, which counts as the memory of who writes them; elsewhere a quota is the host's. All of it
// is in cgroups of the test's own, with bounds above those: none of it is felt outside, in either run.
func TestPN06TakesAll(t *testing.T) {
	tmuxtest.As(t, stranger) // skips where we are not root
	const processes, memory, files = 64, 64 << 20, 30000
	pen := newPen(t, 1500, 768<<20)
	row{settings: fmt.Sprintf("isolated: {prod: {account: mwwork, run_as: mwmallory, pane_processes: %d, pane_memory: %d}}\n", processes, memory),
		teeth: "teeth_bounds", people: isolatedPeople, grants: isolatedGrants, restless: true, unlogged: true, gains: 3, change: pen.keep, attack: func(w *world) {
			w.isolated()
			notes, crowd := w.notes(), w.notes()
			mountFiles(w.t, crowd)
			calm := pen.processes()
			w.window("yes", "yes")
			for name, script := range map[string]string{
				"processes": fmt.Sprintf(`n=0; while [ $n -lt %d ]; do sleep 600 & n=$((n+1)); echo $n >$notes/count; done; echo >$notes/processes`, 3*processes),
				"memory":    fmt.Sprintf(`awk 'BEGIN { s = "x"; while (length(s) < %d) s = s s }' && echo >$notes/memory`, 3*memory),
				"files":     fmt.Sprintf(`seq %d | split -l 1 -a 5 - $crowd/f && echo >$notes/files`, files),
			} {
				w.window(name, "notes="+notes+" crowd="+crowd+"; "+script)
				w.othersGoOn(name)
				var all bool
				tmuxtest.Eventually(w.t, func() bool {
					_, err := os.Stat(notes + "/" + name)
					all = err == nil
					return all || !w.hasWindow(name)
				}, "the pane of %s has come to its end", name)
				if all {
					w.gain("a pane has as many %s as it likes", name)
				}
			}
			if w.control {
				return
			}
			count := 0
			_, _ = fmt.Sscan(ranAs(notes, "count"), &count) // 0 is none
			if count < processes/2 || count > processes {
				w.t.Errorf("a pane that may have %d processes began %d", processes, count)
			}
			w.window("bomb", `b() { b | b & b; }; while :; do (b); done 2>/dev/null`)
			w.othersGoOn("bomb")
			for _, name := range []string{"bomb", "yes"} {
				w.Tmux(carol, "kill-window", "-t", "prod/main:"+name) // the bomb may have gone by itself
			}
			tmuxtest.Eventually(w.t, func() bool { return pen.processes() <= calm }, "nothing of the panes is left: %d processes, and there were %d", pen.processes(), calm)
		}}.run(t)
}

// window has carol make a window of a name on prod.
func (w *world) window(name, script string) {
	w.t.Helper()
	w.Must(carol, "new-window", "-d", "-t", "prod/main", "-n", name, script)
}

// hasWindow reports whether prod has such a window.
func (w *world) hasWindow(name string) bool {
	w.t.Helper()
	return strings.Contains("\n"+w.Must(carol, "list-windows", "-t", "prod/main", "-F", "#{window_name}")+"\n", "\n"+name+"\n")
}

// othersGoOn has somebody type into another server's pane, and somebody into another of prod's.
func (w *world) othersGoOn(name string) {
	w.t.Helper()
	began := time.Now()
	word := "w" + randomWord()
	w.permit(word)
	w.Must(typist, "send-keys", "-t", "mwalice/shared:0.0", "-l", word)
	tmuxtest.Eventually(w.t, func() bool { return strings.Contains(string(w.rec.Bytes()), word) }, "%s: what others type arrives", name)
	w.t.Logf("%s: what others type takes %v", name, time.Since(began))
	w.Must(carol, "send-keys", "-t", "prod/main:0", "echo "+name+"-$((6*7))", "Enter")
	tmuxtest.Eventually(w.t, func() bool {
		return strings.Contains(w.Tmux(carol, "capture-pane", "-p", "-t", "prod/main:0").Out, name+"-42")
	}, "%s: the other panes answer", name)
}

// mountFiles has a file system in memory at a directory, which everybody writes to.
func mountFiles(t *testing.T, dir string) {
	t.Helper()
	if err := unix.Mount("muxward-test", dir, "tmpfs", 0, "mode=1777,size=512m"); err != nil {
		tmuxtest.Skip(t, "needs a file system in memory: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}

// pen are cgroups in which a muxward runs, with everything that it starts.
type pen struct {
	t     *testing.T
	pids  *cgroup
	join  []string // their cgroup.procs
	below []string // where those of panes are
}

func newPen(t *testing.T, processes, memory int) *pen {
	t.Helper()
	p := &pen{t: t, pids: newCgroup(t, "pids")}
	p.pids.limit("pids", fmt.Sprint(processes))
	if p.pids.v2 { // one cgroup has both, and muxward is in one of its own below it: see pane.Bounds
		parent := filepath.Dir(p.pids.dir)
		if err := os.WriteFile(parent+"/cgroup.subtree_control", []byte("+memory"), 0); err != nil {
			tmuxtest.Skip(t, "needs the memory controller of cgroups: %v", err)
		}
		p.pids.limit("memory", fmt.Sprint(memory))
		inner := p.pids.dir + "/muxward"
		if err := os.Mkdir(inner, 0o755); err != nil {
			t.Fatal(err)
		}
		p.join, p.below = []string{inner}, []string{p.pids.dir}
	} else {
		m := newCgroup(t, "memory")
		m.limit("memory", fmt.Sprint(memory))
		p.join = []string{p.pids.dir, m.dir}
		p.below = p.join
	}
	t.Cleanup(p.clear)
	return p
}

// keep has a command run in them.
func (p *pen) keep(cmd *exec.Cmd) {
	script := ""
	for _, dir := range p.join {
		script += "echo 0 >" + dir + "/cgroup.procs && "
	}
	cmd.Args = append([]string{"sh", "-c", script + `exec "$@"`, "sh", cmd.Path}, cmd.Args[1:]...)
	cmd.Path = "/bin/sh"
}

// processes is how many there are in them and in those of panes.
func (p *pen) processes() int {
	n := p.pids.number("pids.current") // and their threads, of which muxward has more after a busy time
	for _, dir := range append(directories(p.pids.dir), p.pids.dir) {
		procs, _ := os.ReadFile(dir + "/cgroup.procs")
		for pid := range strings.FieldsSeq(string(procs)) {
			if status, err := os.ReadFile("/proc/" + pid + "/status"); err == nil {
				n -= field(status, "Threads:") - 1
			}
		}
	}
	return n
}

// clear ends what is left, and removes what is below them.
func (p *pen) clear() {
	tmuxtest.Eventually(p.t, func() bool {
		left := 0
		for _, above := range p.below {
			for _, dir := range append(directories(above), above) {
				procs, _ := os.ReadFile(dir + "/cgroup.procs")
				for f := range strings.FieldsSeq(string(procs)) {
					var pid int
					if _, err := fmt.Sscan(f, &pid); err == nil {
						_ = unix.Kill(pid, unix.SIGKILL) // all that is in it the test has started
					}
				}
				if dir != above && os.Remove(dir) != nil {
					left++
				}
			}
		}
		return left == 0
	}, "the cgroups of panes are removed")
}
