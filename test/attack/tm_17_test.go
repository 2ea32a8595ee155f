package attack

import (
	"strings"
	"testing"
)

// Carol may copy on alice's server: she fills its paste buffers and reads them. Bob
// may look and type there. He wants to have what
// carol or alice have copied, to put words of his into what they paste next, and to
// reach files by what he calls a buffer. Buffers are had by `copy` on their server,
// and by nothing else.
func TestTM17BuffersOfOthers(t *testing.T) {
	t.Parallel()
	const copies = `  - {who: mwcarol, verbs: [view, copy], on: mwalice, reason: copies}
  - {who: mwbob, verbs: [view, scroll, type], on: mwalice/shared, reason: types}
`
	row{grants: standardGrants + copies, loose: everyVerb, restless: true, gains: 6, attack: func(w *world) {
		w.server.Run("set-buffer", "-b", w.mark+"c", w.mark+"-copied")
		before := w.server.Run("list-buffers", "-F", "#{buffer_name} #{buffer_size}")
		at := []string{"-t", "mwalice/shared:0.0"}
		for _, args := range [][]string{
			append([]string{"paste-buffer", "-b", w.mark + "c"}, at...), append([]string{"paste-buffer"}, at...),
			append([]string{"paste-buffer", "-d", "-b", w.mark + "c"}, at...),
			append([]string{"capture-pane", "-b", w.mark + "c"}, at...), append([]string{"capture-pane"}, at...),
			append([]string{"capture-pane", "-p"}, at...), append([]string{"paste-buffer", "-b", "../../../etc/passwd"}, at...),
			append([]string{"capture-pane", "-b", "#(" + w.lure() + ")"}, at...),
		} {
			w.refused(viewer, args...)
		}
		// By lines he is about the server that he is attached to.
		lines := w.Control(viewer, "attach", "-t", "mwalice/shared")
		lines.Wait("%session-changed")
		for _, line := range []string{
			"show-buffer", "show-buffer -b " + w.mark + "c", "list-buffers", "set-buffer -b " + w.mark + "c mine", "set-buffer -a mine",
			"delete-buffer", "delete-buffer -b " + w.mark + "c", "set-buffer -n mine -b " + w.mark + "c", "choose-buffer",
			"save-buffer -b " + w.mark + "c " + w.canary + "/saved", "load-buffer -b " + w.mark + "c /etc/passwd",
			"display-message -p '#{buffer_sample}'", "list-buffers -F '#{buffer_sample}'",
		} {
			if said := strings.Join(lines.Ask(line), "\n"); strings.Contains(said, "copied") || strings.Contains(said, w.mark) {
				w.gain("%s: %q", line, said)
			}
		}
		lines.Close()
		lines.Code()
		if now := w.server.Run("list-buffers", "-F", "#{buffer_name} #{buffer_size}"); now != before {
			w.gain("the buffers were\n%s\nand are\n%s", before, now)
		}
		if w.control {
			return
		}
		// Whoever may copy there has them, and what they call one is a word and no path.
		hers := w.Control(carol, "attach", "-t", "mwalice/shared")
		hers.Wait("%session-changed")
		if said := strings.Join(hers.Ask("show-buffer -b "+w.mark+"c"), "\n"); !strings.Contains(said, "-copied") {
			w.t.Errorf("carol cannot read a buffer: %q", said)
		}
		for _, name := range []string{"a\tb", "#{pid}", "x;y", "#(" + w.lure() + ")"} {
			if said := strings.Join(hers.Ask("capture-pane -b '"+name+"' -t mwalice/shared:0.0"), "\n"); !strings.Contains(said, "%error") {
				w.t.Errorf("%q was taken for a buffer's name: %q", name, said)
			}
		}
		hers.Ask("capture-pane -b " + w.canary + "/captured -t mwalice/shared:0.0")
		hers.Close()
		hers.Code()
	}}.run(t)
}
