package gateway

import (
	"testing"

	"github.com/muxward/muxward/internal/tmux"
)

// What is named by an id, or by a session's whole name, is found without the clients that are
// attached; anything else may be meant by one of them.
func TestTargetsByThemselves(t *testing.T) {
	snap := tmux.NewSnapshot(tmux.Snapshot{Sessions: []tmux.Session{{ID: 1, Name: "work"}, {ID: 2, Name: "client-9"}}})
	for target, want := range map[string]bool{
		"work": true, "work:": true, "work:1.0": true, "work:@1": true, "$1": true, "$1:@2.%3": true, "@2": true, "%3": true, "client-9:": true,
		"": false, ":": false, "wor": false, "work.0": false, "=work": false, "w*": false, "/dev/pts/1": false, "pts/1:": false, "client-90": false, "{last}": false,
	} {
		if got := byItself(snap, target); got != want {
			t.Errorf("%q: %v", target, got)
		}
	}
}
