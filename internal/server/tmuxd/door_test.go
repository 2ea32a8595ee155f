package tmuxd

import (
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/tmux/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Of a crowd, each uid gets so many places and no more, and gives back each
// once, however often it leaves.
func TestCrowd(t *testing.T) {
	var c crowd[uint32]
	var leave []func()
	for i := range perUID + 3 {
		l, ok := c.enter(7, crowded)
		if ok != (i < perUID) {
			t.Fatalf("number %d: %v", i, ok)
		}
		if ok {
			leave = append(leave, l)
		}
	}
	other, ok := c.enter(8, crowded)
	if !ok {
		t.Error("uid 7 has taken the place of uid 8")
	}
	other()
	var wg sync.WaitGroup
	for _, l := range leave {
		for range 3 {
			wg.Go(l)
		}
	}
	wg.Wait()
	if c.open != 0 || len(c.by) != 0 {
		t.Errorf("when all have left: %d, %v", c.open, c.by)
	}
	for uid := range uint32(total) {
		if _, ok := c.enter(uid, crowded); !ok {
			t.Fatalf("uid %d of %d is too many", uid, total)
		}
	}
	if _, ok := c.enter(1<<31, crowded); ok {
		t.Error("there is no end to it")
	}
}

// A terminal is what was passed, if that is one, and if it is the one that was
// named. Everything else is refused, opened by nobody, and not kept.
func TestOpenTerminal(t *testing.T) {
	pty := func() (slave *os.File, name string) {
		t.Helper()
		master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = master.Close() })
		raw, err := master.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		var n int
		if cerr := raw.Control(func(fd uintptr) {
			if err = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0); err == nil {
				n, err = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
			}
		}); cerr != nil || err != nil {
			t.Fatal(cerr, err)
		}
		name = filepath.Join("/dev/pts", strconv.Itoa(n))
		slave, err = os.OpenFile(name, os.O_RDWR|unix.O_NOCTTY, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = slave.Close() })
		return slave, name
	}
	file := func(path string, flag int) *os.File {
		t.Helper()
		f, err := os.OpenFile(path, flag, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Close() })
		return f
	}
	own, name := pty()
	_, others := pty()
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]struct {
		passed *os.File
		named  string
		ok     bool
	}{
		"its own":                  {own, name, true},
		"another's name":           {own, others, false},
		"no name":                  {own, "", false},
		"nothing passed":           {nil, name, false},
		"a path only":              {file(name, unix.O_PATH), name, false},
		"a file":                   {file("/etc/hostname", os.O_RDONLY), "/etc/hostname", false},
		"a device that never ends": {file("/dev/zero", os.O_RDONLY), "/dev/zero", false},
		"a fifo that nobody reads": {own, fifo, false},
		"a directory":              {own, "/dev/pts", false},
		"nowhere":                  {own, "/dev/pts/999999", false},
	} {
		h := &wire.Hello{TTYName: c.named}
		if c.passed != nil {
			fd, err := unix.FcntlInt(c.passed.Fd(), unix.F_DUPFD_CLOEXEC, 3)
			if err != nil {
				t.Fatal(err)
			}
			h.Stdin = wire.NewFD(fd)
		}
		tty, err := openTerminal(h)
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", what, err)
		}
		if tty != nil {
			_ = tty.Close()
		}
		if h.Stdin != nil {
			_ = h.Stdin.Close()
		}
	}
}

// What a client is told holds nothing that its terminal would not just show.
func TestReadable(t *testing.T) {
	for _, c := range []struct {
		flags      wire.ClientFlags
		text, want string
	}{
		{wire.FlagUTF8, "größer", "größer"},
		{0, "größer", "gr__er"},
		{wire.FlagUTF8, "two\nlines", "two\nlines"},
		{0, "two\nlines", "two\nlines"},
	} {
		if got := readable(&client{hello: &wire.Hello{Flags: c.flags}}, c.text); got != c.want {
			t.Errorf("%q: %q, want %q", c.text, got, c.want)
		}
	}
	for _, flags := range []wire.ClientFlags{0, wire.FlagUTF8} {
		got := readable(&client{hello: &wire.Hello{Flags: flags}}, "a\x1b[2Jb\x07\x9bc\u202ed\xff")
		for _, r := range got {
			if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == 0x202e || r == 0xfffd {
				t.Errorf("%q holds %q", got, r)
			}
		}
	}
}
