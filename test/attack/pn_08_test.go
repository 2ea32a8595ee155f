package attack

import (
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// A program changes its title, its window's name and rings the bell as fast as
// it can. The log does not grow with it, and others are answered. The control
// run is a command through the door, which does leave its lines.
func TestPN08FloodOfTitles(t *testing.T) {
	shownByPackage(t, "tmux/control.TestFloodOfNotices", "tmux/control.TestModelSignalsAreFew")
	b := lay(t, host.Config{TmuxConf: openedUp})
	v := b.Terminal(viewer, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/other")
	v.WaitFor("[other]")
	before := len(b.Audit())
	id := b.server.Run("new-window", "-d", "-P", "-F", "#{window_id}", "-t", "other", "-n", "flood",
		`i=0; while [ $i -lt 100000 ]; do i=$((i+1)); printf '\033]2;t%d\007\033kn%d\033\\\007\033]133;A\007' $i $i; done; echo FLOODED; exec cat`)
	for range 20 {
		if out, err := b.server.Try("display-message", "-p", "-t", "other:0", "#{window_id}"); err != nil {
			t.Fatalf("%s %v", out, err)
		}
	}
	b.Must(viewer, "ls")
	word := "w" + randomWord()
	b.server.Run("rename-window", "-t", "other:0", word)
	v.WaitFor(word)
	grown := len(b.Audit()) - before
	if grown < 2 {
		t.Errorf("control run: a command leaves %d lines", grown)
	}
	if grown > 20 {
		t.Errorf("the log has grown by %d lines", grown)
	}
	b.server.Run("kill-window", "-t", id)
	b.VerifyAudit()
}
