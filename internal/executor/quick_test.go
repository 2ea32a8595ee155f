package executor

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/tmux"
	"github.com/muxward/muxward/internal/tmux/control"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
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

// kept is a server with a control connection.
type kept struct {
	Server
	c *control.Client
}

func (k kept) Control(context.Context) (*control.Client, error) { return k.c, nil }

// What a command types is its person's until it is written to the pane, however it is sent.
func TestTypedByCommandIsTheirs(t *testing.T) {
	s := tmuxtest.Start(t, tmuxtest.Config{})
	s.Run("new-session", "-d", "-s", "x", "cat")
	server := kept{c: controlOf(t, s)}
	if _, err := ask(t.Context(), server, "bob", []string{"send-keys", "-t", "x:", "k"}); err != nil {
		t.Fatal(err)
	}
	if owing := server.c.Owing(); !slices.Equal(owing, []any{"bob"}) {
		t.Errorf("bob has typed, and %v owe", owing)
	}
}
