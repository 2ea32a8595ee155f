package tmux_test

import (
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

func TestRunsProgram(t *testing.T) {
	opts := tmux.ParseOptions{Version: tmux.Version{Major: 3, Minor: 5}}
	for text, want := range map[string]bool{
		"new-window":                                       false,
		"new-window -c '#{pane_current_path}'":             false,
		"new-window htop":                                  true,
		`select-pane -U \; resize-pane -Z`:                 false,
		"run-shell x":                                      true,
		"run-shell -d 1":                                   false,
		`split-window \; run-shell -b x`:                   true,
		"if-shell -F '#{pane_in_mode}' 'send -M' 'send x'": false,
		"if-shell -F 1 'run x'":                            true,
		"if-shell -F 1 { if-shell -F 1 { run-shell x } }":  true,
		"if-shell true 'send x'":                           true,
		"confirm-before 'kill-pane'":                       false,
		"confirm-before 'run x'":                           true,
		"display-menu a b 'run x'":                         true,
		"display-message '#(x)'":                           true,
		"display-popup x":                                  true,
		"pipe-pane x":                                      true,
		"send-keys -X copy-pipe x":                         true,
		"send-keys -X copy-pipe-and-cancel":                false, // by copy-command, if that is set
		"bind-key x run-shell y":                           true,
		"source-file x":                                    true,
		"choose-tree 'run-shell x'":                        true,
		"command-prompt 'run-shell x'":                     true,
		"display-panes 'run-shell x'":                      true,
		"set-hook -g after-new-window 'run-shell x'":       true,
		"respawn-pane x":                                   true,
		"new-session -d x":                                 true,
		"confirm-before what":                              true, // which is no command
	} {
		_, _, b, ok := tmux.ListedKey("bind-key -T prefix x "+text, opts.Version)
		if !ok {
			t.Errorf("%q is not read", text)
		} else if got := b.RunsProgram(opts); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

// Of the keys that tmux itself binds none runs a program.
func TestOwnKeysRunNothing(t *testing.T) {
	s := tmuxtest.Start(t, tmuxtest.Config{})
	s.NewSession("work", "")
	v, err := tmux.ParseVersion(strings.TrimSpace(s.Run("display-message", "-p", "#{version}")))
	if err != nil {
		t.Fatal(err)
	}
	opts := tmux.ParseOptions{Version: v}
	n := 0
	for line := range strings.Lines(s.Run("list-keys")) {
		table, key, b, ok := tmux.ListedKey(strings.TrimSuffix(line, "\n"), opts.Version)
		if !ok {
			t.Errorf("not read: %s", line)
		} else if n++; b.RunsProgram(opts) {
			t.Errorf("%s %s: %s", table, key, b.Text())
		}
	}
	if n < 100 {
		t.Errorf("only %d keys", n)
	}
}
