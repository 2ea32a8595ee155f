package gateway

import (
	"context"
	"testing"

	"github.com/muxward/muxward/internal/access"
)

// TestAuthorIsOnRecordBefore: whose line it is that an act types, and on which server, is
// on record before anything of it is done; what came of it is in the outcome.
func TestAuthorIsOnRecordBefore(t *testing.T) {
	r := &rules{}
	r.allow.Store(true)
	g, log := newGateway(t, r), paper{make(chan access.Event, 4)}
	g.Log, g.Executor = log, performing{}
	on := access.Object{Kind: access.Pane, Owner: "alice", Incarnation: "one", Pane: access.PaneRef{ID: 3}}
	check := func(when string, ev access.Event, kind access.EventKind, answer string) {
		t.Helper()
		if ev.Kind != kind || ev.Person != "bob" || ev.Author != "carol" || ev.Server != "alice#one" || ev.Answer != answer {
			t.Errorf("%s: %+v", when, ev)
		}
	}
	_, err := g.Handle(t.Context(), Request{Identity: bob(t), Act: &Act{
		Name: "suggestion", Verb: access.Type, On: []access.Object{on}, Author: "carol",
		Do: func(context.Context, access.Object) (Result, error) {
			select {
			case ev := <-log.events:
				check("before", ev, access.EventIntent, "")
			default:
				t.Error("nothing is on record yet")
			}
			return Result{Answer: "run"}, nil
		},
	}})
	if err != nil {
		t.Fatal(err)
	}
	check("after", <-log.events, access.EventOutcome, "run")
}
