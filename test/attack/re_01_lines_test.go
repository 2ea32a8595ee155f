package attack

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// A program prints all that attacks who watches, and bob watches in control mode.
// Each byte that he hears is looked at: none is for his terminal to obey. In the
// control run what tmux says is passed on as it is.
func TestRE01HostileOutputByLines(t *testing.T) {
	t.Parallel()
	for name, build := range map[string]string{"attack": "", "control": "teeth_lines"} {
		t.Run(name, func(t *testing.T) {
			b := lay(t, host.Config{TmuxConf: openedUp, Build: build})
			l := b.Control(viewer, "attach", "-t", "mwalice/other")
			l.Wait("%session-changed")
			dir := tmuxtest.Dir(t, tmuxtest.Account{})
			for i, few := range slices.Collect(slices.Chunk(hostile(), 6)) {
				file, seen := fmt.Sprintf("%s/%d", dir, i), fmt.Sprintf("SEEN-%d-END", i)
				if err := os.WriteFile(file, []byte(strings.Join(few, "\x18\x1b\\\r\n")+"\x18\x1b\\\r\n"+seen+"\r\n"), 0o644); err != nil {
					t.Fatal(err)
				}
				b.server.Run("respawn-pane", "-k", "-t", "other:0.0", "cat "+file+"; exec cat")
				l.Wait(seen)
			}
			l.Say("")
			l.Code()
			problems := unsound(l.Said(), 0, nil)
			if build == "" && len(problems) > 0 {
				t.Errorf("%d lines are not sound: %.2000q", len(problems), problems)
			}
			if build != "" && len(problems) < 3 {
				t.Errorf("without the check %d lines are not sound: this is no test: %.2000q", len(problems), problems)
			}
		})
	}
}
