package attack

import (
	"strings"
	"testing"
)

// Names that read as something else: as another person's session, as an id, as
// a path, as another host's. Bob and a stranger want one of them to lead to
// what they may not see; an owner wants to make a session that others take for
// somebody else's. There is one reading of a name, and it never leads to
// another owner's session.
func TestTD13NamesThatLeadElsewhere(t *testing.T) {
	t.Parallel()
	row{teeth: "teeth_guest", restless: true, attack: func(w *world) {
		w.server.Run("new-session", "-d", "-s", "mwcarol/prod", "cat")
		forms := []string{
			"mwalice/secret", "mwalice//secret", "/secret", "mwalice/../mwalice/secret", "mwbob/../mwalice/secret",
			"mwalice%2fsecret", "localhost/mwalice/secret", "mwalice/mwalice/secret", "mwalice/=secret", "mwalice/$1",
			"mwalice/@1", "mwalice/%2", "mwalice/$7", "$1", "@1", "%2", "mwalice/", "mwalice", "mwalice/shared:mwalice/secret",
			"mwalice/shared:@1", "mwalice/shared:@0.%2", "mwcarol/prod", "mwalice/mwcarol/prod", "mwalice/\u202esecret",
			"mwalice/" + strings.Repeat("a", 4096), "mwalice/secret\n", "mwalice/secre*", "mwalice/s[e]cret", "=mwalice/secret",
			"mwalice/=mwcarol/prod:", "MWALICE/secret", " mwalice/secret", "mwalice/ secret",
		}
		for _, who := range []string{viewer, stranger} {
			for _, form := range forms {
				w.refused(who, "has-session", "-t", form)
				w.refused(who, "capture-pane", "-p", "-t", form)
				w.refused(who, "list-panes", "-t", form)
			}
		}
		for _, name := range []string{"mwcarol/own", "mwbob/x:y"} {
			w.refused(owner, "rename-session", "-t", "mwcarol/prod", name)
			w.refused(owner, "new-session", "-d", "-s", name)
		}
		if r := w.try(viewer, "ls", "-F", "#{session_name}"); r.Out != "mwalice/shared\n" {
			w.gain("bob's list is %q", r.Out)
		}
	}}.run(t)
}
