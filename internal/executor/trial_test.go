package executor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/tmux"
)

// alices is a server of which no more is asked than whose it is.
type alices struct{ Server }

func (alices) Owner() string { return "alice" }

// trying is a trial by somebody who is where nothing else is known.
func trying() *trial {
	s := &seat{live: new(gateway.Live), server: alices{}}
	s.stage.Store(&stage{})
	return &trial{e: &errand{k: &keyboard{s: s}}}
}

// bound makes keys of commands, as they are listed.
func bound(t *testing.T, commands ...string) []tmux.BoundKey {
	t.Helper()
	var listed strings.Builder
	for i, c := range commands {
		fmt.Fprintf(&listed, "bind-key -T prefix F%d %s\n", i+1, c)
	}
	tables, err := tmux.ParseKeyTables(tmux.Version{Major: 3, Minor: 5}, [][]byte{nil, []byte(listed.String())}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var keys []tmux.BoundKey
	for i := range commands {
		for _, b := range tables.Bound("prefix") {
			if b.Key == fmt.Sprint("F", i+1) {
				keys = append(keys, b)
			}
		}
	}
	if len(keys) != len(commands) {
		t.Fatalf("%d of %d are bound", len(keys), len(commands))
	}
	return keys
}

// TestEachKeyHasItsOwnAnswer: whatever stands beside a key, what is listed of it is
// what was decided of its own commands: with conditions, questions, and commands that
// several keys have.
func TestEachKeyHasItsOwnAnswer(t *testing.T) {
	tr := trying()
	keys := bound(t, "kill-pane", "next-window", "next-window \\; kill-pane", "if-shell -F 1 kill-pane next-window",
		"if-shell -F 1 kill-pane kill-window", "confirm-before kill-pane", "confirm-before -p x next-window",
		"command-prompt -p x { rename-window \"%%\" }", "command-prompt", "detach-client", "list-keys", "next-window \\; next-window", "kill-window")
	tried, reqs, err := tr.tryAll(t.Context(), keys)
	if err != nil || len(tried) != len(keys) {
		t.Fatalf("%d tried, %v", len(tried), err)
	}
	var answers []gateway.Permission
	for i, r := range reqs {
		name := r.Invocation.Row.Name
		if slices.ContainsFunc(reqs[:i], func(q gateway.Request) bool { return q.Invocation.Row.Name == name }) {
			t.Errorf("%s is asked about twice", name)
		}
		need := gateway.Need{Verb: access.Layout, Object: access.Object{Owner: name}}
		answers = append(answers, gateway.Permission{Allowed: !strings.HasPrefix(name, "kill"), Needs: []gateway.Need{need}})
	}
	var may []string
	for i, c := range tried {
		ok, needs := c.answer(answers)
		if ok {
			may = append(may, keys[i].Key)
		}
		for _, n := range needs {
			if strings.HasPrefix(n.Object.Owner, "kill") {
				t.Errorf("%s rests on %s", keys[i].Key, n.Object.Owner)
			}
		}
		if ok, _ := c.answer(nil); ok && c.asks > 0 {
			t.Errorf("%s may be pressed without an answer", keys[i].Key)
		}
	}
	if want := []string{"F2", "F4", "F7", "F8", "F9", "F10", "F11", "F12"}; !slices.Equal(may, want) {
		t.Errorf("these may be pressed: %v, want %v", may, want)
	}
}

// TestHelpIsBounded: however much a key and all keys are bound to, help goes through so
// many commands, and none for somebody who has gone.
func TestHelpIsBounded(t *testing.T) {
	long := strings.TrimSuffix(strings.Repeat("next-window \\; ", maxSteps+1), " \\; ")
	tried, _, err := trying().tryAll(t.Context(), bound(t, long, "next-window"))
	if err != nil || len(tried) != 2 || tried[0].of != nil || tried[1].of == nil {
		t.Errorf("%+v, %v", tried, err)
	}
	var many []string
	for i := range 2 * maxTried / 80 {
		var all []string
		for n := range 80 {
			all = append(all, fmt.Sprintf("select-window -t :%d", 80*i+n))
		}
		many = append(many, strings.Join(all, " \\; "))
	}
	tr := trying()
	tried, reqs, err := tr.tryAll(t.Context(), bound(t, many...))
	if err != nil || len(tried) >= len(many) || len(reqs) > maxAsked || tr.tried > maxTried+maxSteps {
		t.Errorf("%d keys, %d commands, %d asked about, %v", len(tried), tr.tried, len(reqs), err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := trying().tryAll(ctx, bound(t, "next-window")); !errors.Is(err, context.Canceled) {
		t.Errorf("for who has gone it is %v", err)
	}
	if got := cut("日本語", 2); got != "日本" || cut("ab", 2) != "ab" {
		t.Errorf("cut to %q", got)
	}
}
