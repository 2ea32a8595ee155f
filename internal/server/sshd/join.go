package sshd

import (
	"context"
	"slices"
	"strings"

	"github.com/muxward/muxward/internal/gateway"
)

// Joined is what came of a code: words for who has it, and the session, window or pane
// to attach to, or "" if it is none.
type Joined struct{ Text, Target string }

// joinWord is what somebody says who comes with a code: here, and in the list.
const joinWord = "join"

// joins gives the code of a command line that is `join CODE`, or, as people type it
// who have the other line that they were given, `muxward join CODE`. With tmux before
// it, or with flags, it is tmux's join-pane.
func (x *session) joins(line string) string {
	all, err := words(line)
	if len(all) > 0 && all[0] == "muxward" {
		all = all[1:]
	}
	if err != nil || x.c.s.Join == nil || len(all) != 2 || all[0] != joinWord || strings.HasPrefix(all[1], "-") {
		return ""
	}
	return all[1]
}

// hushed gives a line for the log, without what may be a code that was mistyped.
func hushed(line string) string {
	if slices.Contains(strings.Fields(line), joinWord) {
		return joinWord + " ..."
	}
	return line
}

// join has somebody come by an invite, and attaches them if they have a terminal.
func (x *session) join(ctx context.Context, code string) (gateway.Result, error) {
	joined, err := x.come(ctx, code)
	if err != nil {
		return gateway.Result{}, err
	}
	if err := x.print(ctx, []byte(x.readable(joined.Text)+"\n"), false); err != nil || x.term == nil {
		return gateway.Result{}, err
	}
	if joined.Target == "" {
		return x.shell(ctx)
	}
	return x.command(ctx, []string{"attach-session", "-t", joined.Target})
}

// come asks for what a code gives, in the line like anything else.
func (x *session) come(ctx context.Context, code string) (Joined, error) {
	act, err := x.c.s.Join(x.c.who, code)
	if err != nil {
		return Joined{}, err
	}
	r, err := x.c.s.Gateway.Handle(ctx, gateway.Request{Identity: x.c.who, Door: Door, Act: act})
	joined, _ := r.Value.(Joined)
	return joined, err
}
