package attack

import (
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux"
)

// Carol may do everything in sessions of one kind, and less in another: what
// she may do goes by the names of sessions and the indexes of panes. She renames
// and moves things until they are called what she may do more on: the session,
// the windows before or after hers, the panes. Nobody changes what anybody may
// do by giving names or places, unless they hold every verb anyway.
func TestTM33RightsByOtherNames(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, role string }{{"operator", "operator"}, {"owner", "owner"}} {
		grants := standardGrants + `  - {who: mwcarol, role: ` + c.role + `, on: mwalice/shared, reason: helps}
  - {who: mwcarol, role: owner, on: "mwalice/free*", reason: plays}
`
		// Pane b is not hers to type into, nor to read.
		const forbid = `forbid (principal == Person::"mwcarol", action in [Action::"type", Action::"copy"], resource in Pane::"mwalice/shared:0.1");
forbid (principal == Person::"mwcarol", action == Action::"detach-others", resource in Session::"mwalice/shared");
`
		t.Run(c.name, row{grants: grants, cedar: forbid, teeth: "teeth_guest", restless: true, gains: 4, attack: func(w *world) {
			b := "mwalice/" + w.b
			w.refused(carol, "send-keys", "-t", b, "x") // to begin with
			w.refused(carol, "rename-session", "-t", "mwalice/shared", "free")
			if w.control {
				w.server.Run("rename-session", "-t", "free", "shared")
			}
			w.refused(carol, "rename-session", "-t", "mwalice/shared", "shared2")
			if w.control {
				w.server.Run("rename-session", "-t", "shared2", "shared")
			}
			w.refused(carol, "new-window", "-d", "-b", "-t", "mwalice/shared:0", "cat")
			w.refused(carol, "new-window", "-d", "-a", "-t", "mwalice/shared:0", "cat")
			if w.control {
				w.server.Run("kill-window", "-a", "-t", w.a)
				w.server.Run("move-window", "-r", "-t", "shared")
			}
			w.refused(carol, "split-window", "-d", "-b", "-t", "mwalice/shared:0.0", "cat")
			w.refused(carol, "split-window", "-d", "-f", "-b", "-t", "mwalice/shared:0.1", "cat")
			w.refused(carol, "split-window", "-d", "-t", "mwalice/shared:0.0", "cat")
			if r := w.refused(carol, "send-keys", "-t", b, "x"); r.Code == 0 {
				w.soon(func() bool { return w.side.Len() > 0 })
			}
			w.refused(carol, "kill-pane", "-t", "mwalice/shared:0.0")
			w.refused(carol, "capture-pane", "-p", "-t", b)
			if w.control {
				return
			}
			w.server.Run("new-session", "-d", "-s", "free", "cat")
			for _, args := range [][]string{
				{"swap-pane", "-d", "-s", "mwalice/shared:0.0", "-t", b}, {"swap-pane", "-d", "-U", "-t", b}, {"rotate-window", "-t", "mwalice/shared:0"},
				{"join-pane", "-d", "-s", b, "-t", "mwalice/free:0"},
				{"swap-pane", "-d", "-s", b, "-t", "mwalice/free:0"}, {"break-pane", "-d", "-s", b, "-t", "mwalice/free:"},
				{"move-window", "-d", "-s", "mwalice/shared:0", "-t", "mwalice/free:"}, {"link-window", "-d", "-s", "mwalice/shared:0", "-t", "mwalice/free:"},
				{"swap-window", "-d", "-s", "mwalice/shared:0", "-t", "mwalice/free:0"},
			} {
				w.refused(carol, args...)
			}
			if r := w.try(carol, "join-pane", "-d", "-b", "-s", b, "-t", "mwalice/shared:0.0"); r.Code == 0 { // 3.7 leaves b behind a
				if in := w.server.Run("list-panes", "-t", "shared:0", "-F", "#{pane_id}"); !strings.HasPrefix(in+"\n", w.a+"\n"+w.b+"\n") || !countsBehind(w) {
					w.gain("b was joined before a: the panes are now %q", in)
				}
			}
			// What moves nothing that matters she may do.
			for _, args := range [][]string{
				{"split-window", "-d", "-t", "mwalice/shared:0.1", "cat"}, {"new-window", "-d", "-t", "mwalice/shared:", "cat"},
				{"rename-window", "-t", "mwalice/shared:0", "mine"}, {"kill-pane", "-t", "mwalice/shared:0.2"},
			} {
				if r := w.try(carol, args...); r.Code != 0 {
					w.t.Errorf("%q: %+v", args, r)
				}
			}
		}}.run)
	}
}

// countsBehind reports whether join-pane -b leaves a pane's number behind its target's, as 3.7 does.
func countsBehind(w *world) bool {
	v := versionOf(w)
	return v.AtLeast(tmux.Version{Major: 3, Minor: 7}) && !v.AtLeast(tmux.Version{Major: 3, Minor: 8})
}

// versionOf is that of the guarded server.
func versionOf(w *world) tmux.Version {
	w.t.Helper()
	v, err := tmux.ParseVersion(strings.TrimSpace(w.server.Run("display-message", "-p", "#{version}")))
	if err != nil {
		w.t.Fatal(err)
	}
	return v
}

// Carol helps in a session in which one pane is hidden from her: the one that
// is active. She rotates the panes of its window until the hidden one has the
// index of hers, and reads it. Which pane she may not know of makes no difference
// to what she may move.
func TestTM33HiddenPaneMoved(t *testing.T) {
	t.Parallel()
	helps := standardGrants + "  - {who: mwcarol, role: operator, on: mwalice/shared, reason: helps}\n"
	const forbid = `forbid (principal == Person::"mwcarol", action, resource in Pane::"mwalice/shared:0.0") unless { context.own };` + "\n"
	row{grants: helps, cedar: forbid, loose: everyVerb, restless: true, attack: func(w *world) {
		w.refused(carol, "rotate-window", "-t", "mwalice/shared:0")
		w.refused(carol, "rotate-window", "-D", "-t", "mwalice/shared:0")
		if in := w.server.Run("list-panes", "-t", "shared:0", "-F", "#{pane_id}"); in != w.a+"\n"+w.b {
			w.gain("the panes are now %q", in)
		}
	}}.run(t)
}

// Carol may close windows in a session in which one is hidden from her, and its
// owner has tmux renumber windows. She closes the one before it, so that the
// hidden one takes its index, and reads it.
func TestTM33HiddenWindowRenumbered(t *testing.T) {
	t.Parallel()
	closes := standardGrants + "  - {who: mwcarol, role: operator, on: mwalice/shared, reason: helps}\n"
	const forbid = `forbid (principal == Person::"mwcarol", action, resource in Window::"mwalice/shared:3") unless { context.own };` + "\n"
	row{grants: closes, cedar: forbid, loose: everyVerb, restless: true, conf: "set -g renumber-windows on\n", attack: func(w *world) {
		w.server.Run("new-window", "-d", "-t", "shared:1", "cat", ";", "new-window", "-d", "-t", "shared:2", "cat", ";",
			"split-window", "-d", "-t", "shared:2", "cat", ";", "new-window", "-d", "-t", "shared:3", "echo "+w.mark+"; exec cat")
		w.refused(carol, "kill-window", "-t", "mwalice/shared:1")
		w.refused(carol, "kill-pane", "-t", "mwalice/shared:1.0")
		w.refused(carol, "join-pane", "-d", "-s", "mwalice/shared:1.0", "-t", "mwalice/shared:0.0")
		soonIf(w.control, func() bool {
			return strings.Contains(w.try(carol, "capture-pane", "-p", "-t", "mwalice/shared:2").Out, w.mark)
		})
		if w.control {
			return
		}
		if r := w.try(carol, "kill-pane", "-t", "mwalice/shared:2.1"); r.Code != 0 { // moves no window
			w.t.Errorf("she cannot close one of two panes: %+v", r)
		}
	}}.run(t)
}
