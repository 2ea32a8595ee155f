package attack

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/soak"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// editor draws on the alternate screen, with mouse and paste mode, and stays.
const editor = `printf '\033[?1049h\033[?1003h\033[?2004h\033[?1004hEDITOR'; exec cat`

// muxward itself is killed, kill -9, at random moments while people work. No
// tmux server and no program may notice, nobody may get in meanwhile, every
// terminal must be as it was before people attached, after a restart everybody
// attaches again, who was revoked stays out, and the log verifies.
func TestF01MuxwardKilled(t *testing.T) {
	b := lay(t, host.Config{})
	b.Must(owner, "new-window", "-d", "-t", "other", "-n", "ed", editor)
	b.pids = b.alivePIDs()
	if r := b.Muxward(root, "revoke", stranger, "--reason", "before the fault"); r.Code != 0 {
		t.Fatalf("%+v", r)
	}
	for range soak.N(1000, 10) {
		a := b.Terminal(owner, tmuxtest.TerminalConfig{}, "attach", "-t", "other:ed")
		a.WaitFor("EDITOR")
		c := b.Terminal(typist, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/shared")
		c.WaitFor("recording")
		v := b.Terminal(viewer, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/other")
		v.WaitFor("[other]")
		c.Type("before")
		pause(time.Duration(rand.IntN(20_000)) * time.Microsecond)
		b.Kill()
		for _, x := range []*tmuxtest.Terminal{a, c, v} {
			x.ExitCode()
			sane(t, x)
			x.Close()
		}
		b.Tmux(stranger, "new-session", "-d")
		// tmux's own start may take a moment to fail.
		tmuxtest.Eventually(t, func() bool { return servers(t, stranger) == 0 }, "no server was started at the dead door")
		b.kept()
		restart := time.Now()
		b.Run()
		c = b.Terminal(typist, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/shared")
		c.WaitFor("recording")
		inTime(t, restart, 3*time.Second, "attached again after the restart")
		again := "again" + randomWord()
		c.Type(again)
		b.arrived(again)
		c.Close()
		if r := b.Tmux(stranger, "new-session", "-d"); r.Code == 0 {
			t.Error("who was revoked is let in after a restart")
		}
	}
	b.VerifyAudit()
}

// servers counts the tmux servers that run as an account here: other packages' tests,
// which run beside these, have accounts of the same numbers in mount namespaces of
// their own.
func servers(t *testing.T, who string) (n int) {
	t.Helper()
	uid := int(tmuxtest.As(t, who).UID)
	here, err := os.Readlink("/proc/self/ns/mnt")
	if err != nil {
		t.Fatal(err)
	}
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		if there, err := os.Readlink(dir + "/ns/mnt"); err != nil || there != here {
			continue // elsewhere, or gone
		}
		status, err := os.ReadFile(dir + "/status")
		if err == nil && field(status, "Uid:") == uid && bytes.HasPrefix(status, []byte("Name:\ttmux: server")) &&
			!bytes.Contains(status, []byte("\nState:\tZ")) {
			n++
		}
	}
	return n
}

func randomWord() string {
	word := make([]byte, 8)
	for i := range word {
		word[i] = byte('a' + rand.IntN(26))
	}
	return string(word)
}

// The control run: with the keeper killed first, terminals are left as they
// are, so that what the test looks at is the keeper's work.
func TestF01ControlWithoutKeeper(t *testing.T) {
	b := lay(t, host.Config{})
	b.Must(owner, "new-window", "-d", "-t", "other", "-n", "ed", editor)
	a := b.Terminal(owner, tmuxtest.TerminalConfig{}, "attach", "-t", "other:ed")
	a.WaitFor("EDITOR")
	keeper := childOf(t, b.PID(), "keeper")
	signal(t, b.PID(), sigStop) // it would start another
	signal(t, keeper, sigKill)
	b.Kill()
	a.ExitCode()
	if left := insane(a); len(left) == 0 {
		t.Error("without the keeper the terminal is sane as well: this is no test")
	}
}
