package attack

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/soak"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// Terminals that die or make no sense: hung up in the middle of an escape
// sequence, of an unknown type, dumb, in the C locale, reset while attached.
// People get a picture, plain text or a reason; nobody else notices. The
// control run is a terminal that does make sense, among the others.
func TestF33Terminals(t *testing.T) {
	shownByPackage(t, "attach.TestATerminalThatHangsUpEndsIt", "attach.TestAfterStopNothingFlows")
	b := lay(t, host.Config{})
	known := terminfo(t, "no-such-terminal")
	witness := b.Terminal(viewer, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/other")
	witness.WaitFor("[other]")
	calm := b.resting()
	for range soak.N(100, 3) {
		for _, half := range []string{"\x1b", "\x1b[", "\x1b[200~paste", "\x1b]52;c;", "\xe2\x82"} {
			x := b.Terminal(typist, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/shared")
			x.WaitFor("recording")
			x.Type(half)
			x.Close()
		}
		for _, c := range []struct {
			term, shown, told string // one of both: a picture, or why there is none
		}{
			{"no-such-terminal", "recording", ""}, // its own account knows it: see terminfo
			{"dumb", "", "set TERM to"}, {"", "", "set TERM to"},
			{"../../etc/passwd", "", "terminal"}, {"not-even-there", "", "terminal"}, // the client itself says so
			{"xterm-256color", "recording", ""}, // the control run
		} {
			x := b.Terminal(viewer, tmuxtest.TerminalConfig{Env: []string{"TERM=" + c.term, "TERMINFO=" + known}}, "attach", "-t", "mwalice/shared")
			if c.shown != "" {
				x.WaitFor(c.shown)
				x.Type("\x02d")
			}
			code, got := x.ExitCode(), string(x.Bytes())
			if (code == 0) != (c.told == "") || !strings.Contains(got, c.told) || c.told != "" && strings.Contains(got, "recording") {
				t.Errorf("TERM=%q: exit %d, told %q", c.term, code, got)
			}
			sane(t, x)
			x.Close()
		}
		x := b.Terminal(viewer, tmuxtest.TerminalConfig{Env: []string{"LC_ALL=C", "LANG=C"}}, "attach", "-t", "mwalice/shared")
		x.WaitFor("recording")
		if _, err := tmuxtest.Output(tmuxtest.As(t, viewer).Command("stty", "-F", x.TTY(), "sane")); err != nil {
			t.Fatal(err)
		}
		x.Type("\x02d\n") // the terminal gives lines now
		x.ExitCode()
		sane(t, x)
		x.Close()
	}
	if witness.Exited() {
		t.Error("somebody else was thrown out")
	}
	b.typed(typist, "well")
	b.kept()
	calm()
	b.VerifyAudit()
}

// terminfo makes descriptions of terminals of which one is a kind that nobody
// but whoever has them has heard of: else the stock client itself would refuse
// the name.
func terminfo(t *testing.T, name string) string {
	t.Helper()
	dir := tmuxtest.Dir(t, tmuxtest.As(t, viewer))
	source, err := tmuxtest.Output(exec.Command("infocmp", "xterm-256color"))
	if err != nil {
		t.Fatal(err)
	}
	_, body, _ := strings.Cut(source, ",")
	for _, all := range []string{name + "|made up," + body, source} {
		tic := tmuxtest.As(t, viewer).Command("tic", "-x", "-o", dir, "-")
		tic.Stdin = strings.NewReader(all)
		if _, err := tmuxtest.Output(tic); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
