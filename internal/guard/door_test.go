package guard

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/tmux"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// With muxward stopped, the account's plain tmux fails and starts nothing.
func TestStoppedDoorRefuses(t *testing.T) {
	w := newWorld(t)
	d, err := w.g.OpenDoor(w.acct)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(d.Path())
	if err := w.g.Close(); err != nil {
		t.Fatal(err)
	}
	look(t, dir, unix.S_IFDIR, 0o500, w.acct.UID)
	env := []string{"TMUX_TMPDIR=" + w.opt.Doors}
	// The client's exit code says nothing here; what counts is that there is
	// no server.
	defer func() { _, _ = w.stock(env, "kill-server") }()
	_, _ = w.stock(env, "new-session", "-d")
	if out, err := w.stock(env, "has-session"); err == nil {
		t.Errorf("a server was started: %q", out)
	}
	tmuxtest.Eventually(t, func() bool { return runningWith(env[0]) == 0 }, "no process of that client stays")
	if ents, _ := os.ReadDir(dir); len(ents) != 0 {
		t.Errorf("something is there: %v", ents)
	}
	// The control run: what refuses is the directory's mode.
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if out, err := w.stock(env, "new-session", "-d"); err != nil {
		t.Fatalf("%q %v", out, err)
	}
	defer func() {
		if _, err := w.stock(env, "kill-server"); err != nil {
			t.Error(err)
		}
		tmuxtest.Eventually(t, func() bool { _, up := listener(d.Path()); return !up }, "that server ends")
	}()
	// And that server is not thrown out by the next muxward.
	g, err := New(w.opt)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	if _, err := g.OpenDoor(w.acct); err == nil || !strings.Contains(err.Error(), "listens there") {
		t.Errorf("the door was taken: %v", err)
	}
	if _, err := w.stock(env, "has-session"); err != nil {
		t.Error(err)
	}
}

// runningWith counts processes with a variable in their environment.
func runningWith(kv string) int {
	n := 0
	for _, pid := range processes() {
		env, _ := os.ReadFile(procFile(pid, "environ"))
		if pid != os.Getpid() && strings.Contains("\x00"+string(env), "\x00"+kv+"\x00") {
			n++
		}
	}
	return n
}

// Sockets of a muxward that was killed are not in the way; nor is what lies in
// a door's place.
func TestDoorOverRemains(t *testing.T) {
	w := newWorld(t)
	name, sock := accountDoor(w.acct.UID)
	dir := w.opt.Doors + "/" + name
	aside := tmuxtest.Dir(t, tmuxtest.Account{})
	for what, leave := range map[string]func() error{
		"dead socket": func() error {
			l, err := net.ListenUnix("unix", &net.UnixAddr{Name: dir + "/" + sock, Net: "unix"})
			if err != nil {
				return err
			}
			l.SetUnlinkOnClose(false)
			return errors.Join(l.Close(), os.Chmod(dir, 0o500))
		},
		"link":      func() error { return errors.Join(os.Remove(dir), os.Symlink(aside, dir)) },
		"file":      func() error { return errors.Join(os.Remove(dir), os.WriteFile(dir, []byte("x"), 0o600)) },
		"sock link": func() error { return os.Symlink(aside+"/target", dir+"/"+sock) },
	} {
		t.Run(what, func(t *testing.T) {
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := leave(); err != nil {
				t.Fatal(err)
			}
			d, err := w.g.OpenDoor(w.acct)
			if err != nil {
				t.Fatal(err)
			}
			look(t, dir, unix.S_IFDIR, 0o500, w.acct.UID)
			if _, err := w.g.OpenDoor(w.acct); err == nil {
				t.Error("the same door twice")
			}
			reachable(t, d.Path(), accepting(t, d))
			tidy(t, w)
			if err := errors.Join(d.Close(), os.Remove(dir)); err != nil {
				t.Fatal(err)
			}
			if ents, _ := os.ReadDir(aside); len(ents) != 0 {
				t.Errorf("behind the link: %v", ents)
			}
		})
	}
}

// What was there and is not ours to delete stays, aside, and is told.
func TestDoorKeepsForeignFiles(t *testing.T) {
	w := newWorld(t)
	name, _ := accountDoor(w.acct.UID)
	dir := w.opt.Doors + "/" + name
	if err := errors.Join(os.Mkdir(dir, 0o755), os.WriteFile(dir+"/diary", []byte("dear"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if _, err := w.g.OpenDoor(w.acct); err != nil {
		t.Fatal(err)
	}
	w.heard("could not be removed")
	found, _ := filepath.Glob(w.opt.Doors + "/.new-*/diary")
	if len(found) != 1 {
		t.Errorf("the diary is at %v", found)
	}
}

// The x bits, by which tmux says that somebody is attached, are no tampering
// at an inner door.
func TestAttachedBits(t *testing.T) {
	w := newWorld(t)
	s := w.start("alice")
	run(t, s, "new-session", "-d")
	settle(t, w, s)
	w.quiet()
	if err := os.Chmod(s.InnerDoor().Path(), 0o700); err != nil {
		t.Fatal(err)
	}
	wrong, err := s.InnerDoor().check()
	if err != nil || len(wrong) != 0 {
		t.Errorf("%v %v", wrong, err)
	}
}

func TestTwoGuards(t *testing.T) {
	w := newWorld(t)
	if _, err := New(w.opt); !errors.Is(err, ErrInUse) {
		t.Errorf("the same directories: %v", err)
	}
	other := w.opt
	other.Run = w.dir + "/other"
	if _, err := New(other); !errors.Is(err, ErrInUse) {
		t.Errorf("the same doors: %v", err)
	}
	if asRoot() { // no account can hold the lock
		look(t, w.opt.Doors+"/.lock", unix.S_IFDIR, 0o700, 0)
	}
}

func TestLockByName(t *testing.T) {
	dir, err := openDir(tmuxtest.Dir(t, tmuxtest.Account{}))
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	first, err := lockByName("x", dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lockByName("x", dir); !errors.Is(err, ErrInUse) {
		t.Errorf("twice: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := lockByName("x", dir)
	if err != nil {
		t.Fatal(err)
	}
	_ = again.Close()
}

func TestRootsRefused(t *testing.T) {
	dir := tmuxtest.Dir(t, tmuxtest.Account{})
	if err := errors.Join(os.Mkdir(dir+"/open", 0o777), os.Chmod(dir+"/open", 0o777), os.Mkdir(dir+"/real", 0o700),
		os.Symlink(dir+"/real", dir+"/link"), os.WriteFile(dir+"/file", nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	for what, path := range map[string]string{
		"others could replace it": dir + "/open/r",
		"a link":                  dir + "/link",
		"a file":                  dir + "/file",
		"relative":                "r",
		"too long":                dir + "/" + strings.Repeat("x", 100),
	} {
		opt := Options{Run: path, Doors: path, Tmux: "/usr/bin/tmux"}
		if g, err := New(opt); err == nil {
			t.Errorf("%s was taken", what)
			_ = g.Close()
		} else {
			t.Logf("%s: %v", what, err)
		}
	}
	if asRoot() {
		if err := errors.Join(os.Mkdir(dir+"/theirs", 0o755), os.Chown(dir+"/theirs", otherUID, otherUID)); err != nil {
			t.Fatal(err)
		}
		for _, p := range []string{"/theirs", "/theirs/r"} {
			if _, err := New(Options{Run: dir + p, Doors: dir + p, Tmux: "/usr/bin/tmux", Root: true}); err == nil {
				t.Errorf("%s was taken", p)
			}
		}
	} else if _, err := New(Options{Run: dir + "/r", Doors: dir + "/r", Tmux: "/usr/bin/tmux", Root: true}); err == nil {
		t.Error("root mode without root")
	}
	elsewhere := "/dev/shm/" + rand8()
	defer os.RemoveAll(elsewhere)
	if _, err := New(Options{Run: dir + "/r", Doors: elsewhere, Tmux: "/usr/bin/tmux"}); err == nil {
		t.Error("two file systems")
	}
}

// Adoption believes nothing that only the record says.
func TestAdoptChecks(t *testing.T) {
	for _, c := range []struct {
		what   string
		change func(*record)
		said   string
		gone   bool // cleared away, as it does not run
	}{
		{"another process", func(r *record) { r.Start++ }, "has ended while no muxward ran", true},
		{"another boot", func(r *record) { r.Boot = "x" }, "has ended while no muxward ran", true},
		{"another account", func(r *record) { r.Account.UID++ }, "not adopted", false},
		{"another program", func(r *record) { r.Exe = "/usr/bin/other" }, "not adopted", false},
		{"another mark", func(r *record) { r.Mark = randomHex(markLen) }, "is not used", false},
		{"another beginning", func(r *record) { r.StartTime++ }, "is not used", false},
		{"a bad record", func(r *record) { r.Mark = "x" }, "not adopted", false},
	} {
		t.Run(c.what, func(t *testing.T) {
			w := newWorld(t)
			s := w.start("alice")
			run(t, s, "new-session", "-d")
			proc, err := holdProcess(s.PID(), 0)
			if err != nil {
				t.Fatal(err)
			}
			defer proc.close()
			defer func() { _ = proc.signal(unix.SIGKILL); proc.wait(); proc.ending() }()
			if err := w.g.Close(); err != nil {
				t.Fatal(err)
			}
			dir, err := openDir(w.opt.Run + "/servers")
			if err != nil {
				t.Fatal(err)
			}
			rec := s.rec
			c.change(&rec)
			if err := errors.Join(rec.save(dir), dir.Close()); err != nil {
				t.Fatal(err)
			}
			w.quiet()
			w.open()
			w.heard(c.said)
			if _, ok := w.g.Lookup("alice"); w.g.AllKnown() != (ok || c.gone) {
				t.Errorf("all are known: %t", w.g.AllKnown())
			}
			if s2, ok := w.g.Lookup("alice"); ok && s2.Ready(t.Context()) == nil {
				t.Error("it is used")
			}
			if _, err := os.Stat(w.opt.Run + "/servers/" + rec.ID + ".json"); errors.Is(err, os.ErrNotExist) != c.gone {
				t.Errorf("its record: %v", err)
			}
			if _, state, err := startOf(proc.pid); err != nil || state == 'Z' {
				t.Errorf("it was ended: %c %v", state, err)
			}
			for _, s := range w.g.Servers() {
				s.letGo()
			}
		})
	}
}

// Killed between the start of tmux and writing down its id, or before the
// socket was moved: the next muxward finishes it.
func TestAdoptHalfStarted(t *testing.T) {
	w := newWorld(t)
	rec := record{ID: randomHex(idLen), Mark: randomHex(markLen), Owner: "alice", Account: w.acct, Boot: bootID()}
	s := newServer(w.g, rec)
	if err := w.g.launch(s); err != nil {
		t.Fatal(err)
	}
	inner := w.g.innerPath(rec.ID)
	tmuxtest.Eventually(t, func() bool { _, up := listener(inner); return up }, "tmux listens at %s", inner)
	pid := s.rec.PID
	s.rec.PID, s.rec.Start = 0, 0
	if err := s.rec.save(w.g.servers); err != nil {
		t.Fatal(err)
	}
	s.proc.close()
	if err := errors.Join(s.dir.Close(), w.g.Close()); err != nil {
		t.Fatal(err)
	}
	w.open()
	found := w.start("alice")
	if found.PID() != pid {
		t.Errorf("process %d, want %d", found.PID(), pid)
	}
	settle(t, w, found)
}

// A server that is stopped while muxward starts again is not lost.
func TestAdoptStopped(t *testing.T) {
	w := newWorld(t)
	s := w.start("alice")
	run(t, s, "new-session", "-d")
	if _, err := s.Snapshot(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if err := s.proc.signal(unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	pid := s.PID()
	if err := w.g.Close(); err != nil {
		t.Fatal(err)
	}
	w.open()
	again, ok := w.g.Lookup("alice")
	if !ok || again.PID() != pid {
		t.Fatalf("it is lost%s", w.all())
	}
	w.heard("does not answer")
	if err := again.proc.signal(unix.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if err := again.Ready(t.Context()); err != nil {
		t.Error(err)
	}
}

// What weakens the promises to an owner's guests is told, and when it ends.
func TestRisks(t *testing.T) {
	w := newWorld(t)
	s := w.start("alice")
	run(t, s, "new-session", "-d", "-s", "work")
	settle(t, w, s)
	run(t, s, "set", "-g", "set-titles", "on") // so that the first look is seen
	w.heard("risk: ", "set-titles")
	run(t, s, "set", "-g", "set-titles", "off")
	w.heard("no risk any more", "set-titles")
	for _, c := range []struct {
		set, unset []string
		said       string
		kind       access.EventKind
	}{
		{[]string{"set", "-s", "set-clipboard", "on"}, []string{"set", "-s", "set-clipboard", "external"}, "set-clipboard", access.EventServer},
		{[]string{"set", "-g", "set-titles", "on"}, []string{"set", "-g", "set-titles", "off"}, "set-titles", access.EventServer},
		{[]string{"set", "-p", "-t", "work", "allow-rename", "on"}, []string{"set", "-p", "-u", "-t", "work", "allow-rename"}, "allow-rename", access.EventServer},
		{[]string{"set", "-wg", "allow-passthrough", "on"}, []string{"set", "-wg", "allow-passthrough", "off"}, "allow-passthrough", access.EventServer},
		{[]string{"set", "-s", "command-alias[90]", "list-panes=run-shell x"}, []string{"set", "-su", "command-alias[90]"}, "list-panes", access.EventAlarm},
		{[]string{"set-hook", "-g", "after-new-window", "run-shell 'echo a; echo b'"}, []string{"set-hook", "-gu", "after-new-window"}, "after-new-window of every session runs: run-shell", access.EventAlarm},
		{[]string{"set-hook", "-gw", "pane-exited[7]", "display-message x"}, []string{"set-hook", "-gwu", "pane-exited[7]"}, "pane-exited of every window runs", access.EventAlarm},
		{[]string{"set-hook", "-t", "work", "after-kill-pane", "kill-server"}, []string{"set-hook", "-u", "-t", "work", "after-kill-pane"}, "after-kill-pane of session $0 runs: kill-server", access.EventAlarm},
		{[]string{"set-hook", "-w", "-t", "work", "window-renamed", "kill-server"}, []string{"set-hook", "-w", "-u", "-t", "work", "window-renamed"}, "window-renamed of window @0", access.EventAlarm},
		{[]string{"set-hook", "-p", "-t", "work", "pane-died", "kill-server"}, []string{"set-hook", "-p", "-u", "-t", "work", "pane-died"}, "pane-died of pane %0", access.EventAlarm},
		{[]string{"server-access", "-a", "nobody"}, []string{"server-access", "-d", "nobody"}, "server-access", access.EventAlarm},
	} {
		if (c.said == "allow-passthrough" || c.said == "server-access") && !s.Version().AtLeast(tmux.Version{Major: 3, Minor: 3}) {
			tmuxtest.Missing(t, "tmux %s has no %s", s.Version(), c.said)
			continue
		}
		w.quiet()
		run(t, s, c.set...)
		n := w.heard("risk: ", c.said)
		if n.Kind != c.kind {
			t.Errorf("%s: told as %s, want %s", c.said, n.Kind, c.kind)
		}
		if !strings.Contains(strings.Join(s.Risks(), "\n"), c.said) {
			t.Errorf("%q is not among %q", c.said, s.Risks())
		}
		run(t, s, c.unset...)
		w.heard("no risk any more", c.said)
	}
	// A client that is not ours.
	cmd := exec.Command(w.opt.Tmux, "-S", w.opt.Run+"/servers/"+s.rec.ID+"/s", "-C", "attach-session", "-t", "work")
	if asRoot() {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	n := w.heard("not muxward's", fmt.Sprint(cmd.Process.Pid))
	if n.Owner != "alice" {
		t.Errorf("%+v", n)
	}
	_ = in.Close()
	_ = cmd.Wait()
	if got := s.Risks(); len(got) > 1 {
		t.Errorf("risks %q", got)
	}
}

func TestOtherMounts(t *testing.T) {
	text := `22 1 254:0 / / rw - ext4 /dev/vda rw
30 22 0:25 / /run rw - tmpfs tmpfs rw
31 22 0:25 /muxward /srv/a rw - tmpfs tmpfs rw
32 22 0:25 /muxward/servers/12345678/s /srv/b\040c rw - tmpfs tmpfs rw
33 22 0:25 /muxward/serversx /srv/d rw - tmpfs tmpfs rw
34 22 0:26 /muxward/servers /srv/e rw - tmpfs tmpfs rw
35 22 0:25 /muxward/servers /srv/f rw - tmpfs tmpfs rw
rubbish
`
	got := otherMounts(parseMounts([]byte(text)), "0:25", "/run/muxward/servers")
	want := []mount{{"0:25", "/muxward/servers/12345678/s", "/srv/b c"}, {"0:25", "/muxward/servers", "/srv/f"}}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%v, want %v", got, want)
	}
	if got := otherMounts(parseMounts([]byte(text)), "0:99", "/run/muxward/servers"); got != nil {
		t.Errorf("%v", got)
	}
}

func TestBindMountTold(t *testing.T) {
	if !asRoot() {
		tmuxtest.Skip(t, "needs root to mount")
	}
	w := newWorld(t)
	s := w.start("alice")
	at := tmuxtest.Dir(t, tmuxtest.Account{})
	if err := unix.Mount(w.opt.Run+"/servers/"+s.rec.ID, at, "", unix.MS_BIND, ""); err != nil {
		tmuxtest.Skip(t, "this machine does not let root mount: %v", err)
	}
	defer func() {
		if err := unix.Unmount(at, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	}()
	w.heard("is mounted at", at)
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("server set-clipboard on\nsession $1\npane %1 @1 0 1 \nclient 12 x y\ncommand-alias[0] \"a=b\"\nroot (W)\n"))
	f.Add([]byte("pane %1 @1;x 0 1 \nafter-x[0] a b\nafter-y\nx\nx\nx\nafter-x[1] c\n"))
	f.Add([]byte(`{"id":"00000000","owner":"a","pid":1,"mark":"00000000000000000000000000000000"}`))
	f.Add([]byte("31 22 0:25 /a /b\\040c rw - tmpfs tmpfs rw\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		in := parseInspection(data)
		for _, p := range in.places() {
			if at := p.ask[len(p.ask)-1]; strings.ContainsAny(at, ";\n ") {
				t.Errorf("%q is no place", at)
			}
		}
		l := &hookLook{read: map[string]bool{}}
		l.answer(data, in.places(), "x")
		for _, r := range l.found {
			if !l.read[r.hook.place] {
				t.Errorf("%q is of a place that was not read", r.text)
			}
		}
		_ = shadowed(tmux.ParseOptions{Version: tmux.Reference(), Aliases: tmux.ParseAliases(string(data), tmux.Reference())})
		if r, err := parseRecord(data); err == nil && (!validID(r.ID) || r.PID < 0) {
			t.Errorf("%+v", r)
		}
		_ = otherMounts(parseMounts(data), "0:25", "/run/x")
	})
}
