package script

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/muxward/muxward/internal/tmux"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// odd is what a pane prints that not every terminal draws alike.
var odd = []string{
	"plain text, \x1b[1;31mred\x1b[0m and \x1b[7mreversed\x1b[0m",
	"to the left \u202e lautpecni \u202c and back",
	"zero\u200bwidth",
	"many marks e" + strings.Repeat("\u0301", 1000) + " on one",
	"a face 😀 behind which it goes on",
	strings.Repeat("x", 38) + "世界 wide at the edge",
	"tabs\tand\tmore\ttabs",
	"lines \x1b(0lqqk\x1b(B drawn",
}

// TestOwnPlaceLooksAsTmuxDraws: the picture of a person's own place has the same
// characters in the same columns as what tmux draws of that window, whatever is
// in it, and at whatever size their terminal is.
func TestOwnPlaceLooksAsTmuxDraws(t *testing.T) {
	tmuxtest.As(t, host.Alice) // skips where there are no accounts
	h := host.Start(t, host.Config{Policy: map[string]string{"grants.yaml": `grants:
  - {who: mwbob, verbs: [view, type], on: "mwalice/work:0", reason: a window}
  - {who: root, role: admin, on: "*", reason: runs it}
`}})
	file := filepath.Join(t.TempDir(), "odd")
	if err := os.WriteFile(file, []byte(strings.Join(odd, "\r\n")+"\r\nat the end\r\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for dir := filepath.Dir(file); len(dir) > 4; dir = filepath.Dir(dir) {
		_ = os.Chmod(dir, 0o755)
	}
	h.Must(host.Alice, "new-session", "-d", "-s", "work", "-x", "80", "-y", "23", "cat "+file+"; exec cat")
	h.Must(host.Alice, "split-window", "-d", "-h", "-t", "work:0", "cat "+file+"; exec cat")
	v, err := tmux.ParseVersion(strings.TrimSpace(h.Must(host.Alice, "display-message", "-p", "#{version}")))
	if err != nil {
		t.Fatal(err)
	}
	if v.AtLeast(tmux.Version{Major: 3, Minor: 7}) { // draws half of a wide character: see HACKING.md
		h.Must(host.Alice, "respawn-pane", "-k", "-t", "work:0.0", "cat "+file+"; exec cat")
	}
	h.Must(host.Alice, "new-window", "-d", "-t", "work:1", "cat")
	alice := h.Terminal(host.Alice, tmuxtest.TerminalConfig{}, "attach", "-t", "work")
	alice.WaitFor("at the end")
	bob := h.Terminal(host.Bob, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/work")
	bob.WaitFor("for mwbob alone")
	same := func(cols, rows int) func() bool {
		return func() bool { return slices.Equal(cut(alice.Screen(), cols, rows), cut(bob.Screen(), cols, rows)) }
	}
	compare := func(what string, cols, rows int) {
		t.Helper()
		tmuxtest.Eventually(t, same(cols, rows), "%s: bob sees\n%s\nand alice\n%s", what,
			strings.Join(bob.Screen(), "\n"), strings.Join(alice.Screen(), "\n"))
	}
	compare("as it is", 80, 23)
	h.Must(host.Alice, "send-keys", "-t", "work:0.0", "typed", "Enter")
	alice.WaitFor("typed")
	compare("after a change", 80, 23)

	// A larger terminal has a border, a smaller one a part; nobody else's changes.
	bob.Resize(100, 30)
	bob.WaitFor("·····")
	compare("with a border", 80, 23)
	bob.Resize(40, 12)
	bob.WaitGone("·····")
	bob.WaitFor("typed") // where the cursor is
	bob.Resize(3, 1)
	bob.Resize(80, 24)
	bob.WaitFor("for mwbob alone")
	compare("again", 80, 23)
	if size := strings.TrimSpace(h.Must(host.Alice, "display-message", "-p", "-t", "work:0", "#{window_width}x#{window_height}")); size != "80x23" {
		t.Errorf("the window is %s now", size)
	}
}

// cut gives so many columns and rows of a screen, without what is between panes.
func cut(screen []string, cols, rows int) []string {
	var out []string
	for _, row := range screen[:min(rows, len(screen))] {
		line := strings.NewReplacer("│", "|", "\u200b", "").Replace(row)
		if r := []rune(line); len(r) > cols {
			line = string(r[:cols])
		}
		out = append(out, strings.TrimRight(line, " ·"))
	}
	return append(out, fmt.Sprint(len(out)))
}

// TestOwnPlaceOfASlowTerminal: whoever does not read for a while gets the picture of
// now when they read again, and after a revocation nothing but the reason.
func TestOwnPlaceOfASlowTerminal(t *testing.T) {
	tmuxtest.As(t, host.Alice) // skips where there are no accounts
	h := host.Start(t, host.Config{Policy: map[string]string{"grants.yaml": `grants:
  - {who: mwbob, verbs: [view], on: "mwalice/work:0", reason: a window}
  - {who: root, role: admin, on: "*", reason: runs it}
`}})
	h.Must(host.Alice, "new-session", "-d", "-s", "work", "-x", "200", "-y", "49", "exec sh")
	h.Must(host.Alice, "new-window", "-d", "-t", "work:1", "cat")
	bob := h.Terminal(host.Bob, tmuxtest.TerminalConfig{Cols: 200, Rows: 50}, "attach", "-t", "mwalice/work")
	bob.WaitFor("for mwbob alone")
	busy := func(word string) {
		h.Must(host.Alice, "send-keys", "-t", "work:0", "clear; i=0; while [ $i -lt 15 ]; do seq -s, $i 2500; i=$((i+1)); sleep 0.04; done; echo "+word+"-$((7*6))", "Enter")
		tmuxtest.Eventually(t, func() bool {
			return strings.Contains(h.Must(host.Alice, "capture-pane", "-p", "-t", "work:0"), word+"-42")
		}, "%s is printed", word)
	}
	bob.Pause()
	busy("first")
	bob.Resume()
	bob.WaitFor("first-42")
	bob.Pause()
	busy("second")
	if r := h.Muxward("root", "revoke", host.Bob); r.Code != 0 {
		t.Fatalf("revoke: %+v", r)
	}
	bob.Resume()
	bob.WaitTold("you may not view this any more")
	if code := bob.ExitCode(); code != 1 {
		t.Errorf("bob's client exits with %d", code)
	}
}

// TestOwnPlacePartTakenWhileSlow: bob does not read, and one of the two panes that he
// looks at is taken from him. When that has returned, and he reads again, he sees the
// other one as it is, and of the one that was taken nothing that was still on its way
// to his terminal. Whoever is held up by the network, where nobody can take anything
// back, is let go.
func TestOwnPlacePartTakenWhileSlow(t *testing.T) {
	h := host.Start(t, host.Config{SSH: byKey, Policy: map[string]string{"grants.yaml": `grants:
  - {who: mwbob, verbs: [view], on: "mwalice/work:0", reason: a window}
  - {who: root, role: admin, on: "*", reason: runs it}
`}})
	h.Must(host.Alice, "new-session", "-d", "-s", "work", "-x", "200", "-y", "49", "exec cat")
	h.Must(host.Alice, "resize-window", "-t", "work:0", "-x", "200", "-y", "49") // 3.2 does not heed -x
	// Each word has colours of its own, so that a picture is more than fits on the way.
	h.Must(host.Alice, "split-window", "-d", "-h", "-l", "150", "-t", "work:0",
		`i=0; while :; do i=$((i+1)); seq 1200 | awk -v i=$i 'BEGIN{printf "\033[2;1H"} {printf "\033[48;5;%dm%d-%d\033[0m ", (i+$1)%200+17, i, $1%9} END{printf "\033[HROUND-%d-", i}'; sleep 0.1; done`)
	h.Must(host.Alice, "new-window", "-d", "-t", "work:1", "cat")
	now := func() int {
		return round(h.Must(host.Alice, "capture-pane", "-p", "-t", "work:0.1"))
	}
	take := func(bob *tmuxtest.Terminal) (at int) {
		t.Helper()
		before := now()
		tmuxtest.Eventually(t, func() bool { return now() > before+10 }, "it goes on")
		if r := h.Muxward("root", "revoke", host.Bob, "-t", "mwalice/work:0.1"); r.Code != 0 {
			t.Fatalf("revoke: %+v", r)
		}
		return now()
	}
	bob := h.Terminal(host.Bob, tmuxtest.TerminalConfig{Cols: 200, Rows: 50}, "attach", "-t", "mwalice/work")
	bob.WaitFor("ROUND-")
	bob.Pause()
	take(bob)
	sent := len(bob.Bytes())
	h.Must(host.Alice, "send-keys", "-t", "work:0.0", "after-that", "Enter")
	bob.Resume()
	bob.WaitFor("after-that")
	// What the kernel had given to whoever reads the terminal has left.
	if late := bytes.Count(bob.Bytes()[sent:], []byte("48;5;")); late > 500 {
		t.Errorf("%d words of the pane come after it was taken", late)
	}
	if n := round(strings.Join(bob.Screen(), "\n")); n != 0 {
		t.Errorf("bob still looks at round %d", n)
	}
	bob.Close()

	if r := h.Muxward("root", "revoke", "--undo", host.Bob, "-t", "mwalice/work:0.1"); r.Code != 0 {
		t.Fatalf("undo: %+v", r)
	}
	far := h.SSHTerminal(host.Bob, tmuxtest.TerminalConfig{Cols: 200, Rows: 50}, "mwalice/work@127.0.0.1")
	far.WaitFor("ROUND-")
	far.Signal(syscall.SIGSTOP)
	at := take(far)
	h.Must(host.Alice, "send-keys", "-t", "work:0.0", "and-after", "Enter")
	far.Signal(syscall.SIGCONT)
	over := func() bool { return far.Exited() || far.Contains("and-after") }
	tmuxtest.Eventually(t, over, "bob sees the rest, or is let go")
	if n := round(string(far.Bytes())); n > at {
		t.Errorf("by ssh bob is sent round %d, and it was taken by %d", n, at)
	}
}

// round is the last round that a text tells of.
func round(text string) (n int) {
	for _, m := range rounds.FindAllStringSubmatch(text, -1) {
		k, _ := strconv.Atoi(m[1])
		n = max(n, k)
	}
	return n
}

var rounds = regexp.MustCompile(`ROUND-(\d+)-`)
