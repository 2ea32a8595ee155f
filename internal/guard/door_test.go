package guard

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/keep"
	"github.com/muxward/muxward/internal/procfs"
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
		tmuxtest.Eventually(t, func() bool { return !listens(d.Path()) }, "that server ends")
	}()
	// And that server is not thrown out by the next muxward.
	g, err := made(w.opt)
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
	ents, _ := os.ReadDir("/proc")
	for _, e := range ents {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
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
	name, sock := fmt.Sprintf("tmux-%d", w.acct.UID), "default"
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
	name := fmt.Sprintf("tmux-%d", w.acct.UID)
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

func TestTwoGuards(t *testing.T) {
	w := newWorld(t)
	if _, err := made(w.opt); !errors.Is(err, keep.ErrInUse) {
		t.Errorf("the same directories: %v", err)
	}
	other := w.opt
	other.Run = w.dir + "/other"
	if _, err := made(other); !errors.Is(err, keep.ErrInUse) {
		t.Errorf("the same doors: %v", err)
	}
	if asRoot() { // no account can hold the lock
		look(t, w.opt.Doors+"/.lock", unix.S_IFDIR, 0o700, 0)
	}
}

// Adoption believes nothing that only the record says.
func TestAdoptChecks(t *testing.T) {
	for _, c := range []struct {
		what   string
		change func(r map[string]any)
		said   string
		gone   bool // cleared away, as it does not run
	}{
		{"another process", func(r map[string]any) { r["start"] = 1 }, "has ended while no muxward ran", true},
		{"another boot", func(r map[string]any) { r["boot"] = "x" }, "has ended while no muxward ran", true},
		{"another account", func(r map[string]any) { r["account"].(map[string]any)["UID"] = 61999 }, "not adopted", false},
		{"another program", func(r map[string]any) { r["exe"] = "/usr/bin/other" }, "not adopted", false},
		{"another mark", func(r map[string]any) { r["mark"] = strings.Repeat("0a", 16) }, "is not used", false},
		{"another beginning", func(r map[string]any) { r["start_time"] = 1 }, "is not used", false},
		{"a bad record", func(r map[string]any) { r["mark"] = "x" }, "not adopted", false},
	} {
		t.Run(c.what, func(t *testing.T) {
			w := newWorld(t)
			s := w.start("alice")
			run(t, s, "new-session", "-d")
			defer func() {
				_ = unix.Kill(s.PID(), unix.SIGKILL)
				_, _ = unix.Wait4(s.PID(), nil, 0, nil)
			}()
			if err := w.g.Close(); err != nil {
				t.Fatal(err)
			}
			if w.g.Looked() {
				t.Error("who looks no more has looked")
			}
			id := s.kept.ID
			changeRecord(t, w.opt.Run+"/servers/"+id+".json", c.change)
			w.quiet()
			w.open()
			w.heard(c.said)
			if _, ok := w.g.Lookup("alice"); w.g.AllKnown() != (ok || c.gone) {
				t.Errorf("all are known: %t", w.g.AllKnown())
			}
			if !w.g.Looked() {
				t.Error("what was left was looked at, adopted or not")
			}
			if s2, ok := w.g.Lookup("alice"); ok && s2.Ready(t.Context()) == nil {
				t.Error("it is used")
			}
			if _, err := os.Stat(w.opt.Run + "/servers/" + id + ".json"); errors.Is(err, os.ErrNotExist) != c.gone {
				t.Errorf("its record: %v", err)
			}
			if st, err := procfs.ReadStat(s.PID()); err != nil || st.Ended() {
				t.Errorf("it was ended: %+v %v", st, err)
			}
			for _, s := range w.g.Servers() {
				s.letGo()
			}
		})
	}
}

// A server that is stopped while muxward starts again is not lost.
func TestAdoptStopped(t *testing.T) {
	w := newWorld(t)
	s := w.start("alice")
	run(t, s, "new-session", "-d")
	if _, err := s.Snapshot(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if err := unix.Kill(s.PID(), unix.SIGSTOP); err != nil {
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
	if err := unix.Kill(again.PID(), unix.SIGCONT); err != nil {
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
	cmd := exec.Command(w.opt.Tmux, "-S", w.opt.Run+"/servers/"+s.kept.ID+"/s", "-C", "attach-session", "-t", "work")
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

func TestBindMountTold(t *testing.T) {
	if !asRoot() {
		tmuxtest.Skip(t, "needs root to mount")
	}
	w := newWorld(t)
	s := w.start("alice")
	at := tmuxtest.Dir(t, tmuxtest.Account{})
	if err := unix.Mount(w.opt.Run+"/servers/"+s.kept.ID, at, "", unix.MS_BIND, ""); err != nil {
		tmuxtest.Skip(t, "this machine does not let root mount: %v", err)
	}
	defer func() {
		if err := unix.Unmount(at, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	}()
	w.heard("is mounted at", at)
}

// changeRecord changes what is written down about a server.
func changeRecord(t *testing.T, path string, change func(map[string]any)) {
	t.Helper()
	var rec map[string]any
	data, err := os.ReadFile(path)
	if err == nil {
		d := json.NewDecoder(bytes.NewReader(data))
		d.UseNumber()
		err = d.Decode(&rec)
	}
	if err != nil {
		t.Fatal(err)
	}
	change(rec)
	if data, err = json.Marshal(rec); err == nil {
		err = os.WriteFile(path, data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("server set-clipboard on\nsession $1\npane %1 @1 0 1 \nclient 12 x y\ncommand-alias[0] \"a=b\"\nroot (W)\n"))
	f.Add([]byte("pane %1 @1;x 0 1 \nafter-x[0] a b\nafter-y\nx\nx\nx\nafter-x[1] c\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		in := parseInspection(data)
		for _, p := range in.places() {
			if at := p.asks[0][len(p.asks[0])-1]; strings.ContainsAny(at, ";\n ") {
				t.Errorf("%q is no place", at)
			}
		}
		l := &hookLook{what: "hooks", read: map[string]bool{}}
		l.answer(data, in.places(), slices.Repeat([]string{"x"}, len(in.places())))
		for _, r := range l.found {
			if !l.read[r.hook.place] {
				t.Errorf("%q is of a place that was not read", r.text)
			}
		}
		_ = shadowed(tmux.ParseOptions{Version: tmux.Reference(), Aliases: tmux.ParseAliases(string(data), tmux.Reference())})
	})
}
