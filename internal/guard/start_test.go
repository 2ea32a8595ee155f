package guard

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/keep"
	"github.com/muxward/muxward/internal/tmux"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

func TestStart(t *testing.T) {
	t.Setenv("SECRET_TOKEN", "tok123")
	t.Setenv("LC_TIME", "C")
	w := newWorld(t)
	s := w.start("alice")
	if s.Owner() != "alice" || s.UID() != w.acct.UID || s.Version().IsZero() || s.Cause() != nil {
		t.Errorf("%s %d %v %v", s.Owner(), s.UID(), s.Version(), s.Cause())
	}
	id := s.kept.ID
	uid, root := w.acct.UID, uint32(os.Geteuid())
	look(t, w.opt.Run+"/servers/"+id, unix.S_IFDIR, 0o700, uid)
	look(t, w.opt.Run+"/servers/"+id+"/s", unix.S_IFSOCK, 0o600, uid)
	look(t, w.opt.Run+"/servers/"+id+".json", unix.S_IFREG, 0o600, root)
	look(t, w.opt.Doors+"/in-"+id, unix.S_IFDIR, 0o500, uid)
	look(t, w.opt.Doors+"/in-"+id+"/s", unix.S_IFSOCK, 0o600, uid)
	look(t, w.opt.Doors, unix.S_IFDIR, doorsMode(), root)
	look(t, w.opt.Run, unix.S_IFDIR, topMode(), root)

	count := accepting(t, s.InnerDoor())
	pid, _ := strconv.Atoi(run(t, s, "new-session", "-d", "-P", "-F", "#{pane_pid}", "-s", "work", "exec sleep 1000"))
	var env map[string]string
	tmuxtest.Eventually(t, func() bool { env = procEnv(t, pid); return env["TMUX"] != "" }, "the pane's program runs")
	if want := fmt.Sprintf("%s,%d,0", s.InnerDoor().Path(), s.PID()); env["TMUX"] != want {
		t.Errorf("TMUX is %q in the pane, want %q", env["TMUX"], want)
	}
	reachable(t, strings.Split(env["TMUX"], ",")[0], count)
	wantEnvironment(t, procEnv(t, s.PID()), env)

	snap, err := s.Snapshot(t.Context(), tmux.Full)
	if err != nil || len(snap.Sessions) != 1 || snap.Sessions[0].Name != "work" || snap.Incarnation != s.Life() {
		t.Errorf("%+v, %v", snap, err)
	}
	if got := run(t, s, "display-message", "-p", "#{"+tmux.MarkOption+"} #{exit-empty} #{socket_path}"); got != s.kept.Mark+" 1 "+s.InnerDoor().Path() {
		t.Errorf("the server says %q", got)
	}
	for _, scope := range []string{"", "-w", "-p"} { // nobody hides it
		run(t, s, strings.Fields("set-option "+scope+" -t work "+tmux.MarkOption+" other")...)
	}
	if snap, err := s.Snapshot(t.Context(), tmux.Full); err != nil || snap.Incarnation != s.Life() {
		t.Errorf("its mark is hidden: %v", err)
	}
	conn, _, err := s.dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.meet(t.Context(), conn, ""); err != nil {
		t.Errorf("its mark is hidden: %v", err)
	}
	run(t, s, "customize-mode", "-t", "work") // whoever has its marked server listed has it afterwards, too
	if got := run(t, s, "display-message", "-p", "-t", "work", "#{pane_mode}"); got != "options-mode" {
		t.Errorf("the pane is in mode %q", got)
	}
	if sid, err := unix.Getsid(s.PID()); err != nil || sid != s.PID() {
		t.Errorf("it is in session %d (%v), not its own", sid, err)
	}
}

// wantEnvironment: what is listed, and nothing else.
func wantEnvironment(t *testing.T, server, pane map[string]string) {
	t.Helper()
	listed := []string{"HOME", "USER", "LOGNAME", "SHELL", "PATH", "TMUX_TMPDIR", "MUXWARD", "TZ", "LANG", "LC_TIME", "LC_ALL", "LC_CTYPE", "PWD", "OLDPWD", "SHLVL", "_", "XDG_RUNTIME_DIR"}
	for k := range server {
		if !slices.Contains(listed, k) {
			t.Errorf("the server has %s=%s", k, server[k])
		}
	}
	for _, k := range listed[:7] {
		if server[k] == "" {
			t.Errorf("the server has no %s", k)
		}
	}
	if pane["SECRET_TOKEN"] != "" || pane["LC_TIME"] != "C" {
		t.Errorf("the pane has SECRET_TOKEN=%q LC_TIME=%q", pane["SECRET_TOKEN"], pane["LC_TIME"])
	}
}

// What a process of the server inherits besides: umask, limits, directory,
// signals, groups.
func TestInherited(t *testing.T) {
	w := newWorld(t, func(o *options) { o.Umask = 0o027 })
	s := w.start("alice")
	out := filepath.Join(w.acct.Home, "out")
	run(t, s, "new-session", "-d", "exec sh -c 'umask; ulimit -n; id -u; id -G; grep Sig /proc/self/status; pwd; exec sleep 1000' >"+out)
	tmuxtest.Eventually(t, func() bool {
		b, err := os.ReadFile(out)
		return err == nil && strings.Count(string(b), "\n") >= 10
	}, "the pane writes %s", out)
	b, _ := os.ReadFile(out)
	f := strings.Split(string(b), "\n")
	if f[0] != "0027" || f[2] != strconv.Itoa(int(w.acct.UID)) {
		t.Errorf("umask %s, uid %s", f[0], f[2])
	}
	if n, err := strconv.Atoi(f[1]); err == nil && n < 1024 {
		t.Errorf("%d descriptors", n)
	}
	if asRoot() && f[3] != strconv.Itoa(int(w.acct.GID)) {
		t.Errorf("groups %s", f[3])
	}
	// tmux itself has its panes ignore SIGTTIN and SIGTTOU.
	if ignored(string(b)) != 0x300000 || !strings.Contains(string(b), "SigBlk:\t0000000000000000") {
		t.Errorf("signals: %s", b)
	}
}

// ignored reads the signals a process ignores, less 32 and 33: those are the C
// library's own, and whatever started the tests may have them ignored.
func ignored(status string) uint64 {
	_, after, _ := strings.Cut(status, "SigIgn:\t")
	word, _, _ := strings.Cut(after, "\n")
	n, err := strconv.ParseUint(word, 16, 64)
	if err != nil {
		return 0
	}
	return n &^ (3 << 31)
}

// However many ask, one server is started.
func TestStartOnce(t *testing.T) {
	w := newWorld(t)
	var wg sync.WaitGroup
	got := make([]*Server, 8)
	for i := range got {
		wg.Go(func() {
			s, err := w.g.Start(t.Context(), "alice", w.acct, Client{})
			if err != nil {
				t.Error(err)
			}
			got[i] = s
		})
	}
	wg.Wait()
	for _, s := range got {
		if s != got[0] {
			t.Error("more than one server")
		}
	}
	if len(w.g.Servers()) != 1 {
		t.Errorf("%d servers", len(w.g.Servers()))
	}
}

func TestStartRefuses(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"", "../x", "Alice", "a/b"} {
		if _, err := w.g.Start(t.Context(), name, w.acct, Client{}); err == nil {
			t.Errorf("owner %q was taken", name)
		}
	}
	other := w.acct
	other.UID++
	if !asRoot() {
		if _, err := w.g.Start(t.Context(), "alice", other, Client{}); err == nil {
			t.Error("a server for another account without root")
		}
		if _, err := w.g.OpenDoor(other); err == nil {
			t.Error("a door for another account without root")
		}
	}
	w.start("alice")
	if _, err := w.g.Start(t.Context(), "alice", other, Client{}); err == nil {
		t.Error("the same person with another account")
	}
}

// A program that is not tmux: the reason is told, and nothing stays.
func TestStartFails(t *testing.T) {
	for prog, want := range map[string]string{"/bin/false": "exited with code 1", "/nonexistent/tmux": "not found"} {
		w := newWorld(t, func(o *options) { o.Tmux = prog })
		_, err := w.g.Start(t.Context(), "alice", w.acct, Client{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", prog, err)
		}
		for _, dir := range []string{w.opt.Run + "/servers", w.opt.Doors} {
			ents, _ := os.ReadDir(dir)
			for _, e := range ents {
				if e.Name() != ".lock" {
					t.Errorf("%s: %s stays in %s", prog, e.Name(), dir)
				}
			}
		}
	}
}

// An empty server leaves when nobody holds it; unless its owner wants it.
func TestExitEmpty(t *testing.T) {
	w := newWorld(t)
	s := w.start("alice")
	release, err := s.Hold()
	if err != nil {
		t.Fatal(err)
	}
	s.hold.enough() // no more time for the first session
	if _, err := s.Snapshot(t.Context(), tmux.Core); err != nil {
		t.Error(err)
	}
	run(t, s, "show-options", "-s")
	if s.Cause() != nil {
		t.Fatal(s.Cause())
	}
	release()
	release()
	<-s.Done()
	if err := s.Cause(); err == nil || !strings.Contains(err.Error(), "exited with code 0") {
		t.Error(err)
	}

	if err := os.WriteFile(w.acct.Home+"/.tmux.conf", []byte("set -s exit-empty off\nset -g @mine yes\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	s = w.start("alice")
	s.hold.enough()
	if got := run(t, s, "display-message", "-p", "#{@mine} #{exit-empty}"); got != "yes 0" {
		t.Errorf("the configuration was not the last word: %q", got)
	}
}

// The last session's end is the server's.
func TestLastSession(t *testing.T) {
	w := newWorld(t)
	s := w.start("alice")
	run(t, s, "new-session", "-d", "-s", "work")
	if _, err := s.Snapshot(t.Context(), tmux.Core); err != nil {
		t.Fatal(err)
	}
	if s.hold.held() {
		t.Error("still held for its first session")
	}
	release, err := s.Hold()
	if err != nil {
		t.Fatal(err)
	}
	run(t, s, "kill-session", "-t", "work")
	release()
	s.Settle(t.Context())
	if s.Cause() == nil {
		t.Error("settled before its end")
	}
	again := w.start("alice") // and the next one comes
	run(t, again, "new-session", "-d")
	again.Settle(t.Context())
	if again.Cause() != nil {
		t.Error(again.Cause())
	}
	run(t, again, "kill-server")
	again.Settle(t.Context())
	if next := w.start("alice"); next == again {
		t.Error("the server on its way out was given")
	}
}

// Somebody was told of the last session, and comes to say so only when it has ended.
func TestLastSessionToldLate(t *testing.T) {
	w := newWorld(t)
	s := w.start("alice")
	if s.Version().AtLeast(tmux.Version{Major: 3, Minor: 4}) {
		tmuxtest.Skip(t, "its control client has a session, and goes with it")
	}
	run(t, s, "new-session", "-d", "-s", "work")
	if _, err := s.Snapshot(t.Context(), tmux.Core); err != nil {
		t.Fatal(err)
	}
	release, err := s.Hold()
	if err != nil {
		t.Fatal(err)
	}
	run(t, s, "kill-session", "-t", "work")
	tmuxtest.Eventually(t, func() bool { return !s.hasSessions() }, "the end of the last session is heard of")
	s.sessions(1) // as Settle does, or a snapshot
	release()
	select {
	case <-s.Done():
	case <-time.After(10 * time.Second):
		t.Error("the server is kept, without any session")
	}
}

// The configuration may run tmux, which goes through the inner door while the
// server has not read it to the end.
func TestConfigUsesInnerDoor(t *testing.T) {
	var count func() int
	w := newWorld(t, func(o *options) {
		o.Guard.OnServer = func(s *Server) { count = accepting(t, s.InnerDoor()) }
	})
	if err := os.WriteFile(w.acct.Home+"/.tmux.conf", []byte("run-shell 'tmux show-options || true'\nset -g @after yes\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	s := w.start("alice")
	if count() == 0 {
		t.Error("nobody came to the inner door")
	}
	if got := run(t, s, "display-message", "-p", "#{@after}"); got != "yes" {
		t.Errorf("ready before the configuration was read: %q", got)
	}
}

// A configuration that hangs holds up whoever had the server started, until
// their deadline, and nobody who asks the server meanwhile: it may be what the
// configuration itself runs. However long it takes, the server it is for comes
// of it.
func TestConfigHangs(t *testing.T) {
	w := newWorld(t)
	fifo := w.acct.Home + "/go"
	if err := unix.Mkfifo(fifo, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Chmod(fifo, 0o666), os.WriteFile(w.acct.Home+"/.tmux.conf", []byte("run-shell 'cat "+fifo+"'\n"), 0o644)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	given := make(chan error, 1)
	go func() {
		_, err := w.g.Start(ctx, "alice", w.acct, Client{})
		given <- err
	}()
	var s *Server
	tmuxtest.Eventually(t, func() (ok bool) { s, ok = w.g.Lookup("alice"); return ok }, "there is a server")
	time.AfterFunc(300*time.Millisecond, cancel)
	if err := <-given; !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if snap, err := s.Snapshot(t.Context(), tmux.Core); err != nil || snap.Incarnation != s.Life() {
		t.Errorf("asked meanwhile: %v", err)
	}
	s.hold.enough() // no more time for the first session
	if err := os.WriteFile(fifo, []byte("x\n"), 0); err != nil {
		t.Fatal(err)
	}
	if again := w.start("alice"); again != s {
		t.Errorf("another server was started: %v", s.Cause())
	}
}

// A server is kept for those who had it started until each of them has held it
// and let go, and no longer.
func TestHeldInTurn(t *testing.T) {
	w := newWorld(t)
	s := w.start("alice")
	w.start("alice")
	for i := range 2 {
		release, err := s.Hold()
		if err != nil {
			t.Fatal(err)
		}
		release()
		if last := i == 1; s.hold.held() == last {
			t.Errorf("after release %d held is %v", i+1, !last)
		}
	}
	<-s.Done()
}

// Of the environment of the owner's client a server takes what is listed.
func TestEnvironmentTaken(t *testing.T) {
	w := newWorld(t)
	s, err := w.g.Start(t.Context(), "alice", w.acct, Client{Environ: []string{"TERM=vt220", "EDITOR=vi", "SECRET_TOKEN=tok123",
		"LD_PRELOAD=x.so", "TMUX=/x,1,0", "MUXWARD=/x", "HOME=/x", "SHELL=sh", "LC_TIME=" + strings.Repeat("x", keep.MaxVariable+1)}})
	if err != nil {
		t.Fatal(err)
	}
	env := procEnv(t, s.PID())
	want := map[string]string{"TERM": "vt220", "EDITOR": "vi", "SECRET_TOKEN": "", "LD_PRELOAD": "", "TMUX": "",
		"MUXWARD": w.opt.Doors, "HOME": w.acct.Home, "SHELL": w.acct.Shell, "LC_TIME": os.Getenv("LC_TIME")}
	for k, v := range want {
		if env[k] != v {
			t.Errorf("%s=%q, want %q", k, env[k], v)
		}
	}
}

// Names of configuration files that mean something to tmux or to glob(7).
func TestConfigNames(t *testing.T) {
	w := newWorld(t)
	home := w.acct.Home + `/a'b [c]*?\ "d" #{pid} $HOME ;é`
	if err := os.Mkdir(home, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(home+"/.tmux.conf", []byte("set -g @seen yes\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	w.acct.Home = home
	s := w.start("alice")
	if got := run(t, s, "display-message", "-p", "#{@seen}"); got != "yes" {
		t.Errorf("%s was not read", home)
	}
}

// kill -9 of tmux: told, cleared away, what it left is named, and the next
// life is another one.
func TestKilled(t *testing.T) {
	w := newWorld(t)
	s := w.start("alice")
	pid, _ := strconv.Atoi(run(t, s, "new-session", "-d", "-P", "-F", "#{pane_pid}", "trap '' HUP; exec sleep 1000"))
	defer func() { _ = unix.Kill(pid, unix.SIGKILL) }()
	c, err := s.Control(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	tmuxtest.Eventually(t, func() bool { // the trap is set
		b, _ := os.ReadFile(procFile(pid, "status"))
		return ignored(string(b)) == 0x300001
	}, "the pane ignores SIGHUP")
	if err := unix.Kill(s.PID(), unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-s.Done()
	if !strings.Contains(s.Cause().Error(), "signal 9") {
		t.Error(s.Cause())
	}
	<-c.Done()
	n := w.heard("has ended", "left behind", strconv.Itoa(pid))
	if n.Kind != access.EventAlarm || n.Owner != "alice" || n.Incarnation != s.Incarnation() {
		t.Errorf("%+v", n)
	}
	for _, p := range []string{w.opt.Run + "/servers/" + s.kept.ID, w.opt.Run + "/servers/" + s.kept.ID + ".json", w.opt.Doors + "/in-" + s.kept.ID} {
		if _, err := os.Lstat(p); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is still there (%v)", p, err)
		}
	}
	if _, err := s.Dial(t.Context()); err == nil {
		t.Error("connected to a dead server")
	}
	if _, err := s.Hold(); err == nil {
		t.Error("held a dead server")
	}
	if _, err := s.Snapshot(t.Context(), tmux.Core); err == nil {
		t.Error("looked at a dead server")
	}
	again := w.start("alice")
	if again == s || again.Incarnation() == s.Incarnation() {
		t.Error("the same life again")
	}
}

// A stopped server: everything about it ends by its deadline, other servers
// are not concerned, and afterwards it goes on.
func TestStopped(t *testing.T) {
	w := newWorld(t)
	s := w.start("alice")
	run(t, s, "new-session", "-d")
	other := w.start("bob")
	run(t, other, "new-session", "-d")
	if err := unix.Kill(s.PID(), unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	w.heard("does not answer", "alice")
	if !s.Silent() {
		t.Error("not silent")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := s.Snapshot(ctx, tmux.Core); err == nil {
		t.Error("a stopped server answered")
	}
	var err error
	for range 400 { // until its backlog is full
		c, e := s.Dial(ctx)
		if err = e; err != nil {
			break
		}
		defer c.Close()
	}
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("its backlog was never full: %v", err)
	}
	if _, err := other.Snapshot(t.Context(), tmux.Core); err != nil {
		t.Errorf("the other server: %v", err)
	}
	if err := unix.Kill(s.PID(), unix.SIGCONT); err != nil {
		t.Fatal(err)
	}
	w.heard("answers again")
	if _, err := s.Snapshot(t.Context(), tmux.Core); err != nil {
		t.Error(err)
	}
}

// After many lives nothing is left open.
func TestNothingLeft(t *testing.T) {
	w := newWorld(t)
	life := func() {
		s, err := w.g.Start(t.Context(), "alice", w.acct, Client{})
		if err != nil {
			t.Fatal(err)
		}
		run(t, s, "new-session", "-d")
		if _, err := s.Snapshot(t.Context(), tmux.Core); err != nil {
			t.Fatal(err)
		}
		if err := unix.Kill(s.PID(), unix.SIGKILL); err != nil {
			t.Fatal(err)
		}
		<-s.Done()
	}
	life()
	var before int
	tmuxtest.Eventually(t, func() bool { before = openFDs(t); return w.doors() == 0 }, "the door is closed")
	for range 5 {
		life()
	}
	tmuxtest.Eventually(t, func() bool { return w.doors() == 0 && openFDs(t) <= before }, "%d descriptors again", before)
	ents, _ := os.ReadDir("/proc/self/task")
	if len(ents) > 200 {
		t.Errorf("%d threads", len(ents))
	}
}

// The servers outlive a muxward that is killed, and the next one finds them.
func TestMuxwardKilled(t *testing.T) {
	w := newWorld(t)
	if err := w.g.Close(); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), ownVar+"="+w.dir, "MUXWARD_GUARD_UID="+strconv.Itoa(int(w.acct.UID)), "MUXWARD_GUARD_HOME="+w.acct.Home, "MUXWARD_GUARD_TMUX="+w.opt.Tmux)
	in, _ := cmd.StdinPipe()
	defer in.Close()
	out, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var pid int
	var life string
	if _, err := fmt.Fscanf(out, "ready %d %s\n", &pid, &life); err != nil {
		t.Fatal(err)
	}
	if _, err := made(w.opt); !errors.Is(err, keep.ErrInUse) {
		t.Errorf("two at once: %v", err)
	}
	_ = cmd.Process.Signal(syscall.SIGKILL)
	_ = cmd.Wait()
	w.open()
	s, ok := w.g.Lookup("alice")
	if !ok || s.PID() != pid {
		t.Fatalf("not found again%s", w.all())
	}
	if err := s.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s.Incarnation() != life {
		t.Errorf("it is %s, was %s", s.Incarnation(), life)
	}
	reachable(t, s.InnerDoor().Path(), accepting(t, s.InnerDoor()))
	d, err := w.g.OpenDoor(w.acct)
	if err != nil {
		t.Fatal(err)
	}
	reachable(t, d.Path(), accepting(t, d))
	if got := run(t, s, "list-sessions", "-F", "#{session_name}"); got != "work" {
		t.Errorf("sessions %q", got)
	}
}
