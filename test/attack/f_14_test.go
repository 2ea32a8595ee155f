package attack

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// The file system has no inode left. A revocation, which is a new file renamed
// into place, cannot be kept: it holds all the same, and whoever asked for it
// hears that it would not survive a restart. With inodes again, it does; that
// is the control run. (A quota and renames that fail are below; a log that can begin
// no new file is shown below the whole program.)
func TestF14NoInodes(t *testing.T) {
	shownByPackage(t, "audit.TestRealDisks", "audit.TestRotationThatFailsGoesOn")
	disk := mounted(t, "nr_inodes=64,mode=0711")
	b := lay(t, host.Config{State: disk + "/state"})
	c := b.Terminal(typist, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/shared")
	c.WaitFor("recording")
	var made []string
	for i := 0; ; i++ {
		name := fmt.Sprintf("%s/filler-%d", disk, i)
		if err := os.WriteFile(name, nil, 0o600); errors.Is(err, unix.ENOSPC) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		made = append(made, name)
	}
	r := b.Muxward(root, "revoke", typist, "--reason", "no inodes")
	if r.Code == 0 || !strings.Contains(r.Err, "would not survive a restart") {
		t.Errorf("revoke: %+v", r)
	}
	c.ExitCode()
	before := b.rec.Len()
	if b.Tmux(typist, "send-keys", "-t", "mwalice/shared:0.0", "x").Code == 0 || b.rec.Len() != before {
		t.Error("a revocation that cannot be kept does not hold")
	}
	for _, name := range made {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	b.turnsGreen()
	tmuxtest.Eventually(t, func() bool {
		return b.Muxward(root, "revoke", typist, "--reason", "room again").Code == 0
	}, "it can be revoked for good")
	b.Kill()
	b.Run()
	if b.Tmux(typist, "send-keys", "-t", "mwalice/shared:0.0", "x").Code == 0 {
		t.Error("the revocation did not survive")
	}
	b.VerifyAudit()
}

// There is room, and none for a name: each rename fails, and nothing else does. Who is
// there works on, as the log takes what comes. A revocation that cannot be kept holds
// all the same and is told, a server for somebody new cannot be started and leaves
// nothing behind, and a door that is destroyed is told of until it can be made anew.
// Afterwards, which is the control run, all of that works.
//
// It was seen to fail with the error of the rename of the revocations ignored.
func TestF14NoRoomForNames(t *testing.T) {
	r := &asked{t: t, calls: []int{unix.SYS_RENAMEAT, unix.SYS_RENAMEAT2}, fails: func(*question) unix.Errno { return unix.ENOSPC }}
	b := lay(t, host.Config{Change: r.change})
	c := b.Terminal(typist, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/shared")
	c.WaitFor("recording")
	v := b.Terminal(viewer, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/other")
	v.WaitFor("[other]")
	servers := b.servers()
	r.on.Store(true)

	c.Type("typed-on")
	b.arrived("typed-on")
	news := "n" + randomWord()
	b.Must(owner, "rename-window", "-t", "other:0", news)
	v.WaitFor(news)
	if res := b.Muxward(root, "revoke", typist, "--reason", "no room"); res.Code == 0 || !strings.Contains(res.Err, "would not survive a restart") {
		t.Errorf("revoke: %+v", res)
	}
	c.ExitCode()
	before := b.rec.Len()
	if b.Tmux(typist, "send-keys", "-t", "mwalice/shared:0.0", "x").Code == 0 || b.rec.Len() != before {
		t.Error("a revocation that cannot be kept does not hold")
	}
	if res := b.Tmux(stranger, "new-session", "-d", "-s", "mine", "cat"); res.Code == 0 || !strings.Contains(res.Err, "no space left") {
		t.Errorf("a server for somebody new: %+v", res)
	}
	if now := b.servers(); now != servers {
		t.Errorf("it left something behind: %s, before %s", now, servers)
	}
	if err := os.Remove(doorOf(b, stranger)); err != nil {
		t.Fatal(err)
	}
	b.alarmed("could not be put right")
	if r.met.Load() == 0 {
		t.Error("control run: no rename has failed, this is no test")
	}
	r.on.Store(false)

	tmuxtest.Eventually(t, func() bool { return b.Muxward(root, "revoke", typist, "--reason", "room again").Code == 0 }, "it can be revoked for good")
	tmuxtest.Eventually(t, func() bool { return b.logs("door", "put right") > 0 }, "the door is made anew; muxward says:\n%s", b.Output())
	b.Must(stranger, "new-session", "-d", "-s", "mine", "cat")
	b.Must(stranger, "kill-server")
	b.turnsGreen()
	b.Kill()
	b.Run()
	if b.Tmux(typist, "send-keys", "-t", "mwalice/shared:0.0", "x").Code == 0 {
		t.Error("the revocation did not survive")
	}
	b.kept()
	b.VerifyAudit()
}

// The account that muxward runs as has used up its quota: nothing more of the log is
// written, though there is room on the disk. That is a full disk: see F-11.
func TestF14Quota(t *testing.T) {
	state := tmuxtest.Dir(t, tmuxtest.Account{}) + "/state"
	r := &asked{t: t, calls: []int{unix.SYS_PWRITE64, unix.SYS_FALLOCATE}, fails: func(q *question) unix.Errno {
		path, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", q.pid, q.args[0]))
		if err != nil || !strings.HasPrefix(path, state+"/audit/") {
			return 0
		}
		return unix.EDQUOT
	}}
	b := lay(t, host.Config{State: state, Change: r.change})
	b.fillsUp(func() (free func()) {
		r.on.Store(true)
		return func() { r.on.Store(false) }
	})
	if r.met.Load() == 0 {
		t.Error("control run: no write has failed, this is no test")
	}
}
