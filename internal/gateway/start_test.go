package gateway

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux"
)

// TestStartsFirst: where bob has no server, the commands for which a tmux
// client starts one have his started before their line runs. They start none
// for a line that is about alice, nor for somebody who does not hold every verb
// at home.
func TestStartsFirst(t *testing.T) {
	r := &rules{}
	g, servers, _, _, _ := guestGateway(t, r)
	base := Request{Identity: bob(t)}
	for _, c := range []struct {
		line   string
		starts bool
	}{
		{"attach-session", true}, {"attach -t work", true}, {"attach -t alice/work", false},
		{"list-keys", true}, {"list-commands ls", true},
		{"list-sessions ; attach", true}, {"attach -t alice/work ; lsk", true},
		{"list-sessions", false}, {"has-session -t work", false}, {"kill-server", false},
		{"new-session -d ; attach", false}, {"start-server ; attach", false}, // they are first themselves
	} {
		for _, full := range []bool{true, false} {
			r.allow.Store(full)
			r.gen.Add(1)
			reqs, err := g.Parse(t.Context(), base, strings.Fields(c.line))
			if err != nil {
				t.Fatalf("%s: %v", c.line, err)
			}
			var names []string
			for _, req := range reqs {
				names = append(names, req.Invocation.Row.Name)
			}
			given := strings.Count(c.line, ";") + 1
			if first := len(names) == given+1 && names[0] == "start-server"; first != (c.starts && full) {
				t.Errorf("%s, every verb %v: %v", c.line, full, names)
			}
			if i := slices.Index(names, "start-server"); i == 0 {
				plan := startPlan(t, g, reqs[0])
				if plan.Start != full || plan.Full != full {
					t.Errorf("%s, every verb %v: the plan starts: %v", c.line, full, plan.Start)
				}
			}
		}
	}
	r.allow.Store(true)
	inner := base
	inner.Here = "alice"
	servers.give <- struct{}{}
	reqs, err := g.Parse(t.Context(), inner, []string{"start-server"})
	if err != nil {
		t.Fatal(err)
	}
	if startPlan(t, g, reqs[0]).Start {
		t.Error("a server of bob's is started in alice's pane")
	}
}

// TestNoServerAtTheEnd: while muxward ends nobody hears that there is no server, or that the policy
// gives them none: they would begin one, or take their sessions for gone.
func TestNoServerAtTheEnd(t *testing.T) {
	r := &rules{}
	r.allow.Store(true)
	g, servers, _, log, _ := guestGateway(t, r)
	for range cap(servers.give) {
		servers.give <- struct{}{}
	}
	who := bob(t)
	why := errors.New("it ends; come again")
	for _, ends := range []bool{false, true} {
		if ends {
			g.Shut(t.Context(), why)
		}
		for _, line := range []string{"list-sessions", "has-session -t work", "new-session -d", "attach-session"} {
			inv, perr := tmux.ParseArgv(strings.Fields(line), tmux.ParseOptions{})
			if perr != nil {
				t.Fatal(perr)
			}
			live, ctx := g.begin(t.Context(), who)
			_, err := g.resolve(ctx, Request{Identity: who, Invocation: inv[0]})
			live.end()
			if said := err != nil && err.Error() == why.Error(); said != ends {
				t.Errorf("%s: %v, and muxward ends: %t", line, err, ends)
			}
		}
	}
	if len(log.events) > 0 {
		t.Errorf("%v is written", <-log.events)
	}
}

func startPlan(t *testing.T, g *Gateway, req Request) *Plan {
	t.Helper()
	live, ctx := g.begin(t.Context(), req.Identity)
	defer live.end()
	plan, err := g.resolve(ctx, req)
	if err != nil || plan.Invocation.Row != tmux.FindCommand("start-server") {
		t.Fatalf("%+v, %v", plan, err)
	}
	return plan
}
