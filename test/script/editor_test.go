package script

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/attach/attachtest"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// TestKilledUnderAnEditor: alice edits a file with vi, mouse and all, bob
// watches, and muxward is killed with -9, in the middle of a line. Both
// terminals are as a shell left them. After the restart vi is where it was,
// and what she types then is the end of that line.
func TestKilledUnderAnEditor(t *testing.T) {
	if _, err := exec.LookPath("vi"); err != nil {
		tmuxtest.Skip(t, "needs vi; kill9.txtar does it with a program that only looks like an editor")
	}
	h := host.Start(t, host.Config{
		TmuxConf: "set -g mouse on\nset -g focus-events on\nset -g extended-keys on\n",
		Policy:   map[string]string{"grants.yaml": shared},
	})
	file := tmuxtest.Dir(t, tmuxtest.As(t, host.Alice)) + "/text"
	h.Must(host.Alice, "new-session", "-d", "-x", "80", "-y", "24", "-s", "work", "vi -u NONE -N -i NONE -n "+file)
	open := func(who, target string) *tmuxtest.Terminal {
		x := h.Terminal(who, tmuxtest.TerminalConfig{}, "attach", "-t", target)
		x.WaitFor("~")
		return x
	}
	a, b := open(host.Alice, "work"), open(host.Bob, "mwalice/work")
	a.Type(":set showmode mouse=a\r")
	a.Type("ihalf a line, ")
	a.WaitFor("half a line,")
	b.WaitFor("half a line,")
	a.WaitFor("INSERT")
	if left := leftOn(a); len(left) < 3 {
		t.Fatalf("control run: under the editor only %v is on", left)
	}
	h.Kill()
	for who, x := range map[string]*tmuxtest.Terminal{"alice": a, "bob": b} {
		if code := x.ExitCode(); code != 1 {
			t.Errorf("%s's client exits %d", who, code)
		}
		var left []string
		tmuxtest.Eventually(t, func() bool { left = leftOn(x); return len(left) == 0 }, "%s's terminal is sane, not %v", who, left)
		if x.Contains("half a line") {
			t.Errorf("%s's screen still shows the editor:\n%s", who, strings.Join(x.Screen(), "\n"))
		}
	}
	h.Run()
	a = open(host.Alice, "work")
	a.WaitFor("half a line,")
	a.Type("and its end\x1b:wq\r")
	a.ExitCode() // the session has ended with the editor
	if text, err := os.ReadFile(file); err != nil || string(text) != "half a line, and its end\n" {
		t.Errorf("the file has %q, %v", text, err)
	}
	h.VerifyAudit()
}

// leftOn lists what a program left on at a terminal that was not on before.
func leftOn(x *tmuxtest.Terminal) []string {
	left := attachtest.Emulate(x.Bytes()).Left()
	if x.Termios() != x.First() {
		left = append(left, "the terminal's own modes")
	}
	return left
}
