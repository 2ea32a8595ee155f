package gateway

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/access"
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
		g.Executor = performs{}
		servers.give <- struct{}{}
		o := &oracle{}
		reqs, err := g.ParseText(t.Context(), Request{Identity: bob(t), Here: "alice", By: o}, line)
		var words []string
		for _, req := range reqs {
			words = append(words, strings.Join(req.Invocation.Words(), " "))
			if o.asked > 0 && !req.Invocation.Indirect {
				t.Errorf("%q: %s is taken for what was written", line, words)
			}
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

// TestWrittenBeforeItIsAsked: what is asked of the server is in the log before,
// even if nothing comes of it; and if it cannot be written, nothing is asked.
func TestWrittenBeforeItIsAsked(t *testing.T) {
	r := &rules{}
	r.allow.Store(true)
	g, servers, _, log, _ := guestGateway(t, r)
	g.Executor = performs{}
	o := &oracle{}
	req := Request{Identity: bob(t), Here: "alice", By: o}
	line := "%if #{m:*token*,#{buffer_sample}} nosuch %endif"
	servers.give <- struct{}{}
	if reqs, err := g.ParseText(t.Context(), req, line); len(reqs) > 0 || err != nil || o.asked != 1 {
		t.Fatalf("%v, %v, asked %d times", reqs, err, o.asked)
	}
	for _, want := range []access.EventKind{access.EventIntent, access.EventOutcome} {
		if ev := <-log.events; ev.Kind != want || want == access.EventIntent && !slices.Contains(ev.Asked, line) {
			t.Errorf("%s: %q, want %s", ev.Kind, ev.Asked, want)
		}
	}
	g.Log = torn{}
	servers.give <- struct{}{}
	if reqs, err := g.ParseText(t.Context(), req, line); len(reqs) > 0 || err == nil || o.asked != 1 {
		t.Errorf("with no log: %v, %v, asked %d times", reqs, err, o.asked)
	}
}

// torn is a log that cannot be written.
type torn struct{}

func (torn) Append(context.Context, access.Class, access.Event) (uint64, error) {
	return 0, errors.New("the disk is full")
}

// performs carries out acts, and nothing else.
type performs struct{}

func (performs) Execute(ctx context.Context, p *Permit) (Result, error) {
	return p.Request().Act.Do(ctx, p.Plan().Object)
}

// TestAnAnswerThatIsMissing: a line is not read if the server does not say what
// it means, or if the right to ask was taken meanwhile.
func TestAnAnswerThatIsMissing(t *testing.T) {
	r := &rules{}
	r.allow.Store(true)
	g, servers, _, _, _ := guestGateway(t, r)
	g.Executor = performs{}
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
