package attack

import (
	"testing"

	"github.com/muxward/muxward/internal/soak"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// Terminals that die or make no sense: hung up in the middle of an escape
// sequence, of an unknown type, dumb, in the C locale, reset while attached.
// People get a picture, plain text or a reason; nobody else notices. The
// control run is a terminal that does make sense, at the end.
func TestF33Terminals(t *testing.T) {
	shownByPackage(t, "attach.TestATerminalThatHangsUpEndsIt", "attach.TestAfterStopNothingFlows")
	b := lay(t, host.Config{})
	witness := b.Terminal(viewer, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/other")
	witness.WaitFor("[other]")
	for range soak.N(100, 3) {
		for _, half := range []string{"\x1b", "\x1b[", "\x1b[200~paste", "\x1b]52;c;", "\xe2\x82"} {
			x := b.Terminal(typist, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/shared")
			x.WaitFor("recording")
			x.Type(half)
			x.HangUp()
		}
		for _, term := range []string{"no-such-terminal", "dumb", "../../etc/passwd", ""} {
			x := b.Terminal(viewer, tmuxtest.TerminalConfig{Term: term + " "}, "attach", "-t", "mwalice/shared")
			if x.ExitCode() == 0 {
				t.Errorf("TERM=%q is taken", term)
			}
			sane(t, x)
		}
		x := b.Terminal(viewer, tmuxtest.TerminalConfig{Env: []string{"LC_ALL=C", "LANG=C"}}, "attach", "-t", "mwalice/shared")
		x.WaitFor("recording")
		if _, err := tmuxtest.Output(tmuxtest.As(t, viewer).Command("stty", "-F", x.TTY(), "sane")); err != nil {
			t.Fatal(err)
		}
		x.Type("\x02d\n") // the terminal gives lines now
		x.ExitCode()
		sane(t, x)
	}
	if witness.Exited() {
		t.Error("somebody else was thrown out")
	}
	b.typed(typist, "well")
	b.kept()
	b.VerifyAudit()
}
