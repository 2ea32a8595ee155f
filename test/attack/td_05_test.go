package attack

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/internal/tmux/wire"
)

// forgedEntry describes a terminal that is drawn on with words of its owner, and
// that says it can do everything.
const forgedEntry = `xterm-256color|forged,
	am, ccc, hs, km, tsl=\E]2;, fsl=\007,
	cols#80, lines#24, colors#256, it#8,
	clear=\E[H\E[2JFORGED-clear, cup=\E[%i%p1%d;%p2%dHFORGED-cup, smcup=\E[?1049hFORGED-smcup, rmcup=FORGED-rmcup,
	sgr0=\E[mFORGED-sgr0, setaf=FORGED-setaf%p1%d, setab=FORGED-setab%p1%d, el=\E[KFORGED-el, ed=\E[JFORGED-ed,
	bel=^G, cr=\r, ind=\n, cub1=^H, cud1=\n, cuf1=\E[C, cuu1=\E[A, Ms=\E]52;%p1%s;%p2%sFORGED-Ms\007,
	csr=\E[%i%p1%d;%p2%dr, home=\E[H, civis=FORGED-civis, cnorm=FORGED-cnorm,
`

// Bob describes his terminal in words of his own: what draws on it prints what he
// likes and can do whatever there is. He wants it used by the server, where it would
// decide for others what they are shown. Or he names a terminal that there cannot
// be, so that somebody looks for it in places of his choice.
func TestTD05ForgedTerminal(t *testing.T) {
	t.Parallel()
	row{grants: everyVerb, loose: everyVerb, unlogged: true, restless: true, attack: func(w *world) {
		dir := w.forge()
		forged := tmuxtest.TerminalConfig{Env: []string{"TERMINFO=" + dir}}
		if w.control { // the server believes its own account's client
			x := w.Terminal(owner, forged, "attach", "-t", "shared")
			tmuxtest.Eventually(w.t, func() bool { return bytes.Contains(x.Bytes(), []byte("FORGED")) }, "the entry is used")
			w.gain("the server draws by a description of bob's")
			return
		}
		w.drawn(viewer, forged)
		w.Reload("grants.yaml", standardGrants) // bob is a guest now
		w.drawn(viewer, forged)
		w.named()
	}}.run(t)
}

// forge makes the entry, where everybody may read it.
func (w *world) forge() string {
	w.t.Helper()
	place := tmuxtest.Dir(w.t, tmuxtest.Account{})
	dir, source := filepath.Join(place, "terminfo"), filepath.Join(place, "forged.ti")
	if err := os.WriteFile(source, []byte(forgedEntry), 0o644); err != nil {
		w.t.Fatal(err)
	}
	if out, err := exec.Command("tic", "-x", "-o", dir, source).CombinedOutput(); err != nil {
		w.t.Fatalf("tic: %v: %s", err, out)
	}
	if err := exec.Command("chmod", "-R", "a+rX", place).Run(); err != nil {
		w.t.Fatal(err)
	}
	return dir
}

// drawn has somebody with the forged terminal attach, beside the owner.
func (w *world) drawn(who string, c tmuxtest.TerminalConfig) {
	w.t.Helper()
	x := w.attach(who, c, "-T", "256,overline,margins,rectfill,sync", "attach", "-t", "mwalice/shared")
	x.WaitFor("recording")
	for _, line := range strings.Split(w.server.Run("list-clients", "-F", "#{client_termfeatures}"), "\n") {
		for _, no := range []string{"overline", "margins", "rectfill", "sync"} {
			if strings.Contains(","+line+",", ","+no+",") {
				w.gain("the server believes that %s has %s", who, line)
			}
		}
	}
	alice := w.attach(owner, tmuxtest.TerminalConfig{}, "attach", "-t", "shared")
	alice.WaitFor("recording")
	for of, shown := range map[string]*tmuxtest.Terminal{who: x, owner: alice} {
		if bytes.Contains(shown.Bytes(), []byte("FORGED")) {
			w.gain("%s is drawn with bob's words: %q", of, clip(shown.Bytes()))
		}
	}
	x.Close()
	alice.Close()
}

// named has clients of bob's own making say what their terminal is called, and what
// it is like.
func (w *world) named() {
	w.t.Helper()
	hello := func(term string, entry ...string) *wire.Hello {
		return &wire.Hello{Term: term, Terminfo: entry, TTYName: "", Cwd: "/", PID: int32(os.Getpid()), Flags: wire.FlagUTF8,
			Argv: []string{"attach-session", "-t", "mwalice/shared"}}
	}
	for _, term := range []string{
		"", "../../etc/passwd", "/etc/passwd", "x/../../y", ".", "-x", "dumb", "unknown", strings.Repeat("x", 65),
		"xterm\n", "xterm\x1b]2;t\x07", "xterm#(" + w.lure() + ")", "xterm;kill-server", "xterm ", "x\xffterm",
	} {
		h := hello(term)
		mine := pts(w.t)
		h.TTYName, h.Stdin = mine.Name(), wire.NewFD(dup(w.t, mine))
		if attached, text := w.ask(h); attached || !strings.Contains(text, "unsuitable terminal") {
			w.gain("TERM %q: attached %v: %q", term, attached, text)
		}
		_ = h.Close()
	}
	long := "clear=" + strings.Repeat("%p1%{1}%+%d", 5000)
	mine := pts(w.t)
	h := hello("xterm-256color", long, "cup=%p9%p9%?%?%?", "kf1="+strings.Repeat("\x1b", 200), "=", "x", "kmous=\x1b[M\x1b]52;")
	h.TTYName, h.Stdin = mine.Name(), wire.NewFD(dup(w.t, mine))
	defer h.Close()
	w.ask(h) // refused or drawn on by muxward's own description: the server lives
	w.server.Run("list-sessions")
}
