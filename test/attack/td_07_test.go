package attack

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// A typist tries the flags of the tmux program itself, and the commands that
// start things, to have a shell, a configuration of their own or a second
// server. What a client does by itself is its own business; over the wire no
// shell is given, no server starts, and nothing runs as the owner. In the
// control run the policy lets them make windows.
func TestTD07FlagsOfTheClient(t *testing.T) {
	t.Parallel()
	row{loose: everyVerb, attack: func(w *world) {
		conf := tmuxtest.Dir(w.t, tmuxtest.As(w.t, typist)) + "/evil.conf"
		if err := os.WriteFile(conf, []byte("run-shell '"+w.lure()+"'\n"), 0o644); err != nil {
			w.t.Fatal(err)
		}
		shared := "mwalice/shared:"
		for _, args := range [][]string{
			{"-c", w.lure()}, {"start-server"}, {"-f", conf, "start-server"}, {"-v", "source-file", conf},
			{"-f", conf, "new-window", "-d", "-t", shared}, {"-L", "other", "new-session", "-d", w.lure()},
			{"-D", "new-window", "-d", "-t", shared}, {"new-window", "-d", "-t", shared, w.lure()},
			{"split-window", "-d", "-t", shared, w.lure()}, {"run-shell", w.lure()}, {"if-shell", w.lure(), "ls"},
			{"pipe-pane", "-t", shared, w.lure()}, {"respawn-pane", "-k", "-t", shared, w.lure()},
			{"set-hook", "-g", "alert-bell", "run-shell '" + w.lure() + "'"},
			{"-S", w.door(typist), "new-window", "-d", "-t", shared, w.lure()}, {"-S", w.server.Socket, "new-session", "-d", w.lure()},
			{"-S", w.door(typist) + "2", "new-session", "-d", w.lure()}, {"-S", w.server.Socket + "2", "new-session", "-d", w.lure()},
		} {
			r := w.Tmux(typist, args...)
			// With -L and -S its client exits 0 after it could not start a server,
			// and start-server is done without starting one.
			elsewhere := args[0] == "-L" || args[0] == "-S" && args[1] != w.door(typist)
			if r.Code == 0 && !elsewhere && args[len(args)-1] != "start-server" {
				w.gain("%q", args)
			}
			if !elsewhere && args[0] != "-D" { // those have words with the client alone
				w.note(typist, args, r)
			}
		}
		for _, path := range []string{filepath.Join(filepath.Dir(w.door(typist)), "other"), w.door(typist) + "2", w.server.Socket + "2"} {
			if _, err := os.Stat(path); err == nil {
				w.gain("a second server came to be: %s", path)
			}
		}
	}}.run(t)
}
