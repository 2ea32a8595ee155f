package gateway

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/tmux"
)

// Sizes in a block have a turn each, by whatever name the server knows them, and
// who is refused, or leaves while they wait, is in the log.
func TestSizesOfBlocksArePaced(t *testing.T) {
	r := &rules{}
	r.allow.Store(true)
	g, servers, _, log, _ := guestGateway(t, r)
	servers.aliases = []tmux.CommandAlias{{Name: "wide", Value: "resize-window -x 80"}}
	who := bob(t)
	handle := func(ctx context.Context, line string) error {
		servers.give <- struct{}{}
		reqs, err := g.ParseText(t.Context(), Request{Identity: who, Here: "alice"}, "has-session ; "+line)
		if err != nil || len(reqs) != 2 {
			t.Fatal(reqs, err)
		}
		_, err = g.Handle(ctx, reqs[1])
		return err
	}
	denied := func(why error) {
		t.Helper()
		if ev := <-log.events; ev.Kind != access.EventDenied || ev.Reason != why.Error() {
			t.Errorf("the log has %+v", ev)
		}
	}
	err := handle(t.Context(), "if-shell -F 1 { "+strings.Repeat("wide ; resizew -y 20 ; ", 41)+"wide }")
	if err == nil || !strings.Contains(err.Error(), "tmux takes 15 a second") {
		t.Fatalf("83 at once: %v", err)
	}
	denied(err)
	ctx, leave := context.WithCancelCause(t.Context())
	left := errors.New("bob has left")
	leave(left)
	if err := handle(ctx, "if-shell -F 1 'wide ; "+strings.Repeat("wide ; ", 60)+"wide'"); !errors.Is(err, left) {
		t.Fatalf("who has left: %v", err)
	}
	denied(left)
}

// Sizes have their turns whoever has read the command that tells of them: what a
// key is bound to was not read by the gateway.
func TestSizesOfKeysArePaced(t *testing.T) {
	r := &rules{}
	r.allow.Store(true)
	g, servers, _, _, _ := guestGateway(t, r)
	servers.aliases = []tmux.CommandAlias{{Name: "wide", Value: "resize-window -x 80"}}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second) // for when they have none, and are carried out
	defer cancel()
	if _, ok := g.sizes.Take(sizesPace(), "bob", 80, time.Now().Add(time.Hour)); !ok { // he has had all turns for an hour
		t.Fatal("no turn")
	}
	for _, line := range []string{"resize-window -x 80", "if-shell x { resize-window -x 80 }", "if-shell x 'wide'"} {
		invs, perr := tmux.ParseText(line, tmux.ParseOptions{})
		if perr != nil {
			t.Fatal(perr)
		}
		servers.give <- struct{}{}
		if _, err := g.Handle(ctx, Request{Identity: bob(t), Invocation: invs.Commands[0], Here: "alice", Bound: true}); err == nil || !strings.Contains(err.Error(), "tmux takes 15 a second") {
			t.Errorf("%s: %v", line, err)
		}
	}
}

// Who is at home has their own server measure what it takes; on somebody else's
// also who holds every verb has what others can do with, and makes a window grow by
// what it measured when it was decided.
func TestSizesOnServersOfOthers(t *testing.T) {
	for _, home := range []bool{true, false} {
		for line, want := range map[string]string{
			"resize-window -t work -x 9000": "", "new-session -d -y 5000": "", "resize-window -t work -D 5": "-y 29",
		} {
			text, perr := tmux.ParseText(line, tmux.ParseOptions{})
			if perr != nil {
				t.Fatal(perr)
			}
			inv := text.Commands[0]
			asked := strings.Join(inv.Words(), " ")
			res := &resolver{plan: &Plan{Full: true, Home: home, Invocation: inv, Found: tmux.Found{Window: &tmux.Window{Width: 80, Height: 24}}}}
			err := res.bounded()
			got := strings.Join(inv.Words(), " ")
			switch {
			case home && (err != nil || got != asked):
				t.Errorf("at home %s: %s, %v", line, got, err)
			case !home && want == "" && err == nil, !home && want != "" && (err != nil || !strings.Contains(got, want)):
				t.Errorf("elsewhere %s: %s, %v", line, got, err)
			}
		}
	}
}
