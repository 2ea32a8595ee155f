package attack

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// hostileNames look like protocol, like lines of a list, like JSON, like
// sequences, or are just too much.
func hostileNames() []string {
	return []string{
		"a\n%exit forged", "b\n$9: forged", "c\x1b]52;c;TUFSSw==\x07\x1b[2J", "d\xff\xfe\xc0\xaf", `e"{'}; run-shell`, "f\u202etxt\u2066",
		"g#{pid}#(touch x)#[fg=red]", "h\r\n%begin 1 2 3", `i","person":"root"},{"x":"` + "\u0085\u009b5i", "j\t\x7f\x08", "k\x00"[:1] + "\u2028\u2029",
		"l" + strings.Repeat("\U0001f468\u200d", 30), "m" + strings.Repeat("x", 64<<10),
	}
}

// A program chooses names that look like protocol, like lines of a list or
// like escape sequences: of its directory, its title, its window, its own name
// and arguments. Whoever lists, at the door and with muxward's commands, and
// whoever reads the log, gets one line for each thing, sound JSON, and nothing
// for their terminal. The control run looks at what the kernel and tmux hold:
// the names are there.
func TestPN10HostileNames(t *testing.T) {
	t.Parallel()
	shownByPackage(t, "tmux.TestSnapshotWithHostileNames", "tmux/control.TestHostileDirectory", "audit.TestNastyStringsStayOneRecord")
	b := lay(t, host.Config{TmuxConf: "set -g allow-rename on\n"})
	panes := 1 + b.hostilePanes()
	sessions := b.hostileSessions()
	x := b.Terminal(viewer, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/other")
	x.WaitFor("[other]")
	for _, name := range hostileNames() {
		if !strings.Contains(name, "\x00") && len(name) < 60<<10 {
			b.Muxward(root, "revoke", "mwmallory", "--reason", name)
			b.Tmux(viewer, "kill-session", "-t", "mwalice/"+name)
		}
	}
	for _, format := range []string{
		"", "#{pane_id} #{pane_current_path}", "#{pane_title}", "#{pane_current_command}", "#{window_name}", "#{pane_start_command}",
		"#{session_name}|#{pane_title}|#{pane_current_path}|#{pane_current_command}|#{window_name}",
		"#{q:pane_title}#{b:pane_current_path}#{=9:pane_current_command}",
	} {
		args := []string{"list-panes", "-s", "-t", "mwalice/other"}
		if format != "" {
			args = append(args, "-F", format)
		}
		for _, who := range []string{viewer, root} { // who sees a session, and who holds every verb
			if who == root && format == "#{pane_start_command}" {
				continue // that is what the test itself wrote
			}
			b.lines(who, panes, args...)
		}
		if format != "" {
			b.lines(root, sessions, "list-sessions", "-F", format)
		}
	}
	for _, args := range [][]string{{"ls"}, {"who"}, {"audit", "query", "--state", b.State}, {"status"}} {
		what := strings.Join(args, " ")
		r := b.Muxward(root, args...)
		unescaped(t, what, r.Out+r.Err)
		out := b.Muxward(root, append(args, "--json")...).Out
		unescaped(t, what+" --json", out)
		soundJSON(t, what+" --json", out)
	}
	b.Must(viewer, "ls")
	b.VerifyAudit()
}

// hostilePanes opens a pane of session other for each name and each thing that
// a program can name.
func (b *bed) hostilePanes() (made int) {
	b.t.Helper()
	base := tmuxtest.Dir(b.t, tmuxtest.As(b.t, owner))
	scripts := tmuxtest.Dir(b.t, tmuxtest.Account{})
	names := hostileNames()
	var pids []string
	for i, name := range names {
		dir := base + "/" + name[:min(len(name), 250)]
		for len(name) > 250 && len(dir) < 3500 { // as deep as a path may go
			dir += "/" + name[:250]
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			b.t.Fatal(err)
		}
		// The program has the name as its title, its window's name, its
		// arguments and the name of its process.
		script := fmt.Sprintf("%s/%d", scripts, i)
		text := "n=" + shellQuoted(name) + "\nprintf '\\033]2;%s\\007\\033k%s\\033\\\\' \"$n\" \"$n\"\n" +
			"printf %s \"$n\" >/proc/$$/comm\nexec -a \"$n\" bash -c 'printf %s \"$1\" >/proc/$$/comm; while read -r l; do :; done' \"$n\" \"$n\"\n"
		if err := tmuxtest.WriteProgram(script, []byte(text), 0o755); err != nil {
			b.t.Fatal(err)
		}
		pids = append(pids, b.server.Run("new-window", "-d", "-P", "-F", "#{pane_pid}", "-t", "other", "-c", strings.ReplaceAll(dir, "#", "##"),
			"-n", "n"+strconv.Itoa(i), "exec bash "+script))
	}
	for i, pid := range pids {
		var got []byte
		tmuxtest.Eventually(b.t, func() bool {
			got, _ = os.ReadFile("/proc/" + pid + "/cmdline")
			return strings.HasPrefix(string(got), names[i]+"\x00")
		}, "control run: the program has the name %.40q, it has %.80q", names[i], clip(got))
	}
	if out := b.server.Run("list-panes", "-s", "-t", "other", "-F", "#{pane_current_path}"); !strings.Contains(out, "forged") {
		b.t.Errorf("control run: tmux holds no hostile names: %q", out)
	}
	return len(names)
}

// hostileSessions makes sessions with such names, as far as tmux takes them.
func (b *bed) hostileSessions() int {
	b.t.Helper()
	for _, name := range hostileNames() {
		// Some versions take some of them, and store them in their own way.
		_, _ = b.server.Try("new-session", "-d", "-s", strings.ReplaceAll(name[:min(len(name), 4096)], "#", "##"), "cat")
	}
	return strings.Count(b.server.Run("list-sessions", "-F", "x"), "x")
}

// lines has somebody list, and fails unless there are that many lines that are
// harmless to look at.
func (b *bed) lines(who string, want int, args ...string) {
	b.t.Helper()
	r := b.Tmux(who, args...)
	out := strings.TrimSuffix(r.Out, "\n")
	if n := strings.Count(out, "\n") + 1; n != want || r.Code != 0 {
		b.t.Errorf("%s: %q: exit %d, %d lines, want %d: %.400q %s", who, args, r.Code, n, want, out, r.Err)
	}
	unescaped(b.t, fmt.Sprintf("%s: %q", who, args), out)
}

// shellQuoted is a string as a shell writes it.
func shellQuoted(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// unescaped fails if text would do more to a terminal than be shown.
func unescaped(t *testing.T, what, text string) {
	t.Helper()
	if !utf8.ValidString(text) {
		t.Errorf("%s: is not UTF-8", what)
	}
	for i, r := range text {
		if r < ' ' && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			t.Errorf("%s: has %U: %q", what, r, text[max(0, i-40):min(len(text), i+40)])
			return
		}
	}
}

// soundJSON fails unless text is JSON values and nothing else, and no object
// names a thing twice.
func soundJSON(t *testing.T, what, text string) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	values := 0
	for d.More() {
		var v any
		if err := d.Decode(&v); err != nil {
			t.Errorf("%s: value %d: %v", what, values, err)
			return
		}
		values++
	}
	if values == 0 || strings.TrimSpace(text[d.InputOffset():]) != "" {
		t.Errorf("%s: %d values, then %q", what, values, clip([]byte(text[d.InputOffset():])))
	}
	if strings.Contains(text, `"person":"root"},{"x"`) {
		t.Errorf("%s: a name became an object", what)
	}
}
