package attack

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/soak"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// A program changes its title, its window's name and rings the bell as fast as
// it can. The log does not grow with it, others are answered meanwhile, and
// who watches hears the bell now and then at most. The control run is a command
// through the door, which does leave its lines, and tmux's own word that all of
// it was printed.
func TestPN08FloodOfTitles(t *testing.T) {
	shownByPackage(t, "tmux/control.TestFloodOfNotices", "tmux/control.TestModelSignalsAreFew")
	b := lay(t, host.Config{TmuxConf: openedUp})
	v := b.Terminal(viewer, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/other")
	v.WaitFor("[other]")
	calm := b.resting()
	before := len(b.Audit())
	began := time.Now()
	rounds := soak.N(1_000_000, 50_000)
	id := b.server.Run("new-window", "-d", "-P", "-F", "#{window_id}", "-t", "other", "-n", "flood", fmt.Sprintf(
		`i=0; while [ $i -lt %d ]; do i=$((i+1)); printf '\033]2;t%%d\007\033kn%%d\033\\\007\a\033]133;A\007' $i $i; done; `+
			`printf '\033]2;done\007'; echo; echo FLOODED; exec cat`, rounds))
	shown := func(format string) string { return b.server.Run("display-message", "-p", "-t", id, format) }
	flooded := func() bool { return strings.Contains(b.server.Run("capture-pane", "-p", "-t", id), "FLOODED") }
	var trips []time.Duration
	for deadline := time.Now().Add(tmuxtest.Patience * time.Duration(soak.N(20, 3))); !flooded(); {
		if time.Now().After(deadline) {
			t.Fatalf("the flood does not end: title %s", shown("#{pane_title}"))
		}
		start := time.Now()
		b.Must(viewer, "has-session", "-t", "mwalice/other")
		trips = append(trips, time.Since(start))
	}
	lasted := time.Since(began)
	if title := shown("#{pane_title} #{window_name}"); title != fmt.Sprintf("done n%d", rounds) {
		t.Errorf("control run: after the flood tmux has the title and name %q", title)
	}
	slices.Sort(trips)
	if len(trips) < 2 {
		t.Fatalf("the flood was over after %v: too short to be noticed", lasted)
	}
	median := trips[len(trips)/2]
	t.Logf("%d rounds in %v; %d commands of others meanwhile, half of them within %v", rounds, lasted.Round(time.Millisecond), len(trips), median)
	if median > host.Bounded(250*time.Millisecond) {
		t.Errorf("others wait %v", median)
	}
	asked := len(trips) * 2 // each leaves what was asked and how it ended
	word := "w" + randomWord()
	b.Must(owner, "rename-window", "-t", "other:0", word)
	v.WaitFor(word)
	grown := len(b.Audit()) - before - asked
	if grown < 2 {
		t.Errorf("control run: a command leaves %d lines", grown)
	}
	if limit := 20 + int(lasted/time.Second); grown > limit { // one a second for the pane at most
		t.Errorf("the log has grown by %d lines beside those of %d commands, in %v", grown, len(trips), lasted)
	}
	if bells := bytes.Count(v.Bytes(), []byte{7}); bells > rounds/10 {
		t.Errorf("the viewer heard %d bells", bells)
	}
	b.server.Run("kill-window", "-t", id)
	calm()
	b.VerifyAudit()
}
