package keep

import (
	"context"
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
	o.Account = func(ctx context.Context, name string, uid uint32) (accounts.Account, error) {
		return Listed(ctx, name, uid)
	}
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
		for _, o.Isolated = range []bool{false, true} {
			if _, err := w.k.Start(t.Context(), o); !errors.Is(err, ErrRefused) {
				t.Errorf("%s, %t: %v", what, o.Isolated, err)
			}
		}
	}
	for what, o := range map[string]Order{ // each is what the other takes it for
		"prod as a person's": {Owner: "prod", Account: work}, "alice as nobody's": {Owner: alice.Name, Account: alice, Isolated: true},
	} {
		if _, err := w.k.Start(t.Context(), o); !errors.Is(err, ErrRefused) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := w.k.OpenDoor(t.Context(), Place{Account: work}); !errors.Is(err, ErrRefused) {
		t.Errorf("a door for the account of prod: %v", err)
	}
	h, err := w.k.Start(t.Context(), Order{Owner: "prod", Account: work, Environ: []string{"LC_TIME=x"}, Isolated: true})
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
		"tmux as muxward":    func(o *Options) { o.Self = listed(t, workName).UID },
		"panes as muxward":   func(o *Options) { o.Self = listed(t, carolName).UID },
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

// openFile opens a file for a test, as it says.
func openFile(t *testing.T, path string, flags int) *os.File {
	t.Helper()
	fd, err := unix.Open(path, flags|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), path)
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// pair makes a terminal of a devpts.
func pair(t *testing.T, dir string) (other, tty *os.File, index int) {
	t.Helper()
	m := openFile(t, dir+"/ptmx", unix.O_RDWR)
	if err := unix.IoctlSetPointerInt(int(m.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(m.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	return m, openFile(t, dir+"/"+strconv.Itoa(n), unix.O_RDWR), n
}

func inode(t *testing.T, f *os.File) uint64 {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		t.Fatal(err)
	}
	return st.Ino
}

// privatePair makes a terminal of another devpts that has the same number as one of the
// host's.
func privatePair(t *testing.T, index int) (other, tty *os.File) {
	t.Helper()
	dir := tmuxtest.Dir(t, tmuxtest.Account{})
	if err := unix.Mount("devpts", dir, "devpts", 0, "newinstance,ptmxmode=0666"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	for range index + 1 {
		if m, s, n := pair(t, dir); n == index {
			return m, s
		}
	}
	t.Fatalf("no terminal of number %d", index)
	return nil, nil
}

// A terminal is believed only if it is this host's, was opened to read and write, and is
// the very one: another devpts has the same numbers and inodes, and what is opened only to
// be named (O_PATH) anybody could open.
func TestHasTerminal(t *testing.T) {
	if !asRoot() {
		return
	}
	_, tty, n := pair(t, "/dev/pts")
	_, second, _ := pair(t, "/dev/pts")
	_, other := privatePair(t, n)
	if inode(t, other) != inode(t, tty) {
		t.Error("the inodes differ: this is no test")
	}
	for what, c := range map[string]struct {
		in *os.File
		ok bool
	}{
		"its own":              {tty, true},
		"another one":          {second, false},
		"of another devpts":    {other, false},
		"only to read":         {openFile(t, tty.Name(), unix.O_RDONLY), false},
		"only to write":        {openFile(t, tty.Name(), unix.O_WRONLY), false},
		"only to name":         {openFile(t, tty.Name(), unix.O_PATH), false},
		"a file of that name":  {fileNamed(t, strconv.Itoa(n)), false},
		"nothing":              {openFile(t, "/dev/null", unix.O_RDWR), false},
		"the directory of all": {openFile(t, "/dev/pts", unix.O_RDONLY), false},
	} {
		cmd := exec.Command("sleep", "1000")
		cmd.Stdin = c.in
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if err := hasTerminal(cmd.Process.Pid, inode(t, tty)); (err == nil) != c.ok {
			t.Errorf("%s: %v", what, err)
		}
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
}

// Root opens for a pane no terminal but the account's own, whatever is asked for.
func TestOpenTerminal(t *testing.T) {
	if !asRoot() {
		return
	}
	_, tty, n := pair(t, "/dev/pts")
	work := listed(t, workName)
	if f, _, err := openTerminal(n, work.UID); err == nil {
		t.Error("root's own is opened")
		_ = f.Close()
	}
	if f, _, err := openTerminal(n, 0); err != nil { // the control run: nothing else keeps it shut
		t.Errorf("root's own, for root: %v", err)
	} else {
		_ = f.Close()
	}
	if err := tty.Chown(int(work.UID), -1); err != nil {
		t.Fatal(err)
	}
	f, st, err := openTerminal(n, work.UID)
	if err != nil || st.Ino != inode(t, tty) {
		t.Fatalf("%+v, %v", st, err)
	}
	_ = f.Close()
	if f, _, err := openTerminal(n, listed(t, carolName).UID); err == nil {
		t.Error("another's is opened")
		_ = f.Close()
	}
}

// A server holds a terminal by the other end of that very one.
func TestHoldsTerminal(t *testing.T) {
	if !asRoot() {
		return
	}
	ours, _, n := pair(t, "/dev/pts")
	viaDev := openFile(t, "/dev/ptmx", unix.O_RDWR)
	m, err := unix.IoctlGetInt(int(viaDev.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	private, _ := privatePair(t, n)
	for what, c := range map[string]struct {
		holds *os.File
		index int
		ok    bool
	}{
		"its own":              {ours, n, true},
		"its own by /dev/ptmx": {viaDev, m, true},
		"another number":       {ours, m, false},
		"of another devpts":    {private, n, false},
	} {
		cmd := exec.Command("sleep", "1000")
		cmd.ExtraFiles = []*os.File{c.holds}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if held, err := holdsTerminal(cmd.Process.Pid, c.index); err != nil || held != c.ok {
			t.Errorf("%s: %t, %v", what, held, err)
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

// Where a host has PAM's service and PAM cannot be asked all the same, that is told; where it has
// none, or that is turned off, it is as it is meant.
func TestUnasked(t *testing.T) {
	if !asRoot() {
		return
	}
	const service = "other"
	if _, err := os.Stat(servicePath + service); err != nil {
		tmuxtest.Skip(t, "needs a host with PAM: %v", err)
	}
	w := newWorld(t, isolatedOptions, func(o *Options) {
		o.Isolated = map[string]config.Isolated{
			"prod": {Account: workName, RunAs: carolName, PAMService: service},
			"off":  {Account: aliceName, RunAs: carolName, PAMService: service, PAM: config.PAMOff},
			"none": {Account: bobName, RunAs: carolName, PAMService: "muxward-none-such"},
		}
	})
	o := w.opt
	if err := o.settlePAM(); err != nil || len(o.unasked) != 1 || len(o.pam) != 0 {
		t.Errorf("%q, %v, %v", o.unasked, o.pam, err) // muxward-pam is not beside a test's program
	}
	if ev := w.came(EventNotice, "panes of prod have no PAM sessions"); ev.Level != LevelAlarm || !strings.Contains(ev.Text, pamProgram) {
		t.Errorf("%+v", ev)
	}
}
