package attack

import (
	"os"
	"strings"
	"testing"

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
	v := b.Terminal(viewer, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/other")
	v.WaitFor("[other]")
	c := b.Terminal(typist, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/shared")
	c.WaitFor("recording")
	for range soak.N(20, 2) {
		before := "b" + randomWord()
		c.Type(before)
		b.arrived(before)
		fill(t, disk)
		// Some room was set aside for the log before.
		for range 2000 {
			if b.Tmux(owner, "send-keys", "-t", "shared:0.1", "-l", strings.Repeat("x", 2000)).Code != 0 {
				break
			}
		}
		b.turnsRed("cannot be written")
		r := b.Tmux(owner, "new-window", "-d", "-t", "other", "cat")
		if r.Code == 0 || !strings.Contains(r.Err, "recorded") {
			t.Errorf("a command on a full disk: %+v", r)
		}
		frozen := "f" + randomWord()
		c.Type(frozen)
		c.WaitFor("not typed")
		news := "n" + randomWord()
		b.server.Run("rename-window", "-t", "other:0", news)
		v.WaitFor(news) // views stay
		if c.Exited() || v.Exited() {
			t.Error("somebody was thrown out")
		}
		if err := os.Remove(disk + "/filler"); err != nil {
			t.Fatal(err)
		}
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
