package executor

import (
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/tmux"
)

// TestQuick: what goes over the connection of muxward's own means there what it means over
// the person's. What leaves out what it is about does not: from 3.4 on that connection is
// attached to some session, which tmux would take.
func TestQuick(t *testing.T) {
	snap := &tmux.Snapshot{Sessions: []tmux.Session{{ID: 1}}}
	for line, want := range map[string]bool{
		"display-message -p -t $1:@1.%1 text":    true,
		"display-message -p text":                false,
		"display-message -t $1:@1.%1 text":       false,
		"display-message -p -t $1 #{client_tty}": false,
		"list-sessions":                          true,
		"list-windows -a":                        true,
		"list-panes -a -F #{pane_id}":            true,
		"list-panes -s":                          false,
		"list-windows":                           false,
		"has-session":                            false,
		"has-session -t $1":                      true,
		"send-keys x":                            false,
		"send-keys -t $1:@1.%1 x":                true,
		"select-pane -t $1:@1.%1":                true,
		"next-window":                            false,
		"next-window -a":                         false,
		"previous-window -a":                     false,
		"next-window -a -t $1":                   true,
		"rename-window name":                     false,
		"new-window -t $1":                       false,
	} {
		inv, err := tmux.ParseArgv(strings.Fields(line), tmux.ParseOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if got := quick(&gateway.Plan{Invocation: inv[0], Snapshot: snap}); got != want {
			t.Errorf("%s: %v", line, got)
		}
	}
}
