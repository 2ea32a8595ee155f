package attack

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/test/host"
)

// Bob may copy on alice's server. He wants what only alice may read, by having
// it loaded into a buffer, and to write where only others may. Alice wants
// what only bob may read: her server's hooks ask for bob's files whenever bob
// asks for anything. A tmux client opens the files, with its own account's
// rights, and only those that its own command named.
func TestTD10FilesOfTheOther(t *testing.T) {
	t.Parallel()
	copies := standardGrants + "  - {who: mwbob, verbs: [view, copy], on: mwalice, reason: copies}\n" +
		"  - {who: mwbob, role: owner, on: mwbob, reason: at home}\n"
	row{grants: copies, teeth: "teeth_relay", restless: true, gains: 2, attack: func(w *world) {
		alices, bobs := w.private(owner, "private", "alices-words"), w.private(viewer, "private", "bobs-words")
		roots := filepath.Join(w.t.TempDir(), "private")
		if err := os.WriteFile(roots, []byte("roots-words"), 0o600); err != nil {
			w.t.Fatal(err)
		}
		// On a server of his own bob may load what is his own.
		w.Must(viewer, "new-session", "-d", "-s", "home", "cat")
		home := w.Server(viewer)
		if r := w.try(viewer, "load-buffer", "-b", "mine", bobs); r.Code != 0 {
			w.t.Errorf("bob cannot load a file of his own: %+v", r)
		}
		if text := home.Run("show-buffer", "-b", "mine"); text != "bobs-words" {
			w.t.Errorf("bob's own file became %q", text)
		}
		w.settle() // muxward has a connection to his server as well now
		for _, path := range []string{alices, roots} {
			r := w.Tmux(viewer, "load-buffer", "-b", "got", path)
			if r.Code == 0 || !strings.Contains(r.Err, "Permission denied") { // his client's words
				w.gain("bob loaded %s: %+v", path, r)
			}
		}
		for _, path := range []string{alices, roots} {
			w.refused(viewer, "save-buffer", "-b", "mine", path)
		}
		w.refused(viewer, "source-file", bobs)
		w.refused(viewer, "capture-pane", "-p", "-t", "mwalice/shared", ";", "save-buffer", "-t", "mwalice/shared", w.canary+"/written")

		// Two hooks in the relay's way, one in that of muxward's own connection.
		planted := filepath.Join(filepath.Dir(bobs), "planted")
		w.server.Run("set-hook", "-g", "after-capture-pane", "load-buffer -b stolen "+bobs, ";",
			"set-hook", "-g", "after-send-keys", "load-buffer -b root "+roots, ";", "set-buffer", "-b", "gift", "alices-gift", ";",
			"set-hook", "-g", "after-capture-pane[1]", "save-buffer -b gift "+planted)
		w.try(viewer, "capture-pane", "-p", "-t", "mwalice/shared")
		w.try(typist, "send-keys", "-t", "mwalice/shared:0.0", "k")
		w.permit("k")
		w.rec.WaitLen(1)
		w.server.Run("set-hook", "-gu", "after-capture-pane", ";", "set-hook", "-gu", "after-send-keys")
		if _, err := os.Stat(planted); err == nil {
			w.gain("bob's client wrote %s", planted)
		}
		for path, who := range map[string]string{alices: owner, bobs: viewer, roots: root} {
			w.owned(path, who)
			if text, err := os.ReadFile(path); err != nil || bytes.Equal(text, []byte("bobs-words")) != (who == viewer) {
				w.gain("%s holds %q now (%v)", path, text, err)
			}
		}
		if _, err := os.Stat(w.canary + "/written"); err == nil {
			w.gain("somebody wrote a file for bob")
		}
		for _, at := range []host.Server{w.server, home} {
			for _, name := range []string{"got", "stolen", "root"} {
				text, err := at.Try("show-buffer", "-b", name)
				if err == nil && strings.Contains(text, "words") {
					w.gain("buffer %s of %s holds %q", name, at.Owner, text)
				}
			}
		}
		w.Must(viewer, "kill-server") // the world is to be as calm as before
	}}.run(t)
}

// owned fails unless a file is still its owner's alone.
func (w *world) owned(path, who string) {
	w.t.Helper()
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		w.t.Fatal(err)
	}
	if st.Uid != w.uid(who) || st.Mode&0o7777 != 0o600 {
		w.gain("%s belongs to uid %d with mode %o now", path, st.Uid, st.Mode&0o7777)
	}
}
