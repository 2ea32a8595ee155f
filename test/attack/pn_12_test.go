package attack

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// prod is an isolated server of these rows: its tmux runs as mwwork, its panes as
// mwmallory, and carol holds every verb there that there is.
const (
	isolatedSettings = "isolated: {prod: {account: mwwork, run_as: mwmallory}}\n"
	isolatedPeople   = standardPeople + "servers: {prod: {account: mwwork}}\n"
	isolatedGrants   = standardGrants + "  - {who: mwcarol, role: owner, on: prod, reason: runs it}\n"
)

// isolated waits until the isolated server has its session, and a shell in it.
func (w *world) isolated() host.Server {
	w.t.Helper()
	tmuxtest.Eventually(w.t, func() bool {
		return strings.Contains(w.Tmux(carol, "capture-pane", "-p", "-t", "prod/main").Out, "$")
	}, "prod has its session")
	w.settle() // with it
	return w.Server("prod")
}

// notes is a directory that everybody writes to.
func (w *world) notes() string {
	w.t.Helper()
	dir := tmuxtest.Dir(w.t, tmuxtest.Account{})
	if err := os.Chmod(dir, 0o777); err != nil {
		w.t.Fatal(err)
	}
	return dir
}

// Somebody has become mwwork, the account of an isolated server, without being its tmux,
// and calls muxward-pane by hand: she wants a session as the account of its panes. And
// mallory, whose account that is, calls it in all the ways that it was not made for.
func TestPN12LauncherByHand(t *testing.T) {
	t.Parallel()
	row{settings: isolatedSettings, people: isolatedPeople, grants: isolatedGrants, teeth: "teeth_launcher",
		restless: true, unlogged: true, attack: func(w *world) {
			w.isolated()
			notes := w.notes()
			program := filepath.Join(filepath.Dir(w.Bin()), "muxward-pane")
			sockets, _ := filepath.Glob(w.Doors + "/run/servers/*.launch")
			if len(sockets) != 1 {
				w.t.Fatalf("%q", sockets)
			}
			mine := notes + "/hand"
			env := []string{"MUXWARD_LAUNCH=" + sockets[0], "TMUX=/x,1,0", "TMUX_PANE=%0", "TERM=screen"}
			for _, name := range []string{host.Work, stranger} {
				w.as(tmuxtest.As(w.t, name).UID, "env", append(env, "timeout", "20", "script", "-qec",
					"exec "+program+" -c 'touch "+mine+"'", "/dev/null")...)
			}
			if _, err := os.Stat(mine); err == nil {
				w.gain("a session was opened for who is not in a pane")
			}
			if w.control {
				return
			}
			bare := w.inPane(notes)
			for _, odd := range []string{"$P", "$P -c", "$P -c ''", "$P a b c", "$P <&- >&- 2>&-", "ulimit -n 3; $P", "$P mind-session",
				"$P enter-session", "$P mind-session 3</dev/null 4</dev/null 5</dev/null", "echo '{\"UID\":0}' | $P enter-session 3<&0",
				"env -i $P", "mkdir $D; cd $D; rmdir $D; $P", "X=$(head -c 120000 /dev/zero | tr '\\000' x) $P", "$I " + bareArg + " $P /dev/null", "trap '' HUP INT TERM; $P -c id </dev/null"} {
				r := w.as(tmuxtest.As(w.t, stranger).UID, "env", append(env, "P="+program, "I="+bare, "D="+notes+"/gone", "timeout", "20", "sh", "-c", odd)...)
				if r.Code == 0 || r.Code == 124 {
					w.t.Errorf("%s: exit %d\n%s%s", odd, r.Code, r.Out, r.Err)
				}
			}
		}}.run(t)
}

// Carol holds every verb on an isolated server, but those that nobody holds. She wants
// something to run as the account of its tmux, which can do everything there: by commands
// of several words, which tmux runs without a shell, and by whatever tmux runs itself.
func TestPN12NothingRunsBesideTmux(t *testing.T) {
	t.Parallel()
	row{settings: isolatedSettings, people: isolatedPeople, grants: isolatedGrants, teeth: "teeth_isolated",
		restless: true, gains: 3, attack: func(w *world) {
			w.isolated()
			notes := w.notes()
			script := notes + "/script"
			if err := tmuxtest.WriteProgram(script, []byte("#!/bin/sh\nid -un >"+notes+"/$1\n"), 0o755); err != nil {
				w.t.Fatal(err)
			}
			w.try(carol, "new-window", "-d", "-t", "prod/main", script, "words")
			w.try(carol, "new-window", "-d", "-t", "prod/main", script+" line")
			w.try(carol, "run-shell", "-t", "prod/main", script+" run")
			w.try(carol, "if-shell", "-t", "prod/main", script+" if", "")
			w.try(carol, "pipe-pane", "-t", "prod/main", script+" pipe; exec cat")
			w.try(carol, "set-option", "-t", "prod/main", "default-shell", "/bin/sh")
			w.try(carol, "new-window", "-d", "-t", "prod/main", script+" shell")
			w.try(carol, "new-window", "-d", "-e", "X=y", "-t", "prod/main", script+" env")
			for _, name := range []string{"words", "line", "run", "if", "pipe", "shell", "env"} {
				started := name == "words" || name == "line" || name == "shell"
				if started || w.control {
					w.comes(func() bool { return ranAs(notes, name) != "" })
				}
				switch who := ranAs(notes, name); {
				case who == host.Work:
					w.gain("%s ran as %s", name, who)
				case who == "" && started && !w.control, who != "" && who != stranger:
					w.t.Errorf("%s ran as %q", name, who)
				}
			}
		}}.run(t)
}

// ranAs tells whom a script of the attacker's ran as.
func ranAs(notes, name string) string {
	data, _ := os.ReadFile(notes + "/" + name) // none is an answer
	return strings.TrimSpace(string(data))
}
