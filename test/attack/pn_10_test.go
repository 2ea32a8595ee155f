package attack

import (
	"os"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// A program chooses names that look like protocol, like lines of a list or
// like escape sequences: of its directory, its title, its window, its own name.
// Whoever lists, at the door and with muxward's commands, and whoever reads the
// log, gets one line for each thing and nothing for their terminal. The control
// run looks at what tmux itself holds: the names are there.
func TestPN10HostileNames(t *testing.T) {
	shownByPackage(t, "tmux.TestSnapshotWithHostileNames", "tmux/control.TestHostileDirectory", "audit.TestNastyStringsStayOneRecord")
	b := lay(t, host.Config{TmuxConf: "set -g allow-rename on\n"})
	base := tmuxtest.Dir(t, tmuxtest.As(t, owner))
	names := []string{"a\n%exit forged", "b\n$9: forged", "c\x1b]52;c;TUFSSw==\x07", "d\xff\xfe", "e\"{'}; run-shell", "f\u202etxt",
		"g#{pid}#(touch x)", "h\r\n%begin 1 2 3", strings.Repeat("l", 250)}
	for i, name := range names {
		dir := base + "/" + name
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		b.server.Run("new-window", "-d", "-t", "other", "-c", strings.ReplaceAll(dir, "#", "##"), "-n", "n"+string(rune('a'+i)),
			`printf '\033]2;T\012\033[31m%%exit\007'; exec cat`)
	}
	if out := b.server.Run("list-panes", "-s", "-t", "other", "-F", "#{pane_current_path}"); !strings.Contains(out, "forged") {
		t.Errorf("control run: tmux holds no hostile names: %q", out)
	}
	want := len(names) + 1
	for _, format := range []string{"", "#{pane_id} #{pane_current_path}", "#{pane_title}|#{pane_current_command}", "#{window_name}"} {
		args := []string{"list-panes", "-s", "-t", "mwalice/other"}
		if format != "" {
			args = append(args, "-F", format)
		}
		out := b.Must(viewer, args...)
		if n := strings.Count(out, "\n") + 1; n != want {
			t.Errorf("%q: %d lines, want %d: %q", format, n, want, out)
		}
		unescaped(t, format, out)
	}
	for _, args := range [][]string{{"ls"}, {"who"}, {"audit", "query", "--state", b.State}, {"status"}} {
		unescaped(t, strings.Join(args, " "), b.Muxward(root, args...).Out)
	}
	b.Must(viewer, "ls")
	b.VerifyAudit()
}

// unescaped fails if text would do more to a terminal than be shown.
func unescaped(t *testing.T, what, text string) {
	t.Helper()
	for _, r := range text {
		if r < ' ' && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0 || r == '\u202e' {
			t.Errorf("%s: has %U: %q", what, r, clip([]byte(text)))
			return
		}
	}
}
