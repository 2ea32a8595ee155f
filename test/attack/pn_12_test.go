package attack

import (
	"fmt"
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
			for _, odd := range []string{"$P", "$P -c", "$P -c ''", "$P a b c", "$P <&- >&- 2>&-", "ulimit -n 3; $P", "$P mind-session",
				"$P enter-session", "$P mind-session 3</dev/null 4</dev/null 5</dev/null", "echo '{\"UID\":0}' | $P enter-session 3<&0",
				"env -i $P", "mkdir $D; cd $D; rmdir $D; $P", "trap '' HUP INT TERM; $P -c id </dev/null"} {
				r := w.as(tmuxtest.As(w.t, stranger).UID, "env", append(env, "P="+program, "D="+notes+"/gone", "timeout", "20", "sh", "-c", odd)...)
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
			if err := os.WriteFile(script, []byte("#!/bin/sh\nid -un >"+notes+"/$1\n"), 0o755); err != nil {
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
					within(tmuxtest.Patience/4, func() bool { return ranAs(notes, name) != "" })
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

// Mallory's account is that of an isolated server's panes, and she has a shell in one. She
// wants the tmux that it is in, and the other panes. In the control run she is in a pane
// of her own tmux, which can do all that.
func TestPN02OutOfThePane(t *testing.T) {
	t.Parallel()
	row{settings: isolatedSettings, people: isolatedPeople, grants: isolatedGrants, loose: isolatedGrants,
		restless: true, unlogged: true, gains: 6, attack: func(w *world) {
			w.isolated()
			notes := w.notes()
			s, target, other := w.Server("prod"), "main", w.server
			if w.control {
				w.Must(stranger, "new-session", "-d", "-s", "main")
				s, other = w.Server(stranger), w.Server(stranger)
			}
			shown := s.Run("display-message", "-p", "-t", target, "#{pane_pid} #{socket_path}")
			pane, inner, _ := strings.Cut(shown, " ")
			tty := other.Run("list-panes", "-a", "-F", "#{pane_tty}")
			first, _, _ := strings.Cut(tty, "\n")
			launch := strings.TrimSuffix(filepath.Dir(s.Socket), "/") + ".launch"
			var script strings.Builder
			attempt := func(what, command string) {
				fmt.Fprintf(&script, "if (%s) >/dev/null 2>&1 </dev/null; then echo %s >>%s/gained; fi\n", command, what, notes)
			}
			attempt("socket", "TMUX= timeout 10 tmux -S "+s.Socket+" list-sessions")
			attempt("inner-door", "TMUX= timeout 10 tmux -S "+inner+" list-sessions")
			attempt("launcher", "echo >"+launch+" || test -w "+launch)
			attempt("signal-tmux", fmt.Sprintf("kill -0 %d", s.PID))
			attempt("signal-pane", "kill -0 "+pane)
			attempt("signal-muxward", fmt.Sprintf("kill -0 %d", w.PID()))
			attempt("environment", fmt.Sprintf("head -c 1 /proc/%d/environ | grep -q .", s.PID))
			attempt("environment-pane", "head -c 1 /proc/"+pane+"/environ | grep -q .")
			attempt("descriptors", fmt.Sprintf("ls /proc/%d/fd | grep -q .", s.PID))
			attempt("memory", fmt.Sprintf("exec 3</proc/%d/mem", s.PID))
			attempt("terminal", "exec 3<>"+first)
			attempt("inherited", "ls /proc/self/fd | grep -q '[4-9]'")
			fmt.Fprintf(&script, "stat -c '%%a %%U' $(tty) >%s/mode; id -un >%s/done\n", notes, notes)
			if err := os.WriteFile(notes+"/script", []byte(script.String()), 0o644); err != nil {
				w.t.Fatal(err)
			}
			s.Run("send-keys", "-t", target, "sh "+notes+"/script", "Enter")
			tmuxtest.Eventually(w.t, func() bool { return ranAs(notes, "done") != "" }, "all was tried")
			if who := ranAs(notes, "done"); who != stranger {
				w.t.Errorf("the shell is %q's", who)
			}
			if mode := ranAs(notes, "mode"); mode != "620 "+stranger && mode != "600 "+stranger && !w.control {
				w.t.Errorf("the pane's terminal is %s", mode)
			}
			for what := range strings.FieldsSeq(ranAs(notes, "gained")) {
				w.gain("%s", what)
			}
		}}.run(t)
}
