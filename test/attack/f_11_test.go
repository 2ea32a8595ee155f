package attack

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/soak"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// The disk under the state directory fills up. New commands are refused with
// that reason, typing is frozen, status is red, views stay, and everything
// goes on by itself once there is room; there is never half a record. Without
// the filler, which is the control run at each round's end, the same commands
// work.
func TestF11DiskFull(t *testing.T) {
	disk := mounted(t, "size=16m,mode=0711")
	b := lay(t, host.Config{State: disk + "/state"})
	b.fillsUp(func() (free func()) {
		fill(t, disk)
		return func() { remove(t, disk+"/filler") }
	})
}

// fillsUp has full take all room for the log, and its free give it back, again and
// again while people work.
func (b *bed) fillsUp(full func() (free func())) {
	t := b.t
	t.Helper()
	v := b.Terminal(viewer, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/other")
	v.WaitFor("[other]")
	c := b.Terminal(typist, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/shared")
	c.WaitFor("recording")
	for range soak.N(20, 2) {
		before := "b" + randomWord()
		c.Type(before)
		b.arrived(before)
		free := full()
		// Some room was set aside for the log before. It takes 12 KiB of a command.
		for range 500 {
			if b.Tmux(owner, "send-keys", "-t", "shared:0.1", "-l", strings.Repeat("x", 12<<10)).Code != 0 {
				break
			}
		}
		b.turnsRed("cannot be written")
		r := b.Tmux(owner, "new-window", "-d", "-t", "other", "cat")
		if r.Code == 0 || !strings.Contains(r.Err, "recorded") {
			t.Errorf("a command on a full disk: %+v", r)
		}
		if r := b.Muxward(owner, "lockdown", "--list"); r.Code != 0 {
			t.Errorf("what is locked down is not told on a full disk: %+v", r)
		}
		frozen := "f" + randomWord()
		typed := time.Now()
		c.Type(frozen)
		c.WaitTold("not typed")
		inTime(t, typed, time.Second, "refused on a full disk")
		news := "n" + randomWord()
		b.server.Run("rename-window", "-t", "other:0", news)
		v.WaitFor(news) // views stay
		if c.Exited() || v.Exited() {
			t.Error("somebody was thrown out")
		}
		free()
		b.turnsGreen()
		after := "a" + randomWord()
		tmuxtest.Eventually(t, func() bool {
			return b.Tmux(owner, "send-keys", "-t", "shared:0.0", "-l", after).Code == 0
		}, "commands work again")
		b.arrived(after)
		if strings.Contains(string(b.rec.Bytes()), frozen) {
			t.Error("what could not be recorded was typed")
		}
	}
	b.kept()
	b.VerifyAudit()
}

// The file systems of the doors and of temporary files fill up, bytes and
// inodes, while the log can be written. Who is there works on and others come
// in. A server for somebody new cannot be started, which is said, and leaves
// nothing behind; a door that is destroyed cannot be made anew, which is told
// again and again until it can. muxward killed at that moment keeps what runs.
// With room again, which is the control run, all of that works by itself. It
// was seen to fail with servers adopted at the start only.
func TestF11RunFull(t *testing.T) {
	run, tmp := mounted(t, "size=4m,nr_inodes=300,mode=0755"), mounted(t, "size=1m,nr_inodes=20,mode=01777")
	b := lay(t, host.Config{Doors: run + "/d", Env: []string{"TMPDIR=" + tmp}})
	c := b.Terminal(typist, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/shared")
	c.WaitFor("recording")
	for round := range soak.N(20, 2) {
		free := func() {}
		for _, disk := range []string{run, tmp} {
			fill(t, disk)
			made := fillInodes(t, disk)
			before := free
			free = func() { before(); remove(t, append(made, disk+"/filler")...) }
		}
		word := fmt.Sprintf("full%d.", round)
		c.Type(word)
		b.arrived(word)
		v := b.Terminal(viewer, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/shared")
		v.WaitFor("recording")
		b.Must(owner, "new-window", "-d", "-t", "other", "-n", "more", "cat")
		b.Must(owner, "kill-window", "-t", "other:more")
		servers := b.servers()
		r := b.Tmux(stranger, "new-session", "-d", "-s", "mine", "cat")
		if r.Code == 0 || !strings.Contains(r.Err, "no space left") {
			t.Errorf("a server for somebody new: %+v", r)
		}
		if now := b.servers(); now != servers {
			t.Errorf("it left something behind: %s, before %s", now, servers)
		}
		door := fmt.Sprintf("%s/tmux-%d", b.Doors, tmuxtest.As(t, stranger).UID)
		if err := os.Rename(door, door+".gone"); err != nil {
			t.Fatal(err)
		}
		b.alarmed("could not be put right")
		leave(v)
		if round%2 == 1 {
			b.Kill()
			err := b.TryRun() // it may have to wait for room
			if !strings.Contains(b.Output(), "no space left") {
				t.Errorf("it does not say what is wrong: %s", b.Output())
			}
			free()
			free = func() {}
			if err != nil {
				b.Run()
			}
			tmuxtest.Eventually(t, func() bool { return b.Tmux(typist, "ls").Code == 0 },
				"the doors are opened once there is room; muxward says:\n%s", b.Output())
			c = b.Terminal(typist, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/shared")
			c.WaitFor("recording")
		}
		free()
		tmuxtest.Eventually(t, func() bool { return b.Tmux(stranger, "new-session", "-d", "-s", "mine", "cat").Code == 0 },
			"the door is made anew and a server starts; muxward says:\n%s", b.Output())
		b.Must(stranger, "kill-server")
		tmuxtest.Eventually(t, func() bool { return b.servers() == servers }, "what a server left is removed")
		if err := os.RemoveAll(door + ".gone"); err != nil {
			t.Error(err)
		}
		b.turnsGreen()
	}
	b.kept()
	b.VerifyAudit()
}

// servers lists what there is of guarded servers on disk.
func (b *bed) servers() string {
	b.t.Helper()
	run, err := filepath.Glob(b.Doors + "/run/servers/*")
	if err != nil {
		b.t.Fatal(err)
	}
	inner, err := filepath.Glob(b.Doors + "/in-*")
	if err != nil {
		b.t.Fatal(err)
	}
	return strings.Join(append(run, inner...), " ")
}

// fillInodes leaves no inode of a file system free, and gives the files.
func fillInodes(t *testing.T, disk string) (made []string) {
	t.Helper()
	for i := 0; ; i++ {
		name := fmt.Sprintf("%s/filler-%d", disk, i)
		if err := os.WriteFile(name, nil, 0o600); errors.Is(err, unix.ENOSPC) {
			return made
		} else if err != nil {
			t.Fatal(err)
		}
		made = append(made, name)
	}
}

func remove(t *testing.T, files ...string) {
	t.Helper()
	for _, name := range files {
		if err := os.Remove(name); err != nil {
			t.Error(err)
		}
	}
}

// fill leaves no byte of a file system free.
func fill(t *testing.T, disk string) {
	t.Helper()
	f, err := os.Create(disk + "/filler")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := int64(1 << 20); size > 0; {
		end, err := f.Seek(0, 2)
		if err != nil {
			t.Fatal(err)
		}
		if unix.Fallocate(int(f.Fd()), 0, end, size) != nil {
			size /= 2
		} else if _, err := f.Seek(end+size, 0); err != nil {
			t.Fatal(err)
		}
	}
}
