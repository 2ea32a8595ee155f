package keep

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/accounts"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// userVar makes the re-executed test binary the ordinary account that runs all once more.
const userVar = "MUXWARD_KEEP_USER"

const testUID, otherUID = 61911, 61912

func TestMain(m *testing.M) { os.Exit(tmuxtest.Main(tmuxtest.LeakChecked{Runner: m})) }

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
	cmd := exec.Command(prog, "-test.skip=^TestAsOrdinaryUser$", "-test.timeout=300s")
	cmd.Env = append(os.Environ(), userVar+"=1", "HOME=/", "XDG_RUNTIME_DIR=", "MUXWARD_TMUXTEST_BASE=",
		"MUXWARD_SKIPPED=") // what needs root is not left out: it has run
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: otherUID, Gid: otherUID}}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

func asRoot() bool { return os.Geteuid() == 0 }

// world is a keep in a directory of its own.
type world struct {
	t    *testing.T
	opt  Options
	k    *Keep
	acct accounts.Account

	mu     sync.Mutex
	events []Event
}

func newWorld(t *testing.T, change ...func(*Options)) *world {
	t.Helper()
	uid := uint32(testUID)
	if !asRoot() {
		uid = uint32(os.Geteuid())
	}
	home := tmuxtest.Dir(t, tmuxtest.Account{Name: "x", UID: uid, GID: uid})
	w := &world{t: t, acct: accounts.Account{Name: "mwkeep", UID: uid, GID: uid, Home: home, Shell: "/bin/sh"}}
	dir := tmuxtest.Dir(t, tmuxtest.Account{})
	w.opt = Options{Run: dir + "/r", Doors: dir + "/r/d", Tmux: tmuxtest.Program(t), Root: asRoot(), Every: 100 * time.Millisecond,
		Account: func(ctx context.Context, name string, uid uint32) (accounts.Account, error) {
			if name != w.acct.Name || uid != w.acct.UID {
				return accounts.Account{}, accounts.ErrNoAccount
			}
			return w.acct, nil
		}}
	for _, c := range change {
		c(&w.opt)
	}
	t.Cleanup(func() { // or it could not be removed
		_ = filepath.WalkDir(dir, func(p string, e os.DirEntry, _ error) error {
			if e != nil && e.IsDir() {
				_ = os.Chmod(p, 0o700)
			}
			return nil
		})
	})
	t.Cleanup(w.end)
	w.open()
	return w
}

func (w *world) open() {
	w.t.Helper()
	k, err := New(w.opt)
	if err != nil {
		w.t.Fatal(err)
	}
	w.k = k
	go func() {
		for {
			ev, err := k.Next(context.Background())
			if err != nil {
				return
			}
			w.mu.Lock()
			w.events = append(w.events, ev)
			w.mu.Unlock()
		}
	}()
}

func (w *world) end() {
	for _, s := range w.k.list() {
		_ = s.proc.signal(unix.SIGKILL)
		s.proc.wait()
	}
	if err := w.k.Close(); err != nil {
		w.t.Error(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, ev := range w.events {
		ev.forget()
	}
}

// came waits for an event of a kind whose text has the word.
func (w *world) came(kind EventKind, word string) Event {
	w.t.Helper()
	var found Event
	tmuxtest.Eventually(w.t, func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		for i, ev := range w.events {
			if ev.Kind == kind && strings.Contains(ev.Text, word) {
				found = ev
				w.events = append(w.events[:i:i], w.events[i+1:]...)
				return true
			}
		}
		return false
	}, "an event %d with %q", kind, word)
	return found
}

func (w *world) named() Account { return Account{w.acct.Name, w.acct.UID} }

func (w *world) order(owner string) Order { return Order{Owner: owner, Account: w.named()} }

// start starts a server, without its inner door.
func (w *world) start(owner string) Held {
	w.t.Helper()
	h, err := w.k.Start(w.t.Context(), w.order(owner))
	if err != nil {
		w.t.Fatal(err)
	}
	tmuxtest.KillAtEnd(w.t, h.PID)
	tmuxtest.Eventually(w.t, func() bool { // it has a socket, and listens in a moment
		f, err := w.k.Connect(w.t.Context(), h.ID)
		closeIf(f)
		return err == nil
	}, "tmux listens")
	return h
}

// opened starts a server and opens its inner door.
func (w *world) opened(owner string) (Held, Opened) {
	w.t.Helper()
	h := w.start(owner)
	d, err := w.k.OpenDoor(w.t.Context(), Place{Server: h.ID})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = d.Listen.Close() })
	return h, d
}

func (w *world) socket(h Held) string { return w.opt.Run + "/servers/" + h.ID + "/s" }

// stock runs the stock tmux client as the account on the guarded socket.
func (w *world) stock(h Held, args ...string) string {
	w.t.Helper()
	cmd := exec.Command(w.opt.Tmux, append([]string{"-S", w.socket(h)}, args...)...)
	cmd.Env = []string{"PATH=/usr/bin:/bin", "HOME=" + w.acct.Home, "LANG=C.UTF-8", "TERM=xterm"}
	cmd.Dir = "/"
	if asRoot() {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: w.acct.UID, Gid: w.acct.GID}}
	}
	out, err := tmuxtest.Output(cmd)
	if err != nil {
		w.t.Fatalf("%q: %v: %s", args, err, out)
	}
	return strings.TrimSpace(out)
}

// accepts reports whether a connection to path arrives at the listening socket.
func accepts(t *testing.T, listen *os.File, path string) error {
	t.Helper()
	c, err := connectAs(path, uint32(os.Geteuid()))
	if err != nil {
		return err
	}
	defer c.Close()
	fds := []unix.PollFd{{Fd: int32(listen.Fd()), Events: unix.POLLIN}}
	if n, err := unix.Poll(fds, 10_000); err != nil || n != 1 {
		return fmt.Errorf("nobody came: %w", err)
	}
	fd, _, err := unix.Accept4(int(listen.Fd()), unix.SOCK_CLOEXEC)
	return errors.Join(err, unix.Close(fd))
}
