package attack

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// Bob may look and copy on alice's server, and asks for files by lines: alice's,
// to read or to overwrite them, and root's; commands out of a file; data from where
// his lines come from. Alice's hooks want bob's files when he asks for something
// else. His client opens what his own line names, as bob, and nothing else; what is
// a line stays one.
func TestTD10FilesByLines(t *testing.T) {
	t.Parallel()
	copies := standardGrants + "  - {who: mwbob, verbs: [view, copy], on: mwalice, reason: copies}\n"
	row{grants: copies, teeth: "teeth_relay", restless: true, attack: func(w *world) {
		alices, bobs := w.private(owner, "by-lines", "alices-words"), w.private(viewer, "by-lines", "bobs-words")
		roots := filepath.Join(w.t.TempDir(), "private")
		if err := os.WriteFile(roots, []byte("roots-words"), 0o600); err != nil {
			w.t.Fatal(err)
		}
		w.server.Run("set-buffer", "-b", "gift", "alices-gift")
		l := w.lines(viewer, "attach", "-t", "mwalice/shared")
		l.Wait("%session-changed")
		for _, line := range []string{
			"load-buffer -b got " + alices, "load-buffer -b got " + roots, "save-buffer -b gift " + alices, "save-buffer -a -b gift " + roots,
			"source-file " + bobs, "source-file " + alices, "source-file -", "load-buffer -b got ~" + owner + "/by-lines", "show-buffer -b nosuch ; load-buffer " + alices,
		} {
			w.denied(l, line)
		}
		for _, line := range []string{"load-buffer -b got -", "rename-session -t $0 swallowed", "save-buffer -b gift " + w.canary + "/../" + filepath.Base(w.canary) + ".bob"} {
			l.Ask(line) // allowed or not, each is a line with an answer
		}
		_ = os.Remove(w.canary + ".bob")
		planted := filepath.Join(filepath.Dir(bobs), "planted-by-lines")
		w.server.Run("set-hook", "-g", "after-capture-pane", "load-buffer -b stolen "+bobs, ";",
			"set-hook", "-g", "after-capture-pane[1]", "save-buffer -b gift "+planted)
		l.Ask("capture-pane -p")
		l.Ask("list-panes")
		w.server.Run("set-hook", "-gu", "after-capture-pane")
		l.Say("")
		l.Code()
		if os.Remove(planted) == nil {
			w.gain("bob's client wrote %s", planted)
		}
		for path, who := range map[string]string{alices: owner, bobs: viewer, roots: root} {
			w.owned(path, who)
			if text, err := os.ReadFile(path); err != nil || !strings.HasSuffix(string(text), "s-words") {
				w.gain("%s holds %q now (%v)", path, text, err)
			}
		}
		for _, name := range []string{"got", "stolen"} {
			if text, err := w.server.Try("show-buffer", "-b", name); err == nil && (strings.Contains(text, "words") || strings.Contains(text, "swallowed")) {
				w.gain("buffer %s holds %q", name, text)
			}
		}
	}}.run(t)
}

// private makes a file that only its owner may read. Homes are those of other
// tests as well.
func (w *world) private(who, name, text string) string {
	w.t.Helper()
	a := tmuxtest.As(w.t, who)
	path := filepath.Join(a.Home, name)
	err := os.WriteFile(path, []byte(text), 0o600)
	if err == nil {
		err = os.Chown(path, int(a.UID), int(a.GID))
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return path
}
