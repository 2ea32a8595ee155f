package attack

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// In these rows people's panes on prod run as themselves; the others run as mwmallory.
const (
	themselvesSettings = "isolated: {prod: {account: mwwork, run_as: mwmallory, people_as_themselves: true}}\n"
	themselvesGrants   = standardGrants + `  - {who: mwcarol, role: owner, on: prod, reason: runs it}
  - {who: mwbob, role: owner, on: prod, reason: runs it}
`
)

// paneEnds waits until a pane that was made past muxward has ended.
func (w *world) paneEnds(s host.Server, argv ...string) {
	w.t.Helper()
	id := strings.TrimSpace(s.Run(append([]string{"new-window", "-d", "-t", "main", "-P", "-F", "#{pane_id}"}, argv...)...))
	tmuxtest.Eventually(w.t, func() bool {
		return !strings.Contains(s.Run("list-panes", "-s", "-t", "main", "-F", "#{pane_id},")+",", id+",")
	}, "the pane %s has ended", id)
}

// Somebody has become mwwork, the account of prod's tmux, and has it make panes past muxward.
// She wants one that runs as carol: without a ticket, with one that she has made up, with
// one that carol has used, and with a name.
func TestPN12TicketsOfOthers(t *testing.T) {
	t.Parallel()
	row{settings: themselvesSettings, people: isolatedPeople, grants: themselvesGrants, teeth: "teeth_pass",
		restless: true, unlogged: true, gains: 4, attack: func(w *world) {
			s := w.isolated()
			notes := w.notes()
			w.Must(carol, "split-window", "-d", "-t", "prod/main", "exec cat")
			used := w.ticketOf(s)
			write := func(name string) string { return "id -un >" + notes + "/" + name }
			tries := map[string][]string{
				"none":   {write("none")},
				"forged": {"-e", "MUXWARD_TICKET=" + strings.Repeat("0", len(used)), write("forged")},
				"used":   {"-e", "MUXWARD_TICKET=" + used, write("used")},
				"other":  {"-e", "MUXWARD_TICKET=mwcarol", write("other")},
			}
			if w.control { // what is no ticket is not even asked with
				tries["other"] = []string{"-e", "USER=mwcarol", write("other")}
			}
			for name, argv := range tries {
				w.paneEnds(s, argv...)
				switch who := ranAs(notes, name); {
				case who == host.Carol:
					w.gain("%s: it ran as carol", name)
				case who != "" && (name != "none" || who != stranger):
					w.t.Errorf("%s ran as %q", name, who)
				}
			}
			if who := ranAs(notes, "none"); who == "" {
				w.t.Error("without a ticket nothing ran")
			}
		}}.run(t)
}

// ticketOf reads a ticket as whoever has the account of tmux can: from a pane's launcher.
func (w *world) ticketOf(s host.Server) (ticket string) {
	w.t.Helper()
	tmuxtest.Eventually(w.t, func() bool { // until its program runs, a pane is a copy of the server, which has none
		for pid := range strings.FieldsSeq(s.Run("list-panes", "-s", "-t", "main", "-F", "#{pane_pid}")) {
			r := w.as(tmuxtest.As(w.t, host.Work).UID, "cat", filepath.Join("/proc", pid, "environ"))
			for kv := range strings.SplitSeq(r.Out, "\x00") {
				if v, ok := strings.CutPrefix(kv, "MUXWARD_TICKET="); ok {
					ticket = v
				}
			}
		}
		return ticket != ""
	}, "a pane has a ticket")
	return ticket
}

// Bob splits again and again while carol does: he wants a pane of his that runs as her.
func TestPN12TwoSplitAtOnce(t *testing.T) {
	t.Parallel()
	row{settings: themselvesSettings, people: isolatedPeople, grants: themselvesGrants, teeth: "teeth_pass",
		restless: true, attack: func(w *world) {
			w.isolated()
			notes := w.notes()
			const rounds = 12
			var wg sync.WaitGroup
			for _, who := range []string{viewer, carol} {
				wg.Go(func() {
					for i := range rounds {
						w.try(who, "new-window", "-d", "-t", "prod/main", fmt.Sprintf("id -un >%s/%s-%d", notes, who, i))
					}
				})
			}
			wg.Wait()
			for _, who := range []string{viewer, carol} {
				for i := range rounds {
					name := fmt.Sprintf("%s-%d", who, i)
					soon(func() bool { return ranAs(notes, name) != "" })
					switch as := ranAs(notes, name); {
					case as == "":
						w.t.Errorf("%s did not run", name)
					case as != who:
						w.gain("a pane of %s ran as %s", who, as)
					}
				}
			}
		}}.run(t)
}

// A hook of prod makes a pane behind each that somebody makes. Whoever has a say in what runs
// there wants that to be carol's.
func TestPN12HooksMakePanes(t *testing.T) {
	t.Parallel()
	conf := filepath.Join(tmuxtest.Dir(t, tmuxtest.Account{}), "tmux.conf")
	notes := filepath.Dir(conf)
	if err := os.Chmod(notes, 0o777); err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("set-hook -g after-split-window \"new-window -d 'id -un >>%s/hook'\"\n", notes)
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	settings := strings.Replace(themselvesSettings, "}}", ", tmux_config: ["+conf+"]}}", 1)
	row{settings: settings, people: isolatedPeople, grants: themselvesGrants, teeth: "teeth_pass",
		restless: true, attack: func(w *world) {
			w.isolated()
			_ = os.Remove(notes + "/hook")
			w.try(carol, "split-window", "-d", "-t", "prod/main", "exec cat")
			soon(func() bool { return ranAs(notes, "hook") != "" })
			switch who := ranAs(notes, "hook"); who {
			case host.Carol:
				w.gain("the hook's pane ran as carol")
			case stranger:
			default:
				w.t.Errorf("the hook's pane ran as %q", who)
			}
		}}.run(t)
}

// Bob holds every verb on prod that there is, and carol has a pane of her own there. He wants
// to be her: he types there, pastes, starts a program in it, gives himself the right to, and
// presses keys in his display.
func TestPN12AnothersPane(t *testing.T) {
	t.Parallel()
	row{settings: themselvesSettings, people: isolatedPeople, grants: themselvesGrants, teeth: "teeth_theirs",
		restless: true, gains: 3, attack: func(w *world) {
			w.isolated()
			notes := w.notes()
			w.Must(carol, "new-window", "-t", "prod/main", "exec sh")
			pane := strings.TrimSpace(w.Server("prod").Run("display-message", "-p", "-t", "main", "#{pane_id}"))
			where := "prod/" + pane
			line := func(name string) string { return "id -un >" + notes + "/" + name }
			w.try(viewer, "send-keys", "-t", where, line("typed"), "Enter")
			w.Muxward(viewer, "grant", viewer, "typist", "-t", where, "--for", "10m", "--reason", "mine")
			w.try(viewer, "send-keys", "-t", where, line("given"), "Enter")
			x := w.attach(viewer, tmuxtest.TerminalConfig{}, "attach", "-t", "prod/main")
			x.WaitFor("$")
			x.Type(line("pressed") + "\r")
			if w.control {
				within(tmuxtest.Patience/4, func() bool { return ranAs(notes, "pressed") != "" })
			}
			w.try(viewer, "respawn-pane", "-k", "-t", where, line("respawned")+"; exec sh")
			// What carol types last comes behind all that.
			w.try(carol, "send-keys", "-t", where, line("last"), "Enter")
			w.comes(func() bool { return ranAs(notes, "last") != "" })
			for _, name := range []string{"typed", "given", "pressed", "respawned"} {
				if who := ranAs(notes, name); who == host.Carol || name == "respawned" && who != "" {
					w.gain("%s: %s", name, who)
				}
			}
			if who := ranAs(notes, "last"); who != host.Carol && !w.control {
				w.t.Errorf("carol types as %q", who)
			}
		}}.run(t)
}
