package main

import (
	"errors"
	"testing"

	"github.com/muxward/muxward/internal/acts"
	"github.com/muxward/muxward/internal/server/ctld"
)

// Whoever ends what somebody left is told that there may be more.
func TestLeftFails(t *testing.T) {
	ended, not := &acts.LeftPane{Hangup: "ended"}, &acts.LeftPane{Hangup: "not ended: not permitted"}
	look, name, all := ctld.Call{}, ctld.Call{Hangup: true, Panes: []string{"%1"}}, ctld.Call{Hangup: true, Sure: true}
	for _, c := range []struct {
		l     acts.LeftBehind
		call  ctld.Call
		fails bool
	}{
		{acts.LeftBehind{Complete: true, Panes: []*acts.LeftPane{ended, {}}}, name, false},
		{acts.LeftBehind{Complete: true, Panes: []*acts.LeftPane{ended, {}}}, all, true},
		{acts.LeftBehind{Complete: true, Panes: []*acts.LeftPane{ended}}, all, false},
		{acts.LeftBehind{Complete: true, Panes: []*acts.LeftPane{ended, not}}, name, true},
		{acts.LeftBehind{Panes: []*acts.LeftPane{ended}}, name, true},
		{acts.LeftBehind{Panes: []*acts.LeftPane{{}}}, look, false},
	} {
		if err := leftFailed(c.l, c.call); (err != nil) != c.fails {
			t.Errorf("%+v, %+v: %v", c.l, c.call, err)
		}
	}
}

// TestEmptyNameIsNoPane: so it is at the client, which asks for nothing then.
func TestEmptyNameIsNoPane(t *testing.T) {
	for _, args := range [][]string{{"bob", "--hangup", ""}, {"bob", "--hangup", ","}, {"bob", "--hangup", "%1,"}, {"bob", "--hangup", "%1", ""}, {"bob", "--hangup"}} {
		cmd := newLeftBehindCmd()
		cmd.SetArgs(append(args, "--state", t.TempDir()))
		cmd.SilenceErrors, cmd.SilenceUsage = true, true
		var usage usageError
		if err := cmd.Execute(); !errors.As(err, &usage) {
			t.Errorf("left-behind %q: %v", args, err)
		}
	}
}
