package keep

import (
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/accounts"
	"github.com/muxward/muxward/internal/config"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// Accounts that hosts have, and that nothing of these tests is asked of.
const workName, carolName, aliceName, bobName = "daemon", "mail", "bin", "games"

func listed(t *testing.T, name string) Account {
	t.Helper()
	uid, err := accounts.System().UIDOf(name)
	if err != nil {
		t.Fatal(err)
	}
	return Account{Name: name, UID: uid}
}

func isolatedOptions(o *Options) {
	o.Isolated = map[string]config.Isolated{"prod": {Account: workName, RunAs: carolName}}
	o.Launcher = "/bin/true"
	o.Account = func(name string, uid uint32) (accounts.Account, error) { return Listed(name, uid) }
}

// Whoever calls gets an isolated server as the account of root's configuration alone, and
// that account for nothing else.
func TestIsolatedAccounts(t *testing.T) {
	if !asRoot() {
		return
	}
	work, alice := listed(t, workName), listed(t, aliceName)
	w := newWorld(t, isolatedOptions)
	for what, o := range map[string]Order{
		"prod as alice":        {Owner: "prod", Account: alice},
		"prod as another uid":  {Owner: "prod", Account: Account{Name: work.Name, UID: alice.UID}},
		"prod as another name": {Owner: "prod", Account: Account{Name: alice.Name, UID: work.UID}},
		"alice as prod's":      {Owner: alice.Name, Account: work},
		"that one for itself":  {Owner: work.Name, Account: work},
	} {
		if _, err := w.k.Start(t.Context(), o); !errors.Is(err, ErrRefused) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := w.k.OpenDoor(t.Context(), Place{Account: work}); !errors.Is(err, ErrRefused) {
		t.Errorf("a door for the account of prod: %v", err)
	}
	h, err := w.k.Start(t.Context(), Order{Owner: "prod", Account: work, Environ: []string{"LC_TIME=x"}})
	if err != nil || !h.Isolated || h.Account.UID != work.UID {
		t.Fatalf("%+v, %v", h, err)
	}
	tmuxtest.KillAtEnd(t, h.PID)
	if st, err := os.Stat(w.opt.Run + "/servers/" + launchName(h.ID)); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", st, err)
	}
	if conf, err := os.ReadFile(w.opt.Run + "/servers/" + h.ID + ".conf"); err != nil || strings.Count(string(conf), "default-shell '/bin/true'") != 2 {
		t.Errorf("%s, %v", conf, err)
	}
}

func TestIsolatedRefused(t *testing.T) {
	if !asRoot() {
		return
	}
	for what, change := range map[string]func(*Options){
		"no root":            func(o *Options) { o.Root = false },
		"one account":        func(o *Options) { o.Isolated["prod"] = config.Isolated{Account: workName, RunAs: workName} },
		"root":               func(o *Options) { o.Isolated["prod"] = config.Isolated{Account: "root", RunAs: workName} },
		"panes of root":      func(o *Options) { o.Isolated["prod"] = config.Isolated{Account: workName, RunAs: "root"} },
		"no such account":    func(o *Options) { o.Isolated["prod"] = config.Isolated{Account: "mw-nobody", RunAs: workName} },
		"one of two servers": func(o *Options) { o.Isolated["other"] = config.Isolated{Account: workName, RunAs: bobName} },
		"panes as a server":  func(o *Options) { o.Isolated["other"] = config.Isolated{Account: bobName, RunAs: workName} },
		"a name":             func(o *Options) { o.Isolated["Prod/x"] = config.Isolated{Account: bobName, RunAs: aliceName} },
		"no program":         func(o *Options) { o.Launcher = "true" },
	} {
		o := Options{Root: true}
		isolatedOptions(&o)
		dir := tmuxtest.Dir(t, tmuxtest.Account{})
		o.Run, o.Doors, o.Tmux = dir+"/r", dir+"/r/d", tmuxtest.Program(t)
		change(&o)
		if k, err := New(o); err == nil {
			t.Errorf("%s: it is kept", what)
			_ = k.Close()
		}
	}
}

// A terminal is believed only if it is this host's, was opened to read and write, and has
// the number: one of another devpts has the same numbers, and what is opened only to be
// named (O_PATH) anybody could open.
func TestOwnsTerminal(t *testing.T) {
	if !asRoot() {
		return
	}
	open := func(path string, flags int) *os.File {
		t.Helper()
		fd, err := unix.Open(path, flags|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		f := os.NewFile(uintptr(fd), path)
		t.Cleanup(func() { _ = f.Close() })
		return f
	}
	pair := func(dir string) (*os.File, int) {
		t.Helper()
		m := open(dir+"/ptmx", unix.O_RDWR)
		if err := unix.IoctlSetPointerInt(int(m.Fd()), unix.TIOCSPTLCK, 0); err != nil {
			t.Fatal(err)
		}
		n, err := unix.IoctlGetInt(int(m.Fd()), unix.TIOCGPTN)
		if err != nil {
			t.Fatal(err)
		}
		return open(dir+"/"+strconv.Itoa(n), unix.O_RDWR), n
	}
	tty, n := pair("/dev/pts")
	dir := tmuxtest.Dir(t, tmuxtest.Account{})
	if err := unix.Mount("devpts", dir, "devpts", 0, "newinstance,ptmxmode=0666"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	other, o := pair(dir)
	for what, c := range map[string]struct {
		in    *os.File
		index int
		ok    bool
	}{
		"its own":              {tty, n, true},
		"another number":       {tty, n + 1, false},
		"of another devpts":    {other, o, false},
		"only to read":         {open(tty.Name(), unix.O_RDONLY), n, false},
		"only to write":        {open(tty.Name(), unix.O_WRONLY), n, false},
		"only to name":         {open(tty.Name(), unix.O_PATH), n, false},
		"a file of that name":  {fileNamed(t, strconv.Itoa(n)), n, false},
		"nothing":              {open("/dev/null", unix.O_RDWR), n, false},
		"the directory of all": {open("/dev/pts", unix.O_RDONLY), n, false},
	} {
		cmd := exec.Command("sleep", "1000")
		cmd.Stdin = c.in
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if err := ownsTerminal(cmd.Process.Pid, c.index); (err == nil) != c.ok {
			t.Errorf("%s: %v", what, err)
		}
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
}

func fileNamed(t *testing.T, name string) *os.File {
	t.Helper()
	f, err := os.Create(t.TempDir() + "/" + name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func TestTerminalOf(t *testing.T) {
	for device, want := range map[uint32]int{136 << 8: 0, 136<<8 | 5: 5, 136<<8 | 255: 255, 136<<8 | 1<<20: 256, 136<<8 | 1<<20 | 7: 263} {
		if n, ok := terminalOf(device); !ok || n != want {
			t.Errorf("%#x: %d, %t", device, n, ok)
		}
	}
	for _, device := range []uint32{0, 4<<8 | 1, 137 << 8, 5 << 8} {
		if n, ok := terminalOf(device); ok {
			t.Errorf("%#x: %d", device, n)
		}
	}
}
