package attack

import (
	"slices"
	"testing"

	"github.com/muxward/muxward/internal/tmux"
)

// Carol may arrange the panes of a window; the owner may do anything. They give
// layouts that are none: words, beginnings of several names, half a layout, one
// with another checksum, one that is changed and signed anew. Nothing goes to
// the server but the name of a layout or a layout that muxward has read.
func TestTM31LayoutsThatAreNone(t *testing.T) {
	t.Parallel()
	helps := standardGrants + "  - {who: mwcarol, role: operator, on: mwalice/shared, reason: helps}\n"
	row{grants: helps, teeth: "teeth_guest", gains: 2, attack: func(w *world) {
		mine := w.server.Run("display-message", "-p", "-t", "shared:0", "#{window_layout}")
		forged := "0000" + mine[4:]
		none := []string{forged}
		if !w.control {
			none = append(none, "", "x", "nosuch", "even", "main", "Tiled", "tiled ", mine[:4], mine[:5], mine[:20], mine+" ", mine+",",
				mine[5:], "zzzz"+mine[4:], "b25d,80x24,0,0", "#{window_layout}", "#("+w.lure()+")", "a;b", "\x1b]0;x\x07")
		}
		says := "invalid layout: "
		if !versionOf(w).AtLeast(tmux.Version{Major: 3, Minor: 3}) {
			says = "can't set layout: "
		}
		for _, layout := range none {
			for who, target := range map[string]string{carol: "mwalice/shared:0", owner: "shared:0"} {
				r := w.refused(who, "select-layout", "-t", target, layout)
				if want := says + layout + "\n"; r.Err != want && layout != "\x1b]0;x\x07" {
					w.gain("%s, %q: %q", who, layout, r.Err)
				}
				w.refused(who, "select-layout", "-o", "-t", target, layout)
			}
		}
		for _, e := range w.Audit() {
			for _, layout := range none {
				if len(e.Executed) > 0 && e.Executed[0] == "select-layout" && slices.Contains(e.Executed, layout) {
					w.gain("tmux was told %q", e.Executed)
				}
			}
		}
		for _, args := range [][]string{{mine}, {"-o", mine}} { // as it is now
			for who, target := range map[string]string{carol: "mwalice/shared:0", owner: "shared:0"} {
				if r := w.try(who, append([]string{"select-layout", "-t", target}, args...)...); r.Code != 0 {
					w.t.Errorf("%s, %q: %+v", who, args, r)
				}
			}
		}
	}}.run(t)
}
