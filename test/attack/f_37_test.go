package attack

import (
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// service is a place where a goroutine serves one person, and what makes that
// person's service come by there.
type service struct {
	point string
	act   func(b *bed, x *tmuxtest.Terminal)
}

// attached lists the services of a typist at their terminal, alone those of
// one command.
func attached() []service {
	return []service{
		{"seat-fromServer", func(b *bed, _ *tmuxtest.Terminal) { b.server.Run("detach-client", "-s", "shared") }},
		{"seat-fromClient", func(_ *bed, x *tmuxtest.Terminal) { x.Resize(90, 30) }},
		{"seat-output", func(b *bed, _ *tmuxtest.Terminal) { b.server.Run("rename-window", "-t", "shared:0", randomWord()) }},
		{"seat-typed", func(_ *bed, x *tmuxtest.Terminal) { x.Type("t") }},
		{"seat-hear", func(_ *bed, x *tmuxtest.Terminal) { x.Type("h") }},
	}
}

func alone() []string { return []string{"tmuxd-prove", "tmuxd-serve", "tmuxd-pump", "executor-run"} }

// witnesses are people whom somebody else's fault must not touch.
func witnesses(b *bed) (check func()) {
	a := b.Terminal(owner, tmuxtest.TerminalConfig{}, "attach", "-t", "other")
	a.WaitFor("[other]")
	v := b.Terminal(viewer, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/other")
	v.WaitFor("[other]")
	return func() {
		b.t.Helper()
		word := randomWord()
		a.Type(word)
		v.WaitFor(word)
		a.Type("\x15")
		if a.Exited() || v.Exited() {
			b.t.Error("somebody else was thrown out")
		}
	}
}

// A fault of muxward itself: a panic in a goroutine that serves one person,
// at each place that does. That person's connection ends, their terminal is
// sane, the log has the stack, and everybody else goes on. The control run is
// the failpoint itself: one that is never reached fails the test, and without
// the recover of the place muxward would be gone.
func TestF37Panic(t *testing.T) {
	b, arm := failing(t)
	check := witnesses(b)
	pid := b.PID()
	told := func(point string) {
		t.Helper()
		tmuxtest.Eventually(t, func() bool {
			for _, e := range b.Audit() {
				if e.Kind == "alarm" && containsAll(e.Note, "failpoint "+point, "goroutine") {
					return true
				}
			}
			return false
		}, "the fault at %s is in the log; muxward says:\n%s", point, b.Output())
		check()
		if b.PID() != pid {
			t.Fatal("muxward died")
		}
	}
	for _, s := range append(attached(), service{"seat-run", nil}, service{"seat-anchor", nil}) {
		if s.act == nil {
			arm(s.point, "panic")
		}
		x := b.Terminal(typist, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/shared")
		if s.act != nil {
			x.WaitFor("recording")
			arm(s.point, "panic")
			s.act(b, x)
		}
		tmuxtest.Eventually(t, x.Exited, "the client of %s ends; muxward says:\n%s", s.point, b.Output())
		if code := x.ExitCode(); code == -1 {
			t.Errorf("%s: exit %d", s.point, code)
		}
		sane(t, x)
		told(s.point)
	}
	for _, point := range alone() {
		arm(point, "panic")
		b.Tmux(owner, "new-window", "-d", "-t", "other", "-n", "w", "cat")
		told(point)
	}
	arm("relay-answers", "panic")
	if r := b.Exec(owner, []byte("text"), "tmux", "load-buffer", "-"); r.Code == 0 {
		t.Errorf("relay-answers: %+v", r)
	}
	check()
	arm("ctld-handle", "panic")
	b.Muxward(root, "who")
	told("ctld-handle")
	b.typed(typist, "well")
	b.VerifyAudit()
}
