package keep

import (
	"context"
	"errors"
	"os"
	"runtime"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// What somebody has mounted below our directories is not asked, as it may never answer.
func TestMountsAreNotAsked(t *testing.T) {
	dir := tmuxtest.Dir(t, tmuxtest.Account{})
	if err := os.Mkdir(dir+"/sub", 0o700); err != nil {
		t.Fatal(err)
	}
	parent := func() *os.File {
		f, err := openDir(dir)
		if err != nil {
			t.Error(err)
		}
		return f
	}
	before := parent()
	defer before.Close()
	if st, err := statAt(before, "sub"); err != nil || st.Mode&unix.S_IFMT != unix.S_IFDIR {
		t.Errorf("the control run: %o, %v", st.Mode, err)
	}
	asked := map[string]error{}
	done := make(chan error)
	go func() { // in a mount namespace of its own, which ends with the thread
		runtime.LockOSThread()
		if err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS); err != nil {
			done <- err
			return
		}
		err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
		if err = errors.Join(err, unix.Mount("none", dir+"/sub", "tmpfs", 0, "")); err == nil {
			f := parent()
			defer f.Close()
			asked["statAt"] = second(statAt(f, "sub"))
			for what, ask := range map[string]func() (*os.File, error){
				"openDirAt": func() (*os.File, error) { return openDirAt(int(f.Fd()), "sub") },
				"pinAt":     func() (*os.File, error) { return pinAt(int(f.Fd()), "sub") },
			} {
				file, err := ask()
				asked[what] = err
				closeIf(file)
			}
			asked["clearDir"] = clearDir(f, "sub")
		}
		done <- err
	}()
	if err := <-done; err != nil {
		tmuxtest.Skip(t, "needs mounts of its own: %v", err)
	}
	for what, err := range asked {
		if !errors.Is(err, unix.EXDEV) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// What cannot be put right is tried every few seconds, and told once, until it changes or goes well.
func TestFailureIsToldOnce(t *testing.T) {
	k := &Keep{events: queue{more: make(chan struct{}, 1)}}
	none := errors.New("too many open files")
	for _, c := range []struct {
		what  string
		wrong []string
		err   error
	}{
		{"the door", nil, none}, {"the door", nil, none}, {"the socket", nil, none}, {"the door", nil, none},
		{"the door", []string{"it is gone"}, none}, {"the door", []string{"it is gone"}, none},
		{"the door", []string{"it is gone"}, nil}, {"the door", []string{"it is gone"}, nil}, {"the door", nil, nil},
		{"the door", nil, none},
	} {
		k.report(LevelDoor, nil, c.what, c.wrong, c.err)
	}
	told := toldOf(k)
	const fails = "it could not be put right: too many open files; it is tried again"
	want := []string{"the door: " + fails, "the socket: " + fails, "the door: it is gone; " + fails,
		"the door: it is gone; it was put right", "the door: it is gone; it was put right", "the door: " + fails}
	if !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
}

// What is written down of a server is written again after it was removed with its directory,
// but not of one that has ended: it would be found by the next muxward.
func TestRecordComesBackOnlyWhileItRuns(t *testing.T) {
	w := newWorld(t)
	h, _ := w.opened("alice")
	s, err := w.k.server(h.ID)
	if err != nil {
		t.Fatal(err)
	}
	record := w.opt.Run + "/servers/" + h.ID + ".json"
	there := func() bool { _, err := os.Lstat(record); return err == nil }
	if err := os.Rename(w.opt.Run+"/servers", w.opt.Run+"/away"); err != nil {
		t.Fatal(err)
	}
	tmuxtest.Eventually(t, there, "it is written again")
	if err := s.proc.signal(unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-s.left
	if there() {
		t.Error("it has ended, and its record is there")
	}
	s.lost.Store(true)
	s.saveLost()
	if there() {
		t.Error("its record came back")
	}
}

// A server that has us wait holds up no look at what is others', and nobody waits in a row
// for it.
func TestOneServerHoldsUpNobody(t *testing.T) {
	w := newWorld(t)
	slow, _ := w.opened("alice")
	bob, bobs := w.opened("bob")
	own, err := w.k.OpenDoor(t.Context(), Place{Account: w.named()})
	if err != nil {
		t.Fatal(err)
	}
	defer own.Listen.Close()
	s, err := w.k.server(slow.ID)
	if err != nil {
		t.Fatal(err)
	}
	s.look.Lock() // as while tmux is to make its socket anew, and is stopped
	s.mu.Lock()   // or while the kernel does not answer about its files
	s.inner.mu.Lock()
	for _, p := range []string{w.socket(bob), bobs.Path, own.Path} {
		if err := os.Chmod(p, 0o666); err != nil {
			t.Fatal(err)
		}
		tmuxtest.Eventually(t, func() bool {
			st, err := os.Lstat(p)
			return err == nil && st.Mode().Perm() == 0o600
		}, "%s is put right", p)
	}
	s.inner.mu.Unlock()
	s.mu.Unlock()
	first := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() { first <- w.k.Mend(ctx, slow.ID) }()
	tmuxtest.Eventually(t, s.mending.Load, "it is being mended")
	if err := w.k.Mend(t.Context(), slow.ID); !errors.Is(err, ErrBusy) {
		t.Errorf("mended twice at once: %v", err)
	}
	cancel()
	if err := <-first; !errors.Is(err, ErrBusy) {
		t.Errorf("it waits: %v", err)
	}
	s.look.Unlock()
	if err := w.k.Mend(t.Context(), slow.ID); err != nil {
		t.Error(err)
	}
}

// A directory of ours that cannot be made again is told of once, though the one that is open still has no fault.
func TestLostDirectoryIsToldOnce(t *testing.T) {
	dir := t.TempDir()
	k := &Keep{opt: Options{Run: dir + "/run", Doors: dir + "/doors"}, events: queue{more: make(chan struct{}, 1)}}
	if err := k.openRoots(); err != nil {
		t.Fatal(err)
	}
	defer k.release()
	doors := dir + "/doors"
	for _, c := range []struct {
		change func() error
		told   int
	}{
		{func() error { return nil }, 0},
		{func() error { return errors.Join(os.RemoveAll(doors), os.WriteFile(doors, nil, 0o600)) }, 1},
		{func() error { return os.RemoveAll(doors) }, 1},
		{func() error { return errors.Join(os.RemoveAll(doors), os.WriteFile(doors, nil, 0o600)) }, 1},
	} {
		if err := c.change(); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			k.checkRoots()
		}
		if told := toldOf(k); len(told) != c.told {
			t.Errorf("told %q, want %d", told, c.told)
		}
	}
}

// A record that could not be written, was, and cannot be once more is told of twice.
func TestLostRecordIsToldAgain(t *testing.T) {
	k := &Keep{events: queue{more: make(chan struct{}, 1)}}
	good, err1 := os.Open(t.TempDir())
	none, err2 := os.Open("/dev/null")
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	defer good.Close()
	defer none.Close()
	s := &server{k: k, rec: record{ID: "one", Owner: "alice"}, left: make(chan struct{})}
	for i, c := range []struct {
		in   *os.File
		told int
	}{{none, 1}, {none, 0}, {good, 0}, {none, 1}} {
		k.servers = c.in
		s.lost.Store(true)
		s.saveLost()
		if told := toldOf(k); len(told) != c.told {
			t.Errorf("%d: told %q, want %d", i, told, c.told)
		}
	}
}

// toldOf takes what was told out of the queue.
func toldOf(k *Keep) (told []string) {
	for {
		ev, ok, err := k.events.next()
		if !ok || err != nil {
			return told
		}
		told = append(told, ev.Text)
	}
}
