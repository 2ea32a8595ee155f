package gateway

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/grants"
	"github.com/muxward/muxward/internal/tmux"
)

// oracle is an attachment at a server that answers everything, and counts.
type oracle struct {
	asked int
	lost  error
}

func (o *oracle) Wait(context.Context) (Result, error) { return Result{}, nil }

func (o *oracle) Expand(context.Context) (*tmux.Expansion, func() error) {
	return &tmux.Expansion{
		Variable:  func(name string) (string, bool) { o.asked++; return "[" + name + "]", true },
		Home:      func(user string) (string, bool) { o.asked++; return "/home/" + user, true },
		Condition: func(format string) bool { o.asked++; return format == "1" },
	}, func() error { return o.lost }
}

// TestLinesAreExpandedForWhoHoldsAll: what a line leaves to the server is asked
// for whoever holds every verb there, and then it is what is decided; for
// everybody else the server is not asked at all.
func TestLinesAreExpandedForWhoHoldsAll(t *testing.T) {
	r := &rules{}
	read := func(line string) (string, *oracle, error) {
		g, servers, _, _, _ := guestGateway(t, r)
		servers.give <- struct{}{}
		o := &oracle{}
		reqs, err := g.ParseText(t.Context(), Request{Identity: bob(t), Here: "alice", By: o}, line)
		var words []string
		for _, req := range reqs {
			words = append(words, strings.Join(req.Invocation.Words(), " "))
		}
		return strings.Join(words, " ; "), o, err
	}
	for line, want := range map[string]struct {
		owner, guest string
	}{
		"send-keys $A ~bob/x":               {"send-keys -- [A] /home/bob/x", "parse error: line 1, column 11: $A: not expanded here; write it out"},
		"%if 1 ls %else lsw %endif":         {"list-sessions", "parse error: line 1, column 1: %if: conditions are not decided here; write out what is meant"},
		"ls":                                {"list-sessions", "list-sessions"},
		"X=$A Y=2":                          {"parse error: syntax error", "parse error: line 1, column 3: $A: not expanded here; write it out"},
		"X=1 ls":                            {"set-environment -g -- X 1 ; list-sessions", "parse error: line 1, column 1: X: a line cannot set it; use set-environment -g"},
		"%hidden X='1 2'":                   {"set-environment -g -h -- X 1 2", "parse error: line 1, column 9: X: a line cannot set it; use set-environment -g"},
		"X=1 ; nosuch":                      {"set-environment -g -- X 1", "parse error: line 1, column 1: X: a line cannot set it; use set-environment -g"},
		"display-message '$A' '~' ; ls }":   {"parse error: syntax error", "parse error: syntax error"},
		"X=1 ; display-message $X ; ls \\$": {"parse error: command list-sessions: too many arguments (need at most 0)", "parse error: line 1, column 23: $X: not expanded here; write it out"},
	} {
		for who, want := range map[bool]string{true: want.owner, false: want.guest} {
			r.allow.Store(who)
			got, o, err := read(line)
			if err != nil && (got == "" || strings.HasPrefix(want, "parse error")) {
				got = err.Error()
			}
			if got != want {
				t.Errorf("%q, every verb %v: %s, want %s", line, who, got, want)
			}
			if !who && o.asked > 0 {
				t.Errorf("%q: the server was asked for a guest", line)
			}
		}
	}
}

// TestAnAnswerThatIsMissing: a line is not read if the server does not say what
// it means, or if the right to ask was taken meanwhile.
func TestAnAnswerThatIsMissing(t *testing.T) {
	r := &rules{}
	r.allow.Store(true)
	g, servers, _, _, _ := guestGateway(t, r)
	ask := func(o Attachment) error {
		servers.give <- struct{}{}
		reqs, err := g.ParseText(t.Context(), Request{Identity: bob(t), Here: "alice", By: o}, "display-message $A")
		if len(reqs) > 0 {
			t.Error("it was read all the same")
		}
		return err
	}
	gone := errors.New("gone")
	if err := ask(&oracle{lost: gone}); !errors.Is(err, gone) {
		t.Error(err)
	}
	if err := ask(nil); err == nil || !strings.Contains(err.Error(), "not expanded here") {
		t.Error(err)
	}
	if err := g.Denials.Add(grants.Denial{Person: "bob", By: "root"}); err != nil {
		t.Fatal(err)
	}
	o := &oracle{}
	if err := ask(o); err == nil || o.asked > 0 {
		t.Errorf("%v, asked %d times", err, o.asked)
	}
}
