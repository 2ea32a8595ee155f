package guard

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/keep"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// What a re-executed test binary is: the ordinary account that runs all tests
// once more, or a muxward to be killed.
const (
	userVar = "MUXWARD_GUARD_USER"
	ownVar  = "MUXWARD_GUARD_OWN" // directory of the muxward to be killed
)

const testUID, otherUID = 61901, 61902

func TestMain(m *testing.M) {
	if dir := os.Getenv(ownVar); dir != "" {
		os.Exit(beKilled(dir))
	}
	os.Exit(tmuxtest.Main(tmuxtest.LeakChecked{Runner: m}))
}

// TestAsOrdinaryUser runs everything again as an account without privileges.
func TestAsOrdinaryUser(t *testing.T) {
	if os.Geteuid() != 0 {
		return // this is that run
	}
	prog := filepath.Join(tmuxtest.Dir(t, tmuxtest.Account{}), "prog")
	data, err := os.ReadFile("/proc/self/exe")
	if err == nil {
		err = tmuxtest.WriteProgram(prog, data, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"-test.skip=^TestAsOrdinaryUser$", "-test.timeout=600s"}
	if testing.Verbose() {
		args = append(args, "-test.v")
	}
	cmd := exec.Command(prog, args...)
	cmd.Env = append(os.Environ(), userVar+"=1", "HOME=/", "XDG_RUNTIME_DIR=", "MUXWARD_TMUXTEST_BASE=",
		"MUXWARD_SKIPPED=") // what needs root is not left out: it has run
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: otherUID, Gid: otherUID}}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}

func asRoot() bool { return os.Geteuid() == 0 }

// world is a guard in a directory of its own.
type world struct {
	t    *testing.T
	dir  string
	opt  options
	g    *Guard
	acct identity.Account

	mu      sync.Mutex
	notices []Notice
}

func account(t *testing.T, uid uint32) identity.Account {
	t.Helper()
	if !asRoot() {
		uid = uint32(os.Geteuid())
	}
	home := tmuxtest.Dir(t, tmuxtest.Account{Name: "x", UID: uid, GID: uid})
	return identity.Account{Name: "mwguard", UID: uid, GID: uid, Home: home, Shell: "/bin/sh"}
}

func newWorld(t *testing.T, change ...func(*options)) *world {
	t.Helper()
	w := &world{t: t, dir: tmuxtest.Dir(t, tmuxtest.Account{}), acct: account(t, testUID)}
	w.opt = options{
		Options: keep.Options{Run: w.dir + "/r", Doors: w.dir + "/r/d", Tmux: tmuxProgram(t), Root: asRoot(), Every: 100 * time.Millisecond,
			Account: func(context.Context, string, uint32) (identity.Account, error) { return w.acct, nil }},
		Guard: Options{Notify: w.hear, Every: 100 * time.Millisecond, Settle: 1},
	}
	for _, c := range change {
		c(&w.opt)
	}
	t.Cleanup(func() { writable(w.dir) }) // after end: or they could not be removed
	t.Cleanup(w.end)
	w.open()
	return w
}

// options are those of the hands and of the guard.
type options struct {
	keep.Options
	Guard Options
}

func made(o options) (*Guard, error) {
	hands, err := keep.New(o.Options)
	if err != nil {
		return nil, err
	}
	o.Guard.Hands = hands
	return New(o.Guard), nil
}

func topMode() uint32 {
	if asRoot() {
		return 0o711
	}
	return 0o700
}

func doorsMode() uint32 {
	if asRoot() {
		return 0o755
	}
	return 0o700
}

// doors counts the doors that are open.
func (w *world) doors() int {
	w.g.mu.Lock()
	defer w.g.mu.Unlock()
	return len(w.g.doors)
}

// listens reports whether somebody listens at path.
func listens(path string) bool {
	c, err := net.Dial("unix", path)
	if err == nil {
		_ = c.Close()
	}
	return err == nil
}

func procFile(pid int, name string) string { return fmt.Sprintf("/proc/%d/%s", pid, name) }

func tmuxProgram(t *testing.T) string {
	t.Helper()
	return tmuxtest.Program(t)
}

func (w *world) open() {
	w.t.Helper()
	g, err := made(w.opt)
	if err != nil {
		w.t.Fatal(err)
	}
	w.g = g
	if err := g.Adopt(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

// end kills what was started: they are not reaped before that is told, so each is the right process.
func (w *world) end() {
	if w.g == nil {
		return
	}
	for _, s := range w.g.Servers() {
		_ = unix.Kill(s.PID(), unix.SIGCONT)
		_ = unix.Kill(s.PID(), unix.SIGKILL)
		<-s.Done()
	}
	if err := w.g.Close(); err != nil {
		w.t.Error(err)
	}
}

func (w *world) hear(n Notice) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.notices = append(w.notices, n)
}

// heard waits for a notice that holds all words.
func (w *world) heard(words ...string) Notice {
	w.t.Helper()
	var found Notice
	defer func() {
		if w.t.Failed() {
			w.t.Logf("heard:%s", w.all())
		}
	}()
	tmuxtest.Eventually(w.t, func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, n := range w.notices {
			all := true
			for _, word := range words {
				all = all && strings.Contains(n.Text, word)
			}
			if all {
				found = n
				return true
			}
		}
		return false
	}, "a notice with %q", words)
	return found
}

func (w *world) all() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var b strings.Builder
	for _, n := range w.notices {
		fmt.Fprintf(&b, "\n  %s", n.Text)
	}
	return b.String()
}

func (w *world) quiet() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.notices = nil
}

func (w *world) start(owner string) *Server {
	w.t.Helper()
	s, err := w.g.Start(w.t.Context(), owner, w.acct, Client{})
	if err != nil {
		w.t.Fatal(err)
	}
	tmuxtest.KillAtEnd(w.t, s.PID())
	return s
}

// run runs a tmux command on the real server.
func run(t *testing.T, s *Server, argv ...string) string {
	t.Helper()
	out, err := s.oneShot(t.Context(), argv...)
	if err != nil {
		t.Fatalf("%q: %v", argv, err)
	}
	return strings.TrimSuffix(string(out), "\n")
}

// stock runs the stock tmux client as the account.
func (w *world) stock(env []string, args ...string) (string, error) {
	cmd := exec.Command(w.opt.Tmux, args...)
	cmd.Env = append([]string{"PATH=/usr/bin:/bin", "HOME=" + w.acct.Home, "LANG=C.UTF-8", "TERM=xterm"}, env...)
	cmd.Dir = "/"
	if asRoot() {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: w.acct.UID, Gid: w.acct.GID}}
	}
	return tmuxtest.Output(cmd)
}

// look checks a path's kind, mode and owner.
func look(t *testing.T, path string, kind, mode, uid uint32) {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		t.Fatal(err)
	}
	if st.Mode&unix.S_IFMT != kind || st.Mode&0o7777 != mode || st.Uid != uid {
		t.Errorf("%s: mode %o of uid %d, want %o of %d", path, st.Mode, st.Uid, kind|mode, uid)
	}
}

// accepting accepts at a door and counts. Connections are closed at once.
func accepting(t *testing.T, d *Door) func() int {
	t.Helper()
	var mu sync.Mutex
	n := 0
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := d.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil {
				t.Errorf("accept: %v", err)
				return
			}
			_ = c.Close()
			mu.Lock()
			n++
			mu.Unlock()
		}
	}()
	t.Cleanup(func() { _ = d.Close(); <-done })
	return func() int {
		mu.Lock()
		defer mu.Unlock()
		return n
	}
}

// reachable waits until a connection through path arrives at the door.
func reachable(t *testing.T, path string, count func() int) {
	t.Helper()
	before := count()
	tmuxtest.Eventually(t, func() bool {
		if c, err := net.Dial("unix", path); err == nil {
			_ = c.Close()
		}
		return count() > before
	}, "a connection through %s", path)
}

// beKilled is a muxward with one server, that waits for its end.
func beKilled(dir string) int {
	uid, _ := strconv.ParseUint(os.Getenv("MUXWARD_GUARD_UID"), 10, 32)
	home := os.Getenv("MUXWARD_GUARD_HOME")
	a := identity.Account{Name: "mwguard", UID: uint32(uid), GID: uint32(uid), Home: home, Shell: "/bin/sh"}
	g, err := made(options{Options: keep.Options{Run: dir + "/r", Doors: dir + "/r/d", Tmux: os.Getenv("MUXWARD_GUARD_TMUX"), Root: asRoot(),
		Account: func(context.Context, string, uint32) (identity.Account, error) { return a, nil }}})
	if err == nil {
		err = g.Adopt(context.Background())
	}
	var s *Server
	if err == nil {
		s, err = g.Start(context.Background(), "alice", a, Client{})
	}
	if err == nil {
		_, err = g.OpenDoor(a)
	}
	if err == nil {
		_, err = s.oneShot(context.Background(), "new-session", "-d", "-s", "work", "sleep 1000")
	}
	if err != nil {
		fmt.Println("failed:", err)
		return 1
	}
	fmt.Println("ready", s.PID(), s.Incarnation())
	_, _ = io.Copy(io.Discard, os.Stdin)
	return 0
}

func openFDs(t *testing.T) int {
	t.Helper()
	ents, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(ents)
}

// procEnv reads the environment of a process.
func procEnv(t *testing.T, pid int) map[string]string {
	t.Helper()
	data, err := os.ReadFile(procFile(pid, "environ"))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for kv := range bytes.SplitSeq(bytes.TrimSuffix(data, []byte{0}), []byte{0}) {
		k, v, _ := strings.Cut(string(kv), "=")
		out[k] = v
	}
	return out
}

// writable makes directories so that they can be removed.
func writable(dir string) {
	_ = filepath.WalkDir(dir, func(p string, e os.DirEntry, _ error) error {
		if e != nil && e.IsDir() {
			_ = os.Chmod(p, 0o700)
		}
		return nil
	})
}
