package keep

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// A server's log is ours, and its account can write there as much as it likes: it does not
// grow without end.
func TestLogIsBounded(t *testing.T) {
	w := newWorld(t)
	h, _ := w.opened("alice")
	path := w.opt.Run + "/servers/" + h.ID + ".log"
	log, err := os.OpenFile(procFile(h.PID, "fd/2"), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = log.Write(make([]byte, maxLog+1))
	if err = errors.Join(err, log.Close()); err != nil {
		t.Fatal(err)
	}
	tmuxtest.Eventually(t, func() bool { st, err := os.Stat(path); return err == nil && st.Size() == 0 }, "it is emptied")
	w.came(EventNotice, "the log of the server of alice")
}

// What a server reads first has its mark, and is for its account alone.
func TestConfigurationIsTheAccounts(t *testing.T) {
	w := newWorld(t)
	h := w.start("alice")
	var st unix.Stat_t
	if err := unix.Lstat(w.opt.Run+"/servers/"+h.ID+".conf", &st); err != nil || st.Uid != w.acct.UID || st.Mode&permBits != 0o400 {
		t.Errorf("uid %d, mode %04o, %v", st.Uid, st.Mode&permBits, err)
	}
	if got := w.stock(h, "new-session", "-d", ";", "display-message", "-p", "#{@muxward_id}"); got != h.Mark {
		t.Errorf("it was not read: the mark is %q", got)
	}
}

// What somebody puts again and again into a door's place, and cannot be cleared away, does
// not fill the directory of the doors.
func TestLeftDirectoriesAreBounded(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Every = 0 })
	d, err := w.k.OpenDoor(t.Context(), Place{Account: w.named()})
	if err != nil {
		t.Fatal(err)
	}
	_ = d.Listen.Close()
	door := w.k.doors.list()[0]
	dir := filepath.Dir(d.Path)
	var last error
	for range maxLeftDirs + 5 {
		door.mu.Lock() // the watch waits
		err := os.Chmod(dir, 0o700)
		if err = errors.Join(err, os.WriteFile(dir+"/mine", []byte("x"), 0o600)); err == nil {
			err = os.Remove(d.Path)
		}
		door.mu.Unlock()
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		_, last = door.check() // or the watch does
	}
	if last == nil || !strings.Contains(last.Error(), "are left in") {
		t.Errorf("%v", last)
	}
	left, err := filepath.Glob(w.opt.Doors + "/" + temporary + "*")
	if err != nil || len(left) != maxLeftDirs {
		t.Errorf("%d are left, %v", len(left), err)
	}
	for _, p := range left {
		_ = os.Chmod(p, 0o700)
	}
}

// It is bounded by account, however many servers it has one after the other.
func TestLeftIsCountedByAccount(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Every = 0 })
	h, d := w.opened("alice")
	s, err := w.k.server(h.ID)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(d.Path)
	s.look.Lock() // the watch waits
	err = errors.Join(os.Chmod(dir, 0o700), os.WriteFile(dir+"/mine", []byte("x"), 0o600))
	s.look.Unlock()
	if err = errors.Join(err, s.proc.signal(unix.SIGKILL)); err != nil {
		t.Fatal(err)
	}
	<-s.left
	count := func() int {
		w.k.doors.mu.Lock()
		defer w.k.doors.mu.Unlock()
		return w.k.doors.left[w.acct.UID]
	}
	if n := count(); n != 1 {
		t.Fatalf("%d are counted, of one", n)
	}
	w.k.doors.mu.Lock()
	w.k.doors.left[w.acct.UID] = maxLeftDirs
	w.k.doors.mu.Unlock()
	if err := second(w.k.Start(t.Context(), w.order("alice"))); err == nil || !strings.Contains(err.Error(), "are left in") {
		t.Errorf("one more server: %v", err)
	}
}

// Names of accounts are what directory services have, too.
func TestAccountNames(t *testing.T) {
	for name, want := range map[string]bool{"a": true, "jörg": true, `DOM\alice`: true, "a b": true, strings.Repeat("x", MaxAccountName): true,
		"": false, strings.Repeat("x", MaxAccountName+1): false, "a\n": false, "a\x00": false, "a\xff": false, "a\u0085": false} {
		if validAccountName(name) != want {
			t.Errorf("%q: %t", name, !want)
		}
	}
}
