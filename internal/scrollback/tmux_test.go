package scrollback_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/attach/attachtest"
	"github.com/muxward/muxward/internal/scrollback"
	"github.com/muxward/muxward/internal/soak"
	"github.com/muxward/muxward/internal/tmux"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

func TestMain(m *testing.M) { os.Exit(tmuxtest.Main(m)) }

const separators = "!\"#$%&'()*+,-./:;<=>?@[\\]^`{|}~"

// text is what the panes of these tests have printed: words, brackets, blank and
// wrapped lines, characters that are wide or combine, colours.
func text() string {
	var b strings.Builder
	for i := range 60 {
		switch i % 12 {
		case 0:
			fmt.Fprintf(&b, "line %d: alpha beta.gamma(delta) [x{y}z] end\n", i)
		case 1:
			b.WriteString("\n")
		case 2:
			fmt.Fprintf(&b, "   indented %s tail\n", strings.Repeat("word-wrap ", 8))
		case 3:
			fmt.Fprintf(&b, "\x1b[31;1mred %d\x1b[0m and \x1b[44mblue\x1b[0m Alpha\n", i)
		case 4:
			b.WriteString("wide 世界 and é e\u0301 combined\n")
		case 5:
			b.WriteString("func f(a [3]int) {\n\treturn (a[0])\n")
		case 6:
			b.WriteString("}\n\n\n")
		case 7:
			b.WriteString(strings.Repeat("0123456789", 4) + "\n") // just as wide as the pane
		case 8:
			b.WriteString("a\n")
		case 9:
			b.WriteString(strings.Repeat("x", 39) + "世界 alpha\n") // a wide one does not fit
		case 10:
			b.WriteString("trailing   blanks      \n")
		default:
			fmt.Fprintf(&b, "== %d == /usr/local/bin alpha-%d\n", i, i)
		}
	}
	return b.String() + "$ prompt"
}

// bench is a real pane, and what it has captured.
type bench struct {
	s      *tmuxtest.Server
	target string
	cap    scrollback.Capture
	x, y   int
}

func newBench(t *testing.T) *bench {
	t.Helper()
	file := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(file, []byte(text()), 0o644); err != nil {
		t.Fatal(err)
	}
	b := &bench{s: tmuxtest.Start(t, tmuxtest.Config{}), target: "=t:"}
	b.s.Run("set-option", "-g", "word-separators", separators)
	b.s.Run("new-session", "-d", "-s", "t", "-x", "40", "-y", "13", "cat '"+file+"'; exec sleep 1000")
	b.s.Run("set-option", "-t", "t", "status", "off")
	tmuxtest.Eventually(t, func() bool {
		return strings.Contains(b.s.Run("capture-pane", "-p", "-t", b.target), "$ prompt")
	}, "the pane has printed its text")
	b.capture(t)
	return b
}

func (b *bench) capture(t *testing.T) {
	t.Helper()
	size := strings.Fields(b.s.Run("display-message", "-p", "-t", b.target,
		"#{pane_width} #{pane_height} #{cursor_x} #{cursor_y} #{history_size}"))
	n := make([]int, 5)
	for i := range n {
		n[i], _ = strconv.Atoi(size[i])
	}
	b.cap = scrollback.Capture{Width: n[0], Height: n[1], History: n[4],
		Text:   b.s.Run("capture-pane", "-p", "-e", "-N", "-S", "-", "-t", b.target),
		Joined: b.s.Run("capture-pane", "-p", "-J", "-S", "-", "-t", b.target)}
	b.x, b.y = n[2], n[3]
}

// step is one command of copy mode.
type step struct {
	name  string
	count int
	arg   string
}

func (s step) String() string { return fmt.Sprintf("%s*%d(%s)", s.name, s.count, s.arg) }

func (s step) argv(target string) []string {
	argv := []string{"send-keys", "-t", target, "-X", "-N", strconv.Itoa(s.count), s.name}
	if s.arg != "" {
		argv = append(argv, s.arg)
	}
	return argv
}

// steps of tmux as one line each: where the cursor is, and how far it is
// scrolled; at the end what a copy copies.
func (b *bench) tmux(vi bool, steps []step) []string {
	mode := "emacs"
	if vi {
		mode = "vi"
	}
	argv := []string{"set-option", "-g", "mode-keys", mode, ";", "copy-mode", "-q", "-t", b.target, ";",
		"copy-mode", "-t", b.target, ";"}
	for _, s := range steps {
		argv = append(argv, s.argv(b.target)...)
		argv = append(argv, ";", "display-message", "-p", "-t", b.target,
			"#{copy_cursor_x} #{copy_cursor_y} #{scroll_position}", ";")
	}
	argv = append(argv, "set-buffer", "nothing", ";", "send-keys", "-t", b.target, "-X", "copy-selection-no-clear")
	out := b.s.Run(argv...) + b.s.Run("show-buffer")
	return strings.Split(strings.TrimRight(out, "\n"), "\n")
}

// ours is what the private view makes of the same.
func (b *bench) ours(t *testing.T, vi bool, steps []step) []string {
	t.Helper()
	c, err := scrollback.Parse(b.cap)
	if err != nil {
		t.Fatal(err)
	}
	v := scrollback.New(c, scrollback.Settings{Vi: vi, Wrap: true, Separators: separators}, b.x, b.y)
	var out []string
	for _, s := range steps {
		v.Do(s.name, s.count, s.arg)
		x, y := v.Cursor()
		back, of := v.Position()
		out = append(out, fmt.Sprintf("%d %d %d", x, y-(of-back), back))
		if err := attachtest.Judge(v.Draw(scrollback.Frame{Left: 1, Cols: 60, Rows: 14, Colours: 256})); err != nil {
			t.Errorf("after %v: a guest's terminal may not get what is drawn: %v", s, err)
		}
	}
	copied := v.Do("copy-selection-no-clear", 1, "")
	if !copied.Copy {
		copied.Text = "nothing"
	}
	return append(out, strings.Split(strings.TrimRight(copied.Text, "\n"), "\n")...)
}

func (b *bench) compare(t *testing.T, vi bool, steps []step) bool {
	t.Helper()
	want, got := b.tmux(vi, steps), b.ours(t, vi, steps)
	for i := range max(len(want), len(got)) {
		var w, g string
		if i < len(want) {
			w = want[i]
		}
		if i < len(got) {
			g = got[i]
		}
		if i < len(steps) && strings.Contains(w, " 13 ") {
			return true // tmux has lost its cursor below the screen
		}
		if w != g {
			at := min(i, len(steps)-1)
			t.Errorf("vi %v, %v\nafter %v (%d of %d): tmux has %q, we have %q", vi, steps, steps[at], i+1, len(steps), w, g)
			return false
		}
	}
	return true
}

// TestSameAsCopyMode does the same commands here and in the copy mode of a real
// pane: the cursor is at the same place after each of them, and the same is
// copied.
func TestSameAsCopyMode(t *testing.T) {
	b := newBench(t)
	if v := strings.TrimSpace(b.s.Run("display-message", "-p", "#{version}")); !strings.HasPrefix(v, "3.3") {
		tmuxtest.Skip(t, "the corners of copy mode are those of tmux 3.3, this is %s", v)
	}
	for _, vi := range []bool{true, false} {
		for _, group := range [][]string{moving, wording, selecting, finding, everything()} {
			for seed := range soak.N(1500, 15) {
				r := rand.New(rand.NewPCG(uint64(seed), uint64(len(group))))
				if !b.compare(t, vi, random(r, group)) {
					break
				}
			}
		}
	}
}

var (
	moving = []string{
		"cursor-up", "cursor-down", "cursor-left", "cursor-right", "start-of-line", "end-of-line", "back-to-indentation",
		"top-line", "middle-line", "bottom-line", "history-top", "history-bottom", "page-up", "page-down", "halfpage-up",
		"halfpage-down", "scroll-up", "scroll-down", "goto-line", "set-mark", "jump-to-mark",
	}
	wording = []string{
		"next-word", "next-space", "next-word-end", "next-space-end", "previous-word", "previous-space", "next-paragraph",
		"previous-paragraph", "jump-forward", "jump-backward", "jump-to-forward", "jump-to-backward", "jump-again",
		"jump-reverse", "next-matching-bracket", "previous-matching-bracket", "cursor-up", "page-up",
	}
	selecting = []string{
		"begin-selection", "select-line", "select-word", "clear-selection", "stop-selection", "other-end",
		"rectangle-toggle", "cursor-up", "cursor-down", "cursor-left", "cursor-right", "next-word", "page-up",
		"end-of-line", "start-of-line", "previous-word", "next-word-end",
	}
	finding = []string{
		"search-forward", "search-backward", "search-forward-text", "search-backward-text", "search-again",
		"search-reverse", "cursor-up", "page-up", "cursor-left",
	}
)

func everything() []string {
	var all []string
	for _, g := range [][]string{moving, wording, selecting, finding} {
		all = append(all, g...)
	}
	return all
}

func random(r *rand.Rand, group []string) []step {
	steps := []step{{"history-top", 1, ""}, {"cursor-down", 1 + r.IntN(20), ""}}
	if r.IntN(3) == 0 {
		steps = []step{{"page-up", 1 + r.IntN(4), ""}}
	}
	searched := false
	for range 12 {
		s := step{group[r.IntN(len(group))], 1, ""}
		if r.IntN(4) == 0 {
			s.count = 1 + r.IntN(4)
		}
		switch {
		case s.name == "jump-to-mark": // takes nothing
		case strings.HasPrefix(s.name, "jump-") && s.name != "jump-again" && s.name != "jump-reverse":
			s.arg = []string{"a", "e", "x", "世"}[r.IntN(4)]
		case s.name == "goto-line":
			s.arg = strconv.Itoa(r.IntN(90) - 1)
		case strings.HasPrefix(s.name, "search-") && s.name != "search-again" && s.name != "search-reverse":
			s.arg = []string{"alpha", "Alpha", "e", "nowhere", "世", "rap word", "==", "0123"}[r.IntN(8)]
		}
		if strings.HasPrefix(s.name, "search-") {
			if s.arg == "" && !searched { // the pane knows of what was searched for before
				s.name, s.arg = "search-backward", "alpha"
			}
			searched = true
		}
		steps = append(steps, s)
	}
	return steps
}

// TestWideAsTmux: a character takes as many columns as it does in tmux, in all of its
// versions.
func TestWideAsTmux(t *testing.T) {
	s := tmuxtest.Start(t, tmuxtest.Config{})
	s.Run("new-session", "-d", "-s", "t", "exec sleep 1000")
	characters := []rune("aé世⌚⏩⏱▶◽☔♿⚓⚠⚡⚽✅✈✨❌❓➕➰⬛⭐🀄🆎🌀🌡🌭🌶🎔🏳🏴👁📽🕯🖤🗺🛋🛒🛠🛩🛴🟠🤌🪐")
	for chunk := range slices.Chunk(characters, 20) {
		var argv []string
		format := ""
		for i, c := range chunk {
			argv = append(argv, "set-option", "-g", fmt.Sprint("@c", i), string(c), ";")
			format += fmt.Sprintf("#{w:@c%d} ", i)
		}
		widths := strings.Fields(s.Run(append(argv, "display-message", "-p", format)...))
		for i, c := range chunk {
			if ours := strconv.Itoa(tmux.RuneWidth(c)); i >= len(widths) || ours != widths[i] {
				t.Errorf("%c (%U) takes %s columns here, of %v in tmux", c, c, ours, widths)
			}
		}
	}
}
