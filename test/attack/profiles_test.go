package attack

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// db is the session profile of these rows: its tmux runs as mwwork, its program, which is a
// cat, as mwmallory, and carol alone may start it.
const db = `profiles:
  db: {command: [/bin/cat], account: mwwork, run_as: mwmallory, who: [mwcarol], secrets: {DBPASS: $BASE/secret}}
`

// begins has carol start the profile.
func (w *world) begins() host.Server {
	w.t.Helper()
	w.Must(carol, "new-session", "-d", "-t", "db")
	s := w.Server("db")
	tmuxtest.Eventually(w.t, func() bool {
		runs := s.Run("list-panes", "-a", "-F", "#{pane_current_command}")
		return runs != "" && !strings.Contains(runs, "muxward") // what begins it costs descriptors, which are counted next
	}, "the profile runs")
	w.asked = time.Time{} // servers have come since
	w.settle()            // with it
	return s
}

// password is the secret of the profiles of a world.
func (w *world) password() string { return "PASSWORD-" + strings.TrimPrefix(w.mark, "MARK-") }

// Carol may start a profile whose program is no shell for her, and owns all of it. She wants
// a shell as the account that it runs as: by commands for new panes and for old ones, by what
// she sends along or sets, and by what tmux runs itself. Its panes say where they begin.
func TestPF01ShellOfAProfile(t *testing.T) {
	t.Parallel()
	says := strings.NewReplacer("[/bin/cat]", `[/bin/sh, -c, 'echo "at $PWD"; exec cat']`, "who:", "role: owner, who:").Replace(db)
	row{profiles: says, people: standardPeople + "servers: {db: {account: mwwork}}\n",
		grants: standardGrants + "  - {who: mwcarol, role: owner, on: db, reason: has all of it}\n",
		teeth:  "teeth_program,teeth_profiled,teeth_isolated", restless: true, unlogged: true, gains: 15, attack: func(w *world) {
			w.begins()
			notes := w.notes()
			script := notes + "/script"
			if err := tmuxtest.WriteProgram(script, []byte("#!/bin/sh\nid -un >"+notes+"/$1\n"), 0o755); err != nil {
				w.t.Fatal(err)
			}
			run := func(name string) string { return "sh " + script + " " + name + "; exec cat" }
			runs := func(names ...string) { // in the control run: none of these is ended by what follows
				for _, name := range names {
					if w.control {
						within(tmuxtest.Patience/4, func() bool { return ranAs(notes, name) != "" })
					}
				}
			}
			w.try(carol, "split-window", "-d", "-t", "db", run("split"))
			w.try(carol, "split-window", "-d", "-t", "db", "sh", script, "words")
			w.try(carol, "new-window", "-d", "-t", "db", run("window"))
			w.try(carol, "respawn-pane", "-k", "-t", "db", run("respawn"))
			w.try(carol, "respawn-window", "-k", "-t", "db:0", run("rewindow"))
			w.try(carol, "new-session", "-d", "-t", "db", run("session"))
			w.try(carol, "new-session", "-d", "-s", "db", run("named"))
			w.try(carol, "new-session", "-d", "-s", "db/mwcarol", run("whole"))
			w.try(carol, "new-session", "-d", "-t", "db/mwcarol", "-s", "other", run("group"))
			w.try(carol, "has-session", "-t", "db", ";", "split-window", "-d", "-t", "db", run("behind"))
			// What she sends along or sets is refused: not all of it would reach the program.
			w.refused(carol, "new-window", "-d", "-e", "ENV="+script, "-t", "db")
			w.refused(carol, "new-window", "-d", "-c", notes, "-t", "db")
			w.refused(carol, "set-environment", "-t", "db", "SHELL", script)
			w.refused(carol, "set-option", "-t", "db", "default-command", run("default"))
			if w.control {
				w.try(carol, "new-window", "-d", "-t", "db")
				runs("default")
			}
			w.try(carol, "run-shell", "-t", "db", run("run"))
			w.try(carol, "if-shell", "-t", "db", run("if"), "")
			w.try(carol, "pipe-pane", "-t", "db", run("pipe"))
			w.try(carol, "display-message", "-p", "-t", "db", "#("+run("format")+")")
			w.try(carol, "source-file", "-t", "db", script)
			w.try(carol, "display-popup", "-t", "db", run("popup"))
			shell := notes + "/tmux-shell" // which tmux would start as its own account
			if err := tmuxtest.WriteProgram(shell, []byte("#!/bin/sh\nid -un >"+notes+"/shell\nexec cat\n"), 0o755); err != nil {
				w.t.Fatal(err)
			}
			w.refused(carol, "set-option", "-t", "db", "default-shell", shell)
			w.try(carol, "new-window", "-d", "-t", "db") // the last of all: what it runs is there by then
			s := w.Server("db")
			if !w.control {
				tmuxtest.Eventually(w.t, func() bool { return strings.Contains(s.Run("list-windows", "-a"), "1:") }, "her new window is there")
			} else {
				runs("window", "rewindow", "behind", "shell", "run", "if", "pipe", "format")
			}
			for pane := range strings.FieldsSeq(s.Run("list-panes", "-a", "-F", "#{pane_id}")) {
				if shown := s.Run("capture-pane", "-p", "-t", pane); strings.Contains(shown, "at "+notes) {
					w.gain("a pane begins where she says: %s", shown)
				}
			}
			for _, name := range []string{"split", "words", "window", "respawn", "rewindow", "session", "named", "whole", "group", "behind",
				"default", "shell", "run", "if", "pipe", "format", "popup"} {
				if who := ranAs(notes, name); who != "" && who != typist {
					w.gain("%s ran as %s", name, who)
				}
			}
		}}.run(t)
}

// dull is a second profile, whose secret others may read, so that it is not used.
const dull = `  dull: {command: [/bin/cat], account: mwward, run_as: mwmallory, who: [mwcarol], secrets: {DBPASS: $BASE/open}}
`

// Carol's session of a profile has a secret that she is not to have, and her account is not
// the one that it runs as. She looks wherever she may: in what tmux knows, in the pane, in the
// processes, in the files, and in what muxward says; and root looks at what carol may not: tmux's
// variables, the processes of other accounts, and the log. Each is a gain of its own.
func TestPF02SecretOfAProfile(t *testing.T) {
	t.Parallel()
	words := strings.Replace(db, "[/bin/cat]", "[/bin/sh, -c, 'cat; :', db]", 1) // which takes any arguments
	row{profiles: words + dull, teeth: "teeth_secret", restless: true, unlogged: true, gains: 4, attack: func(w *world) {
		s := w.begins()
		if err := os.WriteFile(w.Base+"/open", []byte(w.password()+"\n"), 0o640); err != nil {
			w.t.Fatal(err)
		}
		shown := w.Terminal(carol, tmuxtest.TerminalConfig{}, "new-session", "-t", "dull") // its pane is refused
		tmuxtest.Eventually(w.t, func() bool { return strings.Contains(fmt.Sprintf("%+v", w.Audit()), "the secret DBPASS of dull") },
			"the log says why dull has none; carol sees %q", shown.Bytes())
		said := map[string]string{}
		hear := func(r host.Result) { said["tmux, to carol"] += r.Out + r.Err }
		for _, args := range [][]string{
			{"show-environment", "-g", "-t", "db"}, {"show-environment", "-t", "db"}, {"show-environment", "-t", "db", "DBPASS"},
			{"display-message", "-p", "-t", "db", "#{DBPASS} #{E:DBPASS} #{pane_start_command} #{T:DBPASS}"},
			{"list-panes", "-s", "-t", "db", "-F", "#{pane_start_command} #{pane_current_command} #{DBPASS}"},
			{"capture-pane", "-p", "-S-", "-t", "db"}, {"show-options", "-g", "-t", "db"}, {"show-messages", "-t", "db"},
		} {
			hear(w.Tmux(carol, args...))
		}
		hear(w.Muxward(carol, "profiles", "--json"))
		hear(w.Muxward(carol, "status", "--json"))
		hear(w.Muxward(carol, "explain", "view", "-t", "db/mwcarol"))
		looks := tmuxtest.As(w.t, carol).Command("sh", "-c",
			"cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ "+w.Base+"/secret "+w.Base+"/profiles.yaml 2>/dev/null; ps -efww")
		all, _ := looks.Output() // of most she may read nothing
		said["the processes, to carol"] = string(all)
		said["tmux's variables"] = s.Run("show-environment", "-g") + s.Run("show-environment", "-t", "mwcarol")
		said["the processes of others"] = variables(w.t, tmuxtest.As(w.t, stranger).UID)
		said["the terminal"] = string(shown.Bytes())
		said["what muxward prints"] = w.Output()
		said["the log"] = fmt.Sprintf("%+v", w.Audit())
		files, _ := filepath.Glob(w.Doors + "/run/servers/*")
		for _, f := range files {
			data, _ := os.ReadFile(f) // a socket has none
			said["the files"] += string(data)
		}
		for where, text := range said {
			if strings.Contains(text, w.password()) {
				w.gain("the secret is in %s", where)
			}
		}
		leave(shown)
	}}.run(t)
}

// variables are the variables and arguments of all processes but root's, and those of one uid.
func variables(t *testing.T, but uint32) string {
	t.Helper()
	var all strings.Builder
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range dirs {
		var st syscall.Stat_t
		if syscall.Stat(dir, &st) != nil || st.Uid == 0 || st.Uid == but {
			continue
		}
		for _, name := range []string{"environ", "cmdline"} {
			data, _ := os.ReadFile(dir + "/" + name) // it may have ended
			all.Write(data)
		}
	}
	if !strings.Contains(all.String(), "TMUX_TMPDIR=") {
		t.Error("no tmux server's variables were read")
	}
	return all.String()
}

// Mallory and bob may start no profile. Both want a session of it, or carol's, by every name that
// it has, and mallory to learn that there is one; and carol wants a session that is called as if
// it were alice's. In a second control run the policy has them among those who may, and what they
// attach to is theirs.
func TestPF03ProfileUnderAnothersName(t *testing.T) {
	t.Parallel()
	loose := strings.Replace(db, "who: [mwcarol]", "who: [mwcarol, mwbob, mwmallory]", 1)
	// Each is told of it, hears other answers, and has a session come to be.
	r := row{profiles: db, teeth: "teeth_startable,teeth_hidden", restless: true, unlogged: true, ssh: true, gains: 6, attack: func(w *world) {
		for _, who := range []string{stranger, viewer} {
			w.Must(who, "new-session", "-d", "-s", "own", "cat")
		}
		s := w.begins()
		before := s.Run("list-sessions", "-F", "#{session_name}")
		for _, who := range []string{stranger, viewer} {
			for _, args := range [][]string{
				{"has-session", "-t", "db"}, {"has-session", "-t", "db/" + who}, {"has-session", "-t", "db/$0"},
				{"capture-pane", "-p", "-t", "db"}, {"send-keys", "-t", "db/mwcarol", "x"}, {"send-keys", "-t", "db/%0", "x"},
				{"kill-session", "-t", "db/mwcarol"},
			} {
				w.refused(who, args...)
			}
			for _, name := range []string{"db", "db/mwcarol", "db/", "db:", "=db"} {
				if l := w.Control(who, "attach-session", "-t", name); w.attaches(l) {
					w.gain("%s attaches to %s", who, name)
				}
			}
			if a, b := w.Muxward(who, "unlock", "-t", "db"), w.Muxward(who, "unlock", "-t", "bd"); answer(a) != answer(b) {
				w.gain("%s learns of it: %+v, and else %+v", who, a, b)
			}
			// A session of theirs of that name is theirs, and no profile's.
			w.try(who, "new-session", "-d", "-s", "db")
			w.try(who, "new-session", "-d", "-t", "db")
			if r := w.Muxward(who, "profiles"); strings.Contains(r.Out, "db") {
				w.gain("%s is told of it: %s", who, r.Out)
			}
			w.SSH(who, "127.0.0.1", "attach-session -d -t db/mwcarol")
		}
		w.refused(carol, "new-session", "-d", "-t", "db", "-s", "mwalice")
		w.refused(carol, "new-session", "-d", "-s", "db/mwalice")
		w.refused(carol, "rename-session", "-t", "db", "mwalice")
		w.refused(carol, "has-session", "-t", "db/mwalice")
		w.refused(carol, "new-session", "-d", "-t", "db/mwcarol", "-s", "mwalice")
		for name := range strings.Lines(s.Run("list-sessions", "-F", "#{session_name}") + "\n") {
			if !strings.Contains("\n"+before+"\n", "\n"+strings.TrimSpace(name)+"\n") {
				w.gain("it has the session %q, and had %q", name, before)
			}
		}
	}}
	r.run(t)
	t.Run("widened", func(t *testing.T) {
		r.teeth, r.looseProfiles, r.loose, r.gains = "", loose, standardGrants, 10
		r.control(t)
	})
}

// attaches reports whether a client in control mode comes to a session of the profile.
func (w *world) attaches(l *host.Lines) bool {
	w.t.Helper()
	defer l.Close()
	came := func() bool { return l.Has("%session-changed") }
	if !soon(func() bool { return l.Ended() || came() }) {
		w.t.Errorf("an attach neither fails nor succeeds: %q", l.Said())
	}
	return came()
}

// answer is what somebody hears, but for the names in it.
func answer(r host.Result) string {
	return fmt.Sprintf("%d %s", r.Code, strings.ReplaceAll(r.Out+r.Err, "bd", "db"))
}
