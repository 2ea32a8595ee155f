package attack

import (
	"strings"
	"testing"
)

// Carol may name windows, panes and buffers. The owner has commands of his own
// in which such names stand. She gives names that would be more than words in
// a command of tmux, a format or a shell. A guest's name is words; she is told
// which character is not.
func TestTM34NamesThatAreMore(t *testing.T) {
	t.Parallel()
	helps := standardGrants + `  - {who: mwcarol, role: operator, on: mwalice/shared, reason: helps}
  - {who: mwcarol, verbs: [copy], on: mwalice, reason: reads}
`
	row{grants: helps, teeth: "teeth_guest", restless: true, gains: 3, attack: func(w *world) {
		const at = "mwalice/shared:0"
		for _, name := range []string{
			"x;" + w.lure(), "x'; " + w.lure() + "; '", `x"; ` + w.lure() + `; "`, "$(" + w.lure() + ")", "`" + w.lure() + "`",
			"#(" + w.lure() + ")", "##(" + w.lure() + ")", "#{E:status-left}", "a%%b", "{x}", "~root", "a\\", "a\nb", "a\x1b]0;x\x07", "a\xffb", "a\u202eb", "-x",
		} {
			for _, args := range [][]string{
				{"rename-window", "-t", at, "--", name}, {"new-window", "-d", "-t", "mwalice/shared:", "-n", name, "cat"},
				{"select-pane", "-t", at + ".0", "-T", name}, {"capture-pane", "-t", at + ".0", "-b", name},
			} {
				r := w.refused(carol, args...)
				if !w.control && !strings.Contains(r.Err, "name that a guest gives") && !strings.Contains(r.Err, "is not UTF-8") {
					w.t.Errorf("%q: she is not told what is wrong: %+v", args, r)
				}
			}
			// The owner's own command, with the names in it. 3.2 tells the shell's exit code,
			// to which a name in the control run may be half a command.
			for _, format := range []string{"#{window_name}", "#{pane_title}"} {
				if out, err := w.server.Try("run-shell", "-t", "shared:0.0", "true "+format); err != nil && !w.control {
					w.t.Errorf("the owner's command with %s: %q (%v)", format, out, err)
				}
			}
		}
		soonIf(w.control, func() bool { return caught(w) })
		for _, name := range []string{"build 2.1", "größe_1", "作業", "a/b@c+d,e=f"} {
			for _, args := range [][]string{{"rename-window", "-t", at, name}, {"select-pane", "-t", at + ".0", "-T", name}} {
				if r := w.try(carol, args...); r.Code != 0 && !w.control {
					w.t.Errorf("%q: %+v", args, r)
				}
			}
			if got := w.server.Run("display-message", "-p", "-t", "shared:0.0", "#{window_name}|#{pane_title}"); got != name+"|"+name && !w.control {
				w.t.Errorf("named %q, is %q", name, got)
			}
		}
	}}.run(t)
}
