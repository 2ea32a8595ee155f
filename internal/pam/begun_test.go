package pam

import (
	"context"
	"os"
	"slices"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// A login that another process begins goes on here by its line as one of our own does, and ends
// with its process, also where whoever comes has gone.
func TestLoginBegunElsewhere(t *testing.T) {
	t.Parallel()
	for role, works := range map[string]bool{"expired": true, "hang": false} {
		left := make(chan struct{})
		l := Logins{Remote: func(ctx context.Context, r Request) (*os.File, func(), error) {
			b, err := Begin(ctx, program(t, role), r, func() { close(left) })
			if err != nil {
				return nil, nil, err
			}
			return b.Line(), b.End, nil
		}}
		ctx, cancel := context.WithCancel(t.Context())
		who := &scripted{answers: good("new")}
		if !works {
			cancel() // who comes has gone
		}
		_, err := l.Login(ctx, Request{"muxward", "alice", "192.0.2.1"}, WorkTime, who)
		cancel()
		if works != (err == nil) {
			t.Errorf("%s: %v", role, err)
		}
		if works && !slices.Contains(who.heard, `tell "hello alice from 192.0.2.1" false`) {
			t.Errorf("%s: heard %q", role, who.heard)
		}
		<-left
		tmuxtest.Eventually(t, func() bool { return len(l.slots) == 0 }, "its place is free")
	}
	if _, err := Begin(t.Context(), program(t, "good"), Request{"../x", "alice", ""}, func() {}); err == nil {
		t.Error("by a service that is none")
	}
}
