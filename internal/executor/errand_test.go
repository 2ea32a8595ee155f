package executor

import (
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux"
)

// Of what is wrong with a value people are told what they have typed themselves, and
// nothing of what the owner of the server has bound, also behind an answer of theirs
// and by a command-alias.
func TestWhoseWordsAreTold(t *testing.T) {
	value := &tmux.ValueError{Text: "resize-pane -x \"of alice\": not a size"}
	e := &errand{opts: tmux.ParseOptions{Aliases: []tmux.CommandAlias{{Name: "wide", Value: "resize-pane -x 'of alice'"}}}}
	inv := &tmux.Invocation{Row: tmux.FindCommand("resize-pane")}
	e.next([]*tmux.Invocation{inv}) // of the binding
	e.author = both
	e.next([]*tmux.Invocation{inv}) // of the answer
	for i, told := range []bool{true, false} {
		e.author = e.todo[i].author
		if got := e.told("resize-pane: ", value); strings.Contains(got, "of alice") != told {
			t.Errorf("%d: %s", i, got)
		}
	}
	for line, want := range map[string]bool{"wide": true, "ls ; wide": true, "resize-pane -x 1": false} {
		if got := e.aliased(line); got != want {
			t.Errorf("%s: %v", line, got)
		}
	}
}

// What makes another pane current is what does so in tmux.
func TestWhatLeadsElsewhere(t *testing.T) {
	for line, want := range map[string]bool{
		"select-pane -L": true, "select-pane -T x": false, "select-pane -m": false, "new-window": true, "new-window -d": false, "split-window -dh": false, "rotate-window": true, "next-window": true,
		"switch-client -n": true, "select-layout tiled": false, "copy-mode": false, "run-shell x": false, "swap-pane -U": false, "kill-pane": false, "resize-pane -Z": false, "send-keys x": false,
	} {
		text, err := tmux.ParseText(line, tmux.ParseOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if got := leads(text.Commands[0]); got != want {
			t.Errorf("%s: %v", line, got)
		}
	}
	for line, want := range map[string]bool{"resize-pane -Z": true, "resize-pane -L": false, "select-layout tiled": true} {
		text, err := tmux.ParseText(line, tmux.ParseOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if got := moves(text.Commands[0]); got != want {
			t.Errorf("%s may show something else: %v", line, got)
		}
	}
}
