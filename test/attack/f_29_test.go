package attack

import (
	"os"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/soak"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// While people are attached the owner's tmux gets aliases that turn the
// commands muxward uses into others, and options that let programs talk to
// terminals. What a typist asks for is still what is done, or it is refused,
// and no other command runs in its place; who watches goes on watching. (The
// question by which muxward finds a new alias may run it once, as the owner
// who set it.) The control run asks the server itself: there the alias does
// run in the place of send-keys.
func TestF29OptionsChange(t *testing.T) {
	b := lay(t, host.Config{})
	canary := tmuxtest.Dir(t, tmuxtest.Account{})
	if err := os.Chmod(canary, 0o777); err != nil {
		t.Fatal(err)
	}
	caught := func() (n int) {

		files, err := os.ReadDir(canary)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if strings.HasPrefix(f.Name(), "caught-send-keys") {
				n++
			}
		}
		return n
	}
	v := b.Terminal(viewer, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/shared")
	v.WaitFor("recording")
	calm := b.resting()
	trap := "run-shell 'touch " + canary + "/caught-$$' ; display-message -p"
	for i := range soak.N(1000, 4) {
		for j, name := range []string{"send-keys", "list-clients", "if-shell", "display-message", "list-panes"} {
			b.server.Run("set", "-s", "command-alias["+string(rune('0'+j))+"]", name+"="+strings.ReplaceAll(trap, "$$", name+"-$$"))
		}
		b.server.Run("set", "-g", "set-clipboard", "on")
		word := "k" + randomWord()
		if r := b.Tmux(typist, "send-keys", "-t", "mwalice/shared:0.0", "-l", word); r.Code == 0 {
			b.arrived(word)
		}
		b.Must(viewer, "ls")
		if n := caught(); n != 0 {
			t.Fatalf("round %d: an alias ran %d commands", i, n)
		}
		b.server.Run("rename-window", "-t", "shared:0", word)
		v.WaitFor(word)
		b.server.Run("set", "-su", "command-alias")
		b.typed(typist, "u"+word)
	}
	b.server.Run("set", "-s", "command-alias[0]", "send-keys="+strings.ReplaceAll(trap, "$$", "send-keys"))
	b.server.Run("send-keys", "-t", "shared:0.0", "x")
	tmuxtest.Eventually(t, func() bool { return caught() > 0 }, "control run: asked of the server itself, the alias runs")
	if strings.Contains(string(v.Bytes()), "\x1b]52;") {
		t.Error("the viewer's clipboard was set")
	}
	b.server.Run("set", "-su", "command-alias")
	calm()
	b.VerifyAudit()
}
