package executor

import (
	"context"
	"slices"
	"strings"

	"github.com/muxward/muxward/internal/failpoint"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/tmux"
	"github.com/muxward/muxward/internal/tmux/wire"
)

// quickRows are commands that mean the same whoever's connection they come
// over: they take nothing from the client, print nothing but text, and do not
// end the server. Over the kept control connection they take a third of the
// time, and can be taken back from a server that stands still.
var quickRows = []string{
	"has-session", "display-message", "list-sessions", "list-windows", "list-panes",
	"send-keys", "select-pane", "select-window", "select-layout",
	"next-window", "previous-window", "last-window", "last-pane", "rename-session", "rename-window",
}

// quick reports whether the plan's command may go over the control connection:
// nothing in it may ask about the client, run a job, or print at the client.
func quick(plan *gateway.Plan) bool {
	inv := plan.Invocation
	if !slices.Contains(quickRows, inv.Row.Name) || plan.Snapshot == nil || len(plan.Snapshot.Sessions) == 0 {
		return false
	}
	// -a is all that there is for these; for next-window it is the next one with an alert.
	all := (inv.Row.Name == "list-windows" || inv.Row.Name == "list-panes") && inv.Has('a')
	if inv.Row.Target.Kind != tmux.NoTarget && !inv.Has('t') && !all {
		return false // tmux is to choose, and would choose what that connection is attached to, from 3.4 on
	}
	switch inv.Row.Name {
	case "display-message":
		if !inv.Has('p') || inv.Has('I') || inv.Has('a') || inv.Has('v') || inv.Has('c') || inv.Has('N') {
			return false
		}
	case "send-keys":
		if inv.Has('K') || inv.Has('M') || inv.Has('X') || inv.Has('F') || inv.Has('c') {
			return false
		}
	}
	for _, word := range inv.Words()[1:] {
		if inv.Row.Name != "send-keys" && !plain(word) {
			return false
		}
	}
	return true
}

// plain text holds no format that could differ between clients, or run a job,
// or bring in text that does.
func plain(s string) bool {
	if !strings.Contains(s, "#") {
		return true
	}
	for _, bad := range []string{"client", "#(", "E:", "T:", "@", "\n"} {
		if strings.Contains(s, bad) {
			return false
		}
	}
	return true
}

// runQuick sends the command over the control connection.
func (e *Executor) runQuick(ctx context.Context, p *gateway.Permit, server Server) (gateway.Result, error) {
	plan := p.Plan()
	words, err := plan.Invocation.WordsFor(plan.Snapshot.Reading())
	if err != nil {
		return gateway.Result{}, err
	}
	failpoint.At("executor-quick")
	result := gateway.Result{Executed: words}
	out, err := ask(ctx, server, asker(p), words)
	if err != nil || len(out) == 0 {
		return result, err
	}
	if p.Request().Client.Hello().Flags&wire.FlagUTF8 == 0 {
		lines := strings.Split(string(out), "\n")
		for i := range lines {
			lines[i] = tmux.Sanitize(lines[i])
		}
		out = []byte(strings.Join(lines, "\n"))
	}
	return result, p.Request().Client.Print(ctx, 1, out)
}
