package keep

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// What an account puts in its socket's place is not given to it, and neither changed nor
// connected to: its server gets another socket.
func TestForeignInTheSocketsPlace(t *testing.T) {
	for what, plant := range map[string]func(dir, place string) error{
		"a file":      func(_, place string) error { return os.WriteFile(place, []byte("ours alone"), 0o640) },
		"a link":      func(dir, place string) error { return os.Symlink(dir+"/sock", place) },
		"a socket":    func(dir, place string) error { return os.Rename(dir+"/sock", place) },
		"a hard link": func(dir, place string) error { return os.Link(dir+"/sock", place) },
	} {
		if what == "a socket" && !asRoot() {
			continue // it would be the account's own
		}
		t.Run(what, func(t *testing.T) {
			w := newWorld(t)
			h, d := w.opened("alice")
			if err := w.k.Close(); err != nil {
				t.Fatal(err)
			}
			_ = d.Listen.Close()
			l, err := listenAt(w.opt.Run + "/sock") // root's, or as good as it
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			if err := errors.Join(os.Chmod(w.opt.Run+"/sock", 0o640), os.Remove(w.socket(h)), plant(w.opt.Run, w.socket(h))); err != nil {
				t.Fatal(err)
			}
			var held []*os.File
			for _, p := range []string{w.socket(h), w.opt.Run + "/sock"} {
				if f, err := pinAt(unix.AT_FDCWD, p); err == nil {
					defer f.Close()
					held = append(held, f)
				}
			}
			w.open()
			if _, err := w.k.Adopt(t.Context(), h.ID); err != nil {
				t.Fatal(err)
			}
			s, err := w.k.server(h.ID)
			if err != nil {
				t.Fatal(err)
			}
			s.look.Lock()
			_, err = s.checkSocket(t.Context())
			s.look.Unlock()
			if err != nil {
				t.Error(err)
			}
			for _, f := range held {
				st, err := statFile(f)
				if err != nil || st.Uid != uint32(os.Geteuid()) || st.Mode&unix.S_IFMT != unix.S_IFLNK && st.Mode&permBits != 0o640 {
					t.Errorf("uid %d, mode %04o, %v", st.Uid, st.Mode&permBits, err)
				}
			}
			w.stock(h, "new-session", "-d") // the server is reached again
		})
	}
}

// A home that does not answer holds up neither us nor, for longer than its time, who asks.
func TestHomeDoesNotAnswer(t *testing.T) {
	if !asRoot() {
		tmuxtest.Skip(t, "needs root to mount")
	}
	w := newWorld(t)
	w.acct.Home = filepath.Join(w.acct.Home, "silent")
	if err := os.Mkdir(w.acct.Home, 0o700); err != nil {
		t.Fatal(err)
	}
	fuse, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err == nil { // nobody will ever answer there
		err = unix.Mount("none", w.acct.Home, "fuse", unix.MS_NOSUID|unix.MS_NODEV,
			fmt.Sprintf("fd=%d,rootmode=40000,user_id=%d,group_id=%d", fuse, w.acct.UID, w.acct.GID))
	}
	if err != nil {
		tmuxtest.Skip(t, "needs FUSE: %v", err)
	}
	t.Cleanup(func() { _ = errors.Join(unix.Close(fuse), unix.Unmount(w.acct.Home, unix.MNT_DETACH)) })
	// Should we stand still as a whole, nothing in this process could end it.
	watchdog := exec.Command("/bin/sh", "-c", `sleep 20; kill -KILL "$0"`, fmt.Sprint(os.Getpid()))
	if err := watchdog.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = errors.Join(watchdog.Process.Kill(), watchdog.Wait()) }()
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	if _, err := w.k.Start(ctx, w.order("alice")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}

// A server begins in its account's home, or in the root if that is not there, and its
// environment does not tell of the way there.
func TestBeginsAtHome(t *testing.T) {
	w := newWorld(t)
	there := w.acct.Home
	for owner, home := range map[string]string{"alice": there, "bob": there + "/none"} {
		w.acct.Home = home
		h := w.start(owner)
		want := home
		if home != there {
			want = "/"
		}
		if got, err := os.Readlink(procFile(h.PID, "cwd")); err != nil || got != want {
			t.Errorf("%s: %q, %v", home, got, err)
		}
		env, err := os.ReadFile(procFile(h.PID, "environ"))
		if err != nil {
			t.Fatal(err)
		}
		vars := strings.Split(string(env), "\x00")
		if has(vars, "PWD") || has(vars, "OLDPWD") || !has(vars, "HOME") {
			t.Errorf("%q", env)
		}
	}
}
