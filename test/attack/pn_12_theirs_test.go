package attack

import (
	"os"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// paneNamed gives the pane of a window by its name.
func (w *world) paneNamed(s host.Server, name string) (id string) {
	w.t.Helper()
	tmuxtest.Eventually(w.t, func() bool {
		for line := range strings.Lines(s.Run("list-panes", "-a", "-F", "#{window_name} #{pane_id}")) {
			if f := strings.Fields(line); len(f) == 2 && f[0] == name {
				id = f[1]
			}
		}
		return id != ""
	}, "the pane of "+name+" is there")
	return id
}

// heldPAM is a PAM service whose sessions wait as long as a file is not there.
func heldPAM(t *testing.T, service string) (gate string) {
	t.Helper()
	dir := tmuxtest.Dir(t, tmuxtest.Account{})
	gate = dir + "/open"
	for name, text := range map[string]string{"open": "", "wait": "#!/bin/sh\nwhile [ ! -e " + gate + " ]; do sleep 0.05; done\n"} {
		if err := tmuxtest.WriteProgram(dir+"/"+name, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	tmuxtest.PAM(t, service, "auth required pam_permit.so\naccount required pam_exec.so quiet "+dir+"/wait\nsession required pam_permit.so\n")
	return gate
}

// On prod/db bob does everything but type, and on prod/main that, too. Carol makes a pane in db,
// whose session takes its time to begin: nobody knows yet which account it will be. Bob moves it to
// main meanwhile, to type there when it has begun.
func TestPN12MovedBeforeItBegins(t *testing.T) {
	t.Parallel()
	gate := heldPAM(t, "mwpn12")
	grants := standardGrants + `  - {who: mwcarol, role: owner, on: prod, reason: runs it}
  - {who: mwbob, role: operator, on: prod/main, reason: runs it}
  - {who: mwbob, verbs: [view, scroll, suggest, copy, navigate, layout, spawn, close-pane, close-window, resize], on: prod/db, reason: watches}
`
	row{settings: "isolated: {prod: {account: mwwork, run_as: mwmallory, sessions: [main, db], people_as_themselves: [root], pam: required, pam_service: mwpn12, pam_wait: 60s}}\n",
		people: isolatedPeople, grants: grants, teeth: "teeth_gained", restless: true, unlogged: true, attack: func(w *world) {
			s := w.isolated()
			notes := w.notes()
			tmuxtest.Eventually(w.t, func() bool {
				return strings.Contains(w.Tmux(carol, "capture-pane", "-p", "-t", "prod/db").Out, "$")
			}, "db has its session")
			if err := os.Remove(gate); err != nil {
				w.t.Fatal(err)
			}
			w.try(carol, "new-window", "-d", "-t", "prod/db", "-n", "hers", "exec sh")
			id := w.paneNamed(s, "hers")
			w.try(viewer, "join-pane", "-d", "-s", "prod/"+id, "-t", "prod/main:0")
			if err := os.WriteFile(gate, nil, 0o644); err != nil {
				w.t.Fatal(err)
			}
			within(tmuxtest.Patience, func() bool { // it begins
				w.try(carol, "send-keys", "-t", "prod/"+id, "id -un >"+notes+"/hers", "Enter")
				return ranAs(notes, "hers") != ""
			})
			if who := ranAs(notes, "hers"); who != stranger {
				w.t.Fatalf("carol types there as %q", who)
			}
			w.try(viewer, "send-keys", "-t", "prod/"+id, "id -un >"+notes+"/his", "Enter")
			w.try(carol, "send-keys", "-t", "prod/"+id, "id -un >"+notes+"/last", "Enter")
			within(tmuxtest.Patience, func() bool { return ranAs(notes, "last") != "" })
			if who := ranAs(notes, "his"); who != "" {
				w.gain("bob types there as %s", who)
			}
		}}.run(t)
}

// Carol had a pane of her own on prod, where people have that no more, and the people file says by now
// that another account is hers: whose the pane is cannot be told. Bob, who holds every verb on prod,
// types into it, and has it start his program.
func TestPN12NobodyKnowsWhose(t *testing.T) {
	t.Parallel()
	row{settings: themselvesSettings, people: isolatedPeople, grants: themselvesGrants, teeth: "teeth_theirs",
		restless: true, unlogged: true, attack: func(w *world) {
			s := w.isolated()
			notes := w.notes()
			w.Must(carol, "new-window", "-d", "-t", "prod/main", "-n", "hers", "exec sh")
			id := w.paneNamed(s, "hers")
			line := func(name string) string { return "id -un >" + notes + "/" + name }
			w.Stop()
			path := w.Base + "/muxward.yaml"
			text, err := os.ReadFile(path)
			if err != nil {
				w.t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(strings.Replace(string(text), ", people_as_themselves: true", "", 1)), 0o644); err != nil {
				w.t.Fatal(err)
			}
			w.WritePolicy("people.yaml", strings.Replace(isolatedPeople, "mwcarol: {}", "mwcarol: {account: daemon}", 1))
			w.Run()
			tmuxtest.Eventually(w.t, func() bool { return w.Tmux(viewer, "has-session", "-t", "prod/main").Code == 0 }, "prod is taken up")
			w.try(viewer, "send-keys", "-t", "prod/"+id, line("typed"), "Enter")
			w.try(viewer, "respawn-pane", "-k", "-t", "prod/"+id, line("respawned")+"; exec sh")
			s = w.Server("prod")
			s.Run("send-keys", "-t", id, line("last"), "Enter") // past muxward, and behind all that
			within(tmuxtest.Patience, func() bool { return ranAs(notes, "last") != "" })
			for _, name := range []string{"typed", "respawned"} {
				if who := ranAs(notes, name); who != "" {
					w.gain("%s: as %s", name, who)
				}
			}
			if who := ranAs(notes, "last"); who != carol && !w.control {
				w.t.Errorf("her shell says %q", who)
			}
		}}.run(t)
}
