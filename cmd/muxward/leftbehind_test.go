package main

import (
	"slices"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/tmux"
)

// Processes are a pane's by its terminal or their parents, and by what they say of
// themselves if they have left both; a circle in the table ends.
func TestProcessesOfPane(t *testing.T) {
	if !comesFrom(map[int]int{5: 4, 4: 3}, 5, 3) || comesFrom(map[int]int{5: 4, 4: 1}, 5, 3) || comesFrom(map[int]int{5: 4, 4: 5}, 5, 3) || comesFrom(nil, 5, 0) {
		t.Error("who comes from whom is not told")
	}
	all := processTable()
	if !slices.ContainsFunc(all, func(p proc) bool { return p.pid > 1 && p.parent > 0 && p.name != "" }) {
		t.Errorf("the table of processes is %v", all)
	}
}

// Every command of tmux leaves what it is said to, by its full name.
func TestLeavesBehindKnowsItsCommands(t *testing.T) {
	for _, name := range []string{"new-session", "new-window", "split-window", "new-pane", "respawn-pane", "respawn-window", "pipe-pane", "run-shell", "if-shell",
		"source-file", "display-popup", "set-buffer", "load-buffer", "capture-pane", "send-keys", "send-prefix", "paste-buffer", "set-hook", "bind-key",
		"unbind-key", "set-option", "set-window-option", "set-environment", "server-access"} {
		if row := tmux.FindCommand(name); row == nil || row.Name != name || leavesBehind(name) == "" {
			t.Errorf("%s is no command, or leaves nothing", name)
		}
	}
}

// What was asked for and has no outcome in the log is told, and is not sure.
func TestLeftWithoutOutcome(t *testing.T) {
	if got := objectOf([]string{"alice", "alice/$1:@2.%3", "alice/$1"}); got != "alice/$1:@2.%3" {
		t.Errorf("the narrowest is %q", got)
	}
	r := leftReader{person: "bob", servers: map[string]*leftServer{"alice#1": {}}, asked: map[uint64]leftIntent{}, typed: map[string]leftThing{}}
	r.asked[7] = leftIntent{command: []string{"set-option", "-g", "@x", "1"}, when: time.Unix(1, 0), server: "alice#1"}
	r.rest()
	if len(r.things) != 1 || r.things[0].Sure || r.things[0].Kind != "option" || r.things[0].Note == "" {
		t.Errorf("%+v", r.things)
	}
}
