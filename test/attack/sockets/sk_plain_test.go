package sockets

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// Nobody attacks: people use tmux, tmate and screen as they come, and those who look
// are told of nothing. The control run is that a crash among all this is told of.
func TestSKPlainUse(t *testing.T) {
	z := newCage(t)
	alice := tmuxtest.As(t, owner)
	dir := fmt.Sprintf("%s/tmux-%d", z.base, alice.UID)
	start := func(program string, args ...string) {
		t.Helper()
		cmd := alice.Command(program, args...)
		cmd.Env = append(cmd.Env, "TMUX_TMPDIR="+z.base, "SCREENDIR="+dir)
		_, err := tmuxtest.Output(cmd)
		z.must(err)
	}
	quiet := func(what string) {
		t.Helper()
		for _, who := range []string{root, owner} {
			if l := z.scan(who); len(l.Findings) > 0 || !l.Complete {
				t.Errorf("%s: %s is told %+v, %+v", what, who, l.Findings, l.Scan.Skipped)
			}
		}
	}
	z.dir(owner, 0o700)
	quiet("before anything runs")
	first := z.server(owner, dir+"/default", 0)
	asked, err := os.Stat(tmuxtest.Program(t))
	z.must(err)
	if runs, err := os.Stat(fmt.Sprintf("/proc/%d/exe", first.pid())); err != nil || !os.SameFile(asked, runs) {
		t.Errorf("not the tmux that was asked for runs: %v", err)
	}
	z.server(owner, dir+"/work", 0)
	end := z.attached(owner, "", []string{"tmux", "-S", first.path, "-C", "attach"})
	quiet("two servers, one client")
	first.tmux("new-window", "cat")
	first.tmux("split-window", "-h", "tmux -S "+dir+"/inner -f /dev/null new-session -d cat; exec cat")
	inner := filepath.Join(dir, "inner")
	tmuxtest.Eventually(t, func() bool { return connects(inner) }, "a server that was started in a pane listens")
	t.Cleanup(func() { _, _ = tmuxtest.Output(alice.Command("tmux", "-S", inner, "kill-server")) }) // it may have ended
	quiet("one that was started in a pane")
	end()
	start("tmux", "-L", "work", "kill-server")
	tmuxtest.Eventually(t, func() bool { return !connects(dir + "/work") }, "the other server ends")
	z.servers = z.servers[:1]
	for _, f := range z.scan(root).Findings { // some versions leave their socket behind
		if f.ID != "MW-S001" || string(f.Path) != dir+"/work" {
			t.Errorf("after one has ended by itself: %+v", f)
		}
	}
	if r := z.fix(root); r.Code != 0 {
		t.Errorf("fix: %+v", r)
	}
	quiet("after fix")
	t.Run("screen", func(t *testing.T) {
		if _, err := exec.LookPath("screen"); err != nil {
			tmuxtest.Skip(t, "needs screen")
		}
		// Its socket is beside those of tmux, so that it is looked at.
		t.Cleanup(func() { // it may have ended
			cmd := alice.Command("screen", "-S", "kept", "-X", "quit")
			cmd.Env = append(cmd.Env, "SCREENDIR="+dir)
			_, _ = tmuxtest.Output(cmd)
		})
		start("screen", "-dmS", "kept", "cat")
		var found []string
		tmuxtest.Eventually(t, func() bool {
			found, _ = filepath.Glob(dir + "/*.kept") // the pattern is one
			return len(found) == 1 && connects(found[0])
		}, "screen listens")
		if l := z.scan(root); l.life(found[0]) != "live" {
			t.Errorf("of screen's socket it says %q", l.life(found[0]))
		}
		quiet("screen")
		at := statOf(found[0])
		if r := z.fix(root); r.Code != 0 || statOf(found[0]) != at || !connects(found[0]) {
			t.Errorf("fix beside screen: %+v", r)
		}
		pid, _, _ := strings.Cut(filepath.Base(found[0]), ".")
		n, err := strconv.Atoi(pid)
		z.must(err)
		z.must(unix.Kill(n, unix.SIGKILL))
		tmuxtest.Eventually(t, func() bool { return z.scan(root).found(found[0]) == "S001" }, "control run: a crash of screen's is told of")
		if r := z.fix(root); r.Code != 0 {
			t.Errorf("fix: %+v", r)
		}
	})
	t.Run("tmate", func(t *testing.T) {
		if _, err := exec.LookPath("tmate"); err != nil {
			tmuxtest.Skip(t, "needs tmate")
		}
		// It goes on trying to reach its own server, which is nobody here.
		conf := alice.Home + "/tmate.conf"
		z.must(os.WriteFile(conf, []byte("set -g tmate-server-host 127.0.0.1\nset -g tmate-server-port 1\n"), 0o644))
		base := tmuxtest.Dir(t, alice) // its directory is one for all its sockets, whoever says where
		own := filepath.Join(base, fmt.Sprintf("tmate-%d", alice.UID))
		z.must(os.Mkdir(own, 0o700))
		z.must(os.Chown(own, int(alice.UID), int(alice.GID)))
		path := own + "/kept"
		start("tmate", "-f", conf, "-S", path, "new-session", "-d", "cat")
		t.Cleanup(func() { _, _ = tmuxtest.Output(alice.Command("tmate", "-S", path, "kill-server")) }) // it may have ended
		scan := func() looked { return z.scan(root, "--only", base) }
		l := scan()
		if len(l.Findings) > 0 || !l.Complete || len(l.Scan.Servers) != 1 || l.Scan.Servers[0].Program != "tmate" || l.life(path) != "live" {
			t.Errorf("tmate: %+v", l)
		}
		if l := z.scan(root, "--only", base, "--ask"); len(l.Findings) > 0 || !l.Complete {
			t.Errorf("tmate, asked: %+v", l)
		}
		if len(l.Scan.Servers) != 1 {
			return
		}
		z.must(unix.Kill(l.Scan.Servers[0].PID, unix.SIGKILL))
		tmuxtest.Eventually(t, func() bool { return scan().found(path) == "S001" }, "control run: a crash of tmate's is told of")
	})
	first.kill()
	if got := z.scan(root).found(first.path); got != "S001" {
		t.Errorf("control run: of a crash it tells %q", got)
	}
}
