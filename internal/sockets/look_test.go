package sockets

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

const asErrand = "MUXWARD_TEST_ERRAND"

// TestMain: a step is done by this same program.
func TestMain(m *testing.M) {
	if path := os.Getenv(asServer); path != "" {
		serve(path)
	}
	if os.Getenv(asErrand) == "" {
		os.Exit(tmuxtest.Main(m))
	}
	if err := ServeErrand(os.Stdin, os.Stdout); err != nil {
		os.Exit(1)
	}
}

func testMender() Mender { return Mender{Argv: []string{os.Args[0]}, Env: []string{asErrand + "=1"}} }

// place makes a directory of sockets of our own in a new base.
func place(t testing.TB) (base, dir string) {
	t.Helper()
	base, err := os.MkdirTemp("", "mws")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(base) })
	dir = fmt.Sprintf("%s/tmux-%d", base, os.Geteuid())
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return base, dir
}

// bind makes a socket that nobody listens at yet.
func bind(t testing.TB, path string) *os.File {
	t.Helper()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrUnix{Name: path})
	}
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), path)
	t.Cleanup(func() { _ = f.Close() }) // it may be closed
	return f
}

func lifeOf(t *testing.T, opt Options, path string) Socket {
	t.Helper()
	s, err := Look(context.Background(), opt)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range s.Sockets {
		if string(k.Path) == path {
			return k
		}
	}
	return Socket{}
}

// A socket is live from when somebody listens until they have gone, and dead only
// when that is certain; with sock_diag and without.
func TestLives(t *testing.T) {
	for _, noDiag := range []bool{false, true} {
		base, dir := place(t)
		path := dir + "/s"
		opt := Options{Only: base, Settle: 1, noDiag: noDiag}
		check := func(when string, want Life) {
			t.Helper()
			if k := lifeOf(t, opt, path); k.Life != want {
				t.Errorf("%s, noDiag %v: %s (%s), want %s", when, noDiag, k.Life, k.Why, want)
			}
		}
		fd := bind(t, path)
		check("bound", Unknown)
		if err := unix.Listen(int(fd.Fd()), 1); err != nil {
			t.Fatal(err)
		}
		check("listening", Live)
		check("with a queue", Live)
		check("with a queue that is full", Live)
		if k := lifeOf(t, opt, path); !noDiag && k.PID != os.Getpid() {
			t.Errorf("%+v", k)
		}
		if err := os.Rename(path, dir+"/moved"); err != nil {
			t.Fatal(err)
		}
		path = dir + "/moved"
		check("moved", Live)
		if err := fd.Close(); err != nil {
			t.Fatal(err)
		}
		check("closed", Dead)
		opt.Settle = time.Hour
		check("closed, and not old enough", Unknown)
	}
}

// Nobody is knocked at whom the kernel lists: a knock may start something, end it,
// or fill the queue of who does not accept. Who listens is known all the same. A
// socket that was moved is not known by its name, where only names are listed.
func TestNoKnocksAtWhomTheKernelLists(t *testing.T) {
	base, dir := place(t)
	fd := bind(t, dir+"/s")
	if err := unix.Listen(int(fd.Fd()), 100); err != nil {
		t.Fatal(err)
	}
	looks := func(name string, noDiag bool, want uint32) {
		t.Helper()
		for range 3 {
			if k := lifeOf(t, Options{Only: base, noDiag: noDiag}, dir+name); k.Life != Live || k.PID != os.Getpid() || k.Program != "other" {
				t.Errorf("%s, noDiag %v: %+v", name, noDiag, k)
			}
		}
		if k := lifeOf(t, Options{Only: base}, dir+name); k.Pending != want {
			t.Errorf("%s, noDiag %v: after three looks %d wait, want %d", name, noDiag, k.Pending, want)
		}
	}
	looks("/s", false, 0)
	looks("/s", true, 0)
	if err := os.Rename(dir+"/s", dir+"/moved"); err != nil {
		t.Fatal(err)
	}
	looks("/moved", false, 0)
	looks("/moved", true, 3)
}

// Where the kernel tells nothing of who listens, nothing is dead for being refused;
// nor what is bound in another network with the same files.
func TestNotDeadByBeingRefused(t *testing.T) {
	_, dir := place(t)
	path := dir + "/s"
	if err := bind(t, path).Close(); err != nil {
		t.Fatal(err)
	}
	pin, err := pinAt(unix.AT_FDCWD, path)
	if err != nil {
		t.Fatal(err)
	}
	defer pin.Close()
	f, err := statFD(int(pin.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	life := func(list *kernelList) Life {
		l := newLooker(Options{Settle: 1})
		if err := l.readMounts(); err != nil {
			t.Fatal(err)
		}
		l.list, l.now = list, time.Now().Add(time.Hour)
		s := Socket{Path: Path(path), File: f}
		l.life(&s, int(pin.Fd()), f.UID, nil)
		return s.Life
	}
	apart := newKernelList(fromDiag, nil)
	apart.lend(newKernelList(fromProc, []entry{{inode: 7, name: path}}))
	for name, c := range map[string]struct {
		list *kernelList
		want Life
	}{
		"listed by nobody": {newKernelList(fromDiag, nil), Dead},
		"no list":          {newKernelList(fromNowhere, nil), Unknown},
		"bound elsewhere":  {apart, Unknown},
		"bound by name":    {newKernelList(fromProc, []entry{{inode: 7, name: path}}), Unknown},
	} {
		if got := life(c.list); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// Nothing is sent to who listens: they see a connection that ends.
func TestNothingIsSent(t *testing.T) {
	base, dir := place(t)
	l, err := net.Listen("unix", dir+"/s")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := os.Rename(dir+"/s", dir+"/moved"); err != nil {
		t.Fatal(err)
	}
	lifeOf(t, Options{Only: base, noDiag: true}, dir+"/moved")
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if n, err := conn.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("%d bytes, %v", n, err)
	}
}

// Directories are opened without following symbolic links, with openat2 and
// without.
func TestOpenDirFollowsNoLinks(t *testing.T) {
	base, dir := place(t)
	if err := os.Symlink(base, base+"/link"); err != nil {
		t.Fatal(err)
	}
	through := base + "/link" + dir[len(base):]
	for name, open := range map[string]func(string, int) (*os.File, error){"openat2": openDir, "by parts": openDirByParts} {
		f, err := open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		_ = f.Close()
		for _, bad := range []string{through, base + "/link", base + "/none"} {
			if f, err := open(bad, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW); err == nil {
				_ = f.Close()
				t.Errorf("%s: %s was opened", name, bad)
			}
		}
	}
}

// Root's step for an account is done by a process that has the rights of that
// account and no others; no account's step is done for another by who is not root.
func TestErrandsHaveTheOwnersRights(t *testing.T) {
	base, dir := place(t)
	theirs, uid := base+"/tmux-61001", uint32(61001)
	if err := os.Mkdir(theirs, 0o777); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 {
		if err := errors.Join(os.Chmod(base, 0o755), os.Chown(theirs, int(uid), int(uid)), os.Chmod(theirs, 0o777)); err != nil {
			t.Fatal(err)
		}
	}
	mend := func(path string, owner uint32) Done {
		t.Helper()
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			t.Fatal(err)
		}
		// Whoever may not chmod it fails, whatever it is said to be.
		a := &act{do: closeDir, file: fileOf(st)}
		return testMender().Mend(t.Context(), Step{Finding: Finding{ID: "t", Path: Path(path), UID: owner, act: a}})
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	shown := func(mode uint32) Done { // in a plan
		var st unix.Stat_t
		if err := unix.Lstat(dir, &st); err != nil {
			t.Fatal(err)
		}
		f := fileOf(st)
		f.Mode = Mode(mode)
		return testMender().Mend(t.Context(), Step{Finding: Finding{ID: "t", Path: Path(dir), UID: uint32(os.Geteuid()), act: &act{do: closeDir, file: f}}})
	}
	if d := shown(0o775); d.Outcome != Left {
		t.Errorf("with another mode than the plan shows: %+v", d)
	}
	if d := mend(dir, uint32(os.Geteuid())); d.Outcome != Mended || *d.Mode != 0o755 {
		t.Errorf("its own: %+v", d)
	}
	other := mend(theirs, uid)
	if want := map[bool]Outcome{true: Mended, false: Failed}[os.Geteuid() == 0]; other.Outcome != want {
		t.Errorf("another account's: %+v", other)
	}
	if d := mend(dir, uid); d.Outcome == Mended {
		t.Errorf("in the name of another account: %+v", d)
	}
}

// A process that does not answer is given up in time, and one that ends without
// an answer is no success.
func TestErrandsThatFail(t *testing.T) {
	_, dir := place(t)
	a := &act{do: closeDir}
	step := Step{Finding: Finding{ID: "t", Path: Path(dir), UID: uint32(os.Geteuid()), act: a}}
	for _, argv := range [][]string{nil, {"/none"}, {"true"}, {"echo", "no answer"}} {
		if d := (Mender{Argv: argv}).Mend(t.Context(), step); d.Outcome != Failed {
			t.Errorf("%q: %+v", argv, d)
		}
	}
}

func BenchmarkLook(b *testing.B) {
	for _, n := range []int{100, 1000, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			base, dir := place(b)
			for i := range n {
				fd := bind(b, fmt.Sprintf("%s/s%d", dir, i))
				if err := fd.Close(); err != nil {
					b.Fatal(err)
				}
			}
			for b.Loop() {
				s, err := Look(context.Background(), Options{Only: base, Settle: 1})
				if err != nil || len(s.Sockets) != n {
					b.Fatal(len(s.Sockets), err)
				}
				Judge(s, DefaultLimits())
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/float64(n), "µs/socket")
		})
	}
}

// What hangs is waited for once, however often somebody looks, and looked at again
// when it has come back.
func TestHangingOnce(t *testing.T) {
	l := newLooker(Options{Patience: time.Millisecond, hung: &hanging{on: map[string]bool{}}})
	release, began := make(chan struct{}), make(chan struct{}, 10)
	hang := func(string, func(seen) bool) {
		began <- struct{}{}
		<-release
	}
	for i := range 5 {
		got := l.watched(context.Background(), "/x", hang)
		if len(got) != 1 || got[0].skip == nil {
			t.Fatalf("look %d: %+v", i, got)
		}
	}
	<-began
	if n := len(began); n > 0 {
		t.Errorf("%d more wait", n)
	}
	close(release)
	for len(l.watched(context.Background(), "/x", func(string, func(seen) bool) {})) > 0 {
		runtime.Gosched()
	}
}
