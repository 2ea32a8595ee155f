package main

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// TestClientOptions: what is for tmux's client is left out, and the command is
// what tmux would take for it.
func TestClientOptions(t *testing.T) {
	for _, c := range []struct{ line, argv, socket string }{
		{"tmux kill-pane -t x", "kill-pane -t x", ""},
		{"kill-pane -t x", "kill-pane -t x", ""},
		{"/usr/bin/tmux -2uL other ls", "ls", ""},
		{"tmux -Lother -f /x -u -- ls -L", "ls -L", ""},
		{"tmux -S /d/s -uS/e/s ls", "ls", "/e/s"},
		{"tmux", "", ""},
		{"tmux -", "-", ""},
	} {
		argv, socket, err := clientOptions(strings.Fields(c.line))
		if err != nil || !slices.Equal(argv, strings.Fields(c.argv)) || socket != c.socket {
			t.Errorf("%s: %q, %q, %v", c.line, argv, socket, err)
		}
	}
	for _, line := range []string{"tmux -C ls", "tmux -c ls", "tmux -V", "tmux -uC", "tmux -L", "tmux -z ls"} {
		var u usageError
		if argv, _, err := clientOptions(strings.Fields(line)); !errors.As(err, &u) {
			t.Errorf("%s: %q, %v", line, argv, err)
		}
	}
	env := map[string]string{"TMUX": "/d/in-1/s,12,0", "TMUX_PANE": "%3"}
	c, err := explainCall([]string{"tmux", "ls"}, func(name string) string { return env[name] })
	if err != nil || c.Pane != "%3" || c.Socket != "/d/in-1/s" || c.Act != "explain" {
		t.Errorf("%+v, %v", c, err)
	}
	if _, err := explainCall([]string{"tmux", "ls\xff"}, func(string) string { return "" }); err == nil {
		t.Error("bytes that cannot be passed on are taken")
	}
}
