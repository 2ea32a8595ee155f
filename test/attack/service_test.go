package attack

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// service is a place where a goroutine serves one person, what makes a person's
// service come by there, and what is said if it goes no further.
type service struct {
	point string
	// act makes the service of a typist at their terminal come by.
	act func(b *bed, x *tmuxtest.Terminal)
	// told is what the log says, or whoever revokes hears, of a goroutine that
	// stands still there.
	told string
}

// attach attaches the typist, to a place of their own for the services of one.
func (s service) attach(b *bed) *tmuxtest.Terminal {
	b.t.Helper()
	args := []string{"attach", "-t", "mwalice/shared"}
	if strings.HasPrefix(s.point, "own-") {
		args = append(args, "-f", "independent")
	}
	return b.Terminal(typist, tmuxtest.TerminalConfig{}, args...)
}

const (
	stuckPart = "a part of this service does not end"
	leftAlone = "does not end; it is left behind"
	// Until a client was admitted it is still a newcomer.
	neverBegan = "does not begin; it is left behind"
)

// attached lists the services of a typist at their terminal. The first two are
// armed before they attach: what makes them come by is that.
func attached() []service {
	return []service{
		{"seat-run", nil, stuckPart},
		{"seat-anchor", nil, stuckPart},
		{"seat-fromServer", func(b *bed, _ *tmuxtest.Terminal) { b.server.Run("detach-client", "-s", "shared") }, stuckPart},
		{"seat-fromClient", func(_ *bed, x *tmuxtest.Terminal) { x.Resize(90, 30) }, stuckPart},
		{"seat-output", renamed, stuckPart},
		{"seat-typed", types("t"), stuckPart},
		{"seat-decided", types("d"), stuckPart},
		{"seat-hear", untyped, stuckPart},
		// Before there is a suggestion: its line would stand in the notice's place, without a redraw.
		{"attach-redraw", func(b *bed, x *tmuxtest.Terminal) { noticed(b, x); x.Type("r") }, stuckPart},
		{"seat-line", takes, stuckPart},
		{"board-ask", types("\x02o"), stuckPart},
		{"keyboard-bound", types("\x02o"), stuckPart},
		{"keyboard-answer", types("\x02:z"), stuckPart},
		{"keyboard-mouse", wheeled, stuckPart},
		{"seat-capture", types("\x02["), stuckPart},
		{"seat-looks", types("\x02["), stuckPart},
		{"seat-sheet", types("\x02?"), stuckPart},
		{"seat-expire", func(b *bed, _ *tmuxtest.Terminal) {
			until := time.Now().Add(2 * time.Second).UTC().Format(time.RFC3339Nano)
			b.Reload("grants.yaml", strings.ReplaceAll(bedGrants, "who: mwcarol,", "who: mwcarol, until: \""+until+"\","))
		}, stuckPart},
		{"seat-finish", types("\x02d"), leftAlone},
		{"attach-input", types("i"), stuckPart},
		{"attach-output", renamed, stuckPart},
		{"attach-resize", func(_ *bed, x *tmuxtest.Terminal) { x.Resize(70, 20) }, stuckPart},
		{"attach-notice", noticed, stuckPart}, // which goes by itself after a while
		{"attach-drain", flooded, stuckPart},
		{"attach-restore", types("\x02d"), "the terminal takes no bytes"},
		{"gateway-again", revoked, "it does not end"},
		{"gateway-end", revoked, "a delivery does not end"},
		{"own-listen", renamed, stuckPart},
		{"own-captured", renamed, stuckPart},
	}
}

// alone lists the services of one command: act starts it.
func alone() []service {
	tmux := func(who string, args ...string) func(*bed, *tmuxtest.Terminal) {
		return func(b *bed, _ *tmuxtest.Terminal) {
			b.clients = append(b.clients, b.Terminal(who, tmuxtest.TerminalConfig{}, args...))
		}
	}
	window := tmux(owner, "new-window", "-d", "-t", "other", "-n", "w", "cat")
	who := func(b *bed, _ *tmuxtest.Terminal) { b.clients = append(b.clients, muxward(b, "who")) }
	return []service{
		{"tmuxd-admitted", window, neverBegan},
		{"tmuxd-prove", window, neverBegan},
		{"tmuxd-ahead", window, neverBegan},
		{"tmuxd-serve", window, neverBegan},
		{"tmuxd-pump", window, leftAlone},
		{"tmuxd-run", window, leftAlone},
		{"tmuxd-finish", window, leftAlone},
		{"tmuxd-answer", tmux(owner, "display-message", "-p", "-t", "other", "held"), leftAlone},
		{"gateway-resolve", window, leftAlone},
		{"gateway-decided", window, leftAlone},
		{"gateway-permitted", window, leftAlone},
		{"gateway-executed", window, leftAlone},
		{"gateway-written", window, leftAlone},
		{"executor-run", window, leftAlone},
		{"executor-ran", window, leftAlone},
		{"executor-quick", tmux(owner, "display-message", "-p", "-t", "other", "quick"), leftAlone},
		{"executor-guarded", tmux(typist, "send-keys", "-t", "mwalice/shared:0.0", "g"), leftAlone},
		{"relay-answers", tmux(owner, "load-buffer", "-"), stuckPart},
		{"ctld-handle", who, "a request does not end"},
		{"ctld-answer", who, "a request does not end"},
	}
}

// byLines lists the services of somebody in control mode. Each is for a muxward of
// its own when it is to hang: whoever is left there comes by where the next is to.
func byLines() []service {
	lines := func(who, target, keys string) func(*bed, *tmuxtest.Terminal) {
		return func(b *bed, _ *tmuxtest.Terminal) {
			x := b.Terminal(who, tmuxtest.TerminalConfig{}, "-C", "attach", "-t", target)
			b.byLines = append(b.byLines, x)
			x.Type(keys)
		}
	}
	const shared = "mwalice/shared"
	return []service{
		{"controlmode-lines", lines(typist, shared, "list-windows\n"), leftAlone},
		{"controlmode-show", lines(typist, shared, "list-windows\n"), leftAlone},
		{"control-listen", lines(typist, shared, ""), stuckPart},
		{"control-obey", lines(typist, shared, "list-windows\n"), stuckPart},
		{"control-carry", lines(owner, "other", "rename-window other\n"), stuckPart},
		{"control-watch", lines(typist, shared, "refresh-client -B 'x:%*:#{pane_id}'\n"), stuckPart},
		{"control-away", lines(typist, shared, ""), stuckPart},
		{"control-finish", lines(typist, shared, "\n"), leftAlone},
		{"control-fromServer", func(b *bed, x *tmuxtest.Terminal) {
			lines(typist, shared, "")(b, x)
			x = b.byLines[len(b.byLines)-1]
			// It may be the attaching itself that comes by there.
			tmuxtest.Eventually(b.t, func() bool { return x.Exited() || bytes.Contains(x.Bytes(), []byte("%session-changed")) }, "carol is attached by lines")
			b.server.Run("detach-client", "-s", "shared")
		}, stuckPart},
	}
}

// hangUp ends the clients in control mode.
func (b *bed) hangUp() {
	for _, x := range b.byLines {
		x.Close()
	}
	b.byLines = nil
}

// covered fails unless the source has these failpoints and no others, and as
// many as the row wants.
func covered(t *testing.T) {
	t.Helper()
	var have, want []string
	for _, s := range slices.Concat(attached(), alone(), byLines()) {
		have = append(have, s.point)
	}
	call := regexp.MustCompile(`failpoint\.At\("([^"]+)"\)`)
	err := filepath.WalkDir("../../internal", func(path string, _ os.DirEntry, err error) error {
		if path == "../../internal/daemon" || path == "../../internal/given" {
			// What is carried through behind an act, whoever asked for it, is no service of one person's: a fault
			// there ends muxward, which begins anew with what is on the disk.
			return filepath.SkipDir
		}
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range call.FindAllSubmatch(text, -1) {
			want = append(want, string(m[1]))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(have)
	slices.Sort(want)
	if !slices.Equal(have, want) {
		t.Errorf("the source has the failpoints %v, the test %v", want, have)
	}
	if len(slices.Compact(want)) < 30 {
		t.Errorf("%d places, the row wants 30", len(want))
	}
}

func types(keys string) func(*bed, *tmuxtest.Terminal) {
	return func(_ *bed, x *tmuxtest.Terminal) { x.Type(keys) }
}

// wheeled has the typist's terminal report its mouse, as it was asked to.
func wheeled(b *bed, x *tmuxtest.Terminal) {
	b.server.Run("set-option", "-g", "mouse", "on")
	tmuxtest.Eventually(b.t, func() bool { return bytes.Contains(x.Bytes(), []byte("\x1b[?1006h")) }, "the terminal is asked for its mouse")
	x.Type("\x1b[<64;5;5M")
}

// takes has the typist take a line that is suggested to them.
func takes(b *bed, x *tmuxtest.Terminal) {
	w := &world{Host: b.Host, t: b.t}
	suggestions{w}.suggest(root, suggestedIn, "suggested")
	suggestions{w}.open(x, suggestedIn)
	x.Type("y")
}

// untyped has the typist press a key that their pane does not get.
func untyped(b *bed, x *tmuxtest.Terminal) {
	b.server.Run("clock-mode", "-t", "shared:0.0")
	x.Type("h")
}

// typable has the pane take keys again.
func (b *bed) typable() { b.server.Run("copy-mode", "-q", "-t", "shared:0.0") }

func renamed(b *bed, _ *tmuxtest.Terminal) {
	b.server.Run("rename-window", "-t", "shared:0", randomWord())
}

// noticed has muxward itself say something on the typist's screen.
func noticed(b *bed, x *tmuxtest.Terminal) {
	b.server.Run("lock-session", "-t", "shared")
	tmuxtest.Eventually(b.t, func() bool { return bytes.Contains(x.Bytes(), []byte("is not offered here")) }, "a notice is shown")
}

// flooded has the typist's terminal fall behind.
func flooded(b *bed, x *tmuxtest.Terminal) {
	x.Pause()
	b.server.Run("new-window", "-t", "shared", "-n", "flood", "yes $(printf %0200d 7)")
	tmuxtest.Eventually(b.t, b.reached, "the terminal falls behind")
	b.server.Run("kill-window", "-t", "shared:flood")
	x.Resume()
}

// revoked starts a revocation of the typist; what it says is seen at the end.
func revoked(b *bed, _ *tmuxtest.Terminal) {
	b.revocation = muxward(b, "revoke", typist, "--reason", "stuck")
}

// muxward starts one of muxward's own commands, as root, and does not wait.
func muxward(b *bed, args ...string) *tmuxtest.Terminal {
	b.t.Helper()
	return tmuxtest.Open(b.t, tmuxtest.TerminalConfig{Cols: 500, Rows: 50, Env: b.Env(root)}, b.Bin(), args...)
}

// witnesses are people whom somebody else's fault must not touch.
func witnesses(b *bed) (check func()) {
	a := b.Terminal(owner, tmuxtest.TerminalConfig{}, "attach", "-t", "other")
	a.WaitFor("[other]")
	v := b.Terminal(viewer, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/other")
	v.WaitFor("[other]")
	return func() {
		b.t.Helper()
		word := randomWord()
		began := time.Now()
		a.Type(word)
		v.WaitFor(word)
		if took := time.Since(began); took > host.Bounded(time.Second) {
			b.t.Errorf("somebody else waited %v", took)
		}
		a.Type("\x15")
		if a.Exited() || v.Exited() {
			b.t.Error("somebody else was thrown out")
		}
	}
}

// toldTime is longer than the doors wait for what has been left behind.
const toldTime = 20*time.Second + tmuxtest.Patience

// says waits until the log says all of words in as many events.
func (b *bed) says(count int, words ...string) {
	b.t.Helper()
	found := 0
	ok := within(toldTime, func() bool {
		found = 0
		for _, e := range b.Audit() {
			if containsAll(e.Note+e.Reason, words...) {
				found++
			}
		}
		if found < count {
			pause(100 * time.Millisecond) // each look is a process
		}
		return found >= count
	})
	if !ok {
		for _, e := range b.Audit() {
			if e.Kind == "alarm" || e.Kind == "detach" {
				b.t.Logf("%s %s: %s %s", e.Kind, e.Person, e.Note, e.Reason)
			}
		}
		b.t.Fatalf("the log says %d times %q, want %d; muxward says:\n%s", found, words, count, b.Output())
	}
}

func containsAll(s string, words ...string) bool {
	for _, w := range words {
		if !strings.Contains(s, w) {
			return false
		}
	}
	return true
}
