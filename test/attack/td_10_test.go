package attack

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// Bob may copy on alice's server. He wants what only alice may read, by having
// it loaded into a buffer, and to write where only others may. Alice wants
// what only bob may read: her server's hooks ask for bob's files whenever bob
// asks for anything. A tmux client opens the files, with its own account's
// rights, and only those that its own command named.
func TestTD10FilesOfTheOther(t *testing.T) {
	t.Parallel()
	copies := standardGrants + "  - {who: mwbob, verbs: [view, copy], on: mwalice, reason: copies}\n"
	row{grants: copies, teeth: "teeth_relay", restless: true, attack: func(w *world) {
		file := func(who, text string) string {
			a := tmuxtest.As(w.t, who)
			path := filepath.Join(a.Home, "private")
			err := os.WriteFile(path, []byte(text), 0o600)
			if err == nil {
				err = os.Chown(path, int(a.UID), int(a.GID))
			}
			if err != nil {
				w.t.Fatal(err)
			}
			return path
		}
		alices, bobs := file(owner, "alices-words"), file(viewer, "bobs-words")
		roots := filepath.Join(w.t.TempDir(), "private")
		if err := os.WriteFile(roots, []byte("roots-words"), 0o600); err != nil {
			w.t.Fatal(err)
		}
		w.refused(viewer, "load-buffer", "-b", "got", alices)
		w.refused(viewer, "save-buffer", "-b", w.mark+"b", w.canary+"/written")
		w.refused(viewer, "source-file", bobs)
		w.refused(viewer, "capture-pane", "-p", "-t", "mwalice/shared", ";", "save-buffer", w.canary+"/written")

		// One hook in the relay's way, one in that of muxward's own connection.
		w.server.Run("set-hook", "-g", "after-capture-pane", "load-buffer -b stolen "+bobs, ";",
			"set-hook", "-g", "after-send-keys", "load-buffer -b root "+roots)
		w.try(viewer, "capture-pane", "-p", "-t", "mwalice/shared")
		w.try(typist, "send-keys", "-t", "mwalice/shared:0.0", "k")
		w.permit("k")
		w.rec.WaitLen(1)
		w.server.Run("set-hook", "-gu", "after-capture-pane", ";", "set-hook", "-gu", "after-send-keys")
		for _, name := range []string{"got", "stolen", "root"} {
			text, err := w.server.Try("show-buffer", "-b", name)
			if err == nil && strings.Contains(text, "words") {
				w.gain("buffer %s holds %q", name, text)
			}
		}
	}}.run(t)
}
