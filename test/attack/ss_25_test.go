package attack

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// Bob may use sftp, and wants more than his account has: files of root's, of the owner's and of muxward's,
// by their paths and by links that he makes. Root comes, too, and is to be nobody there.
// What reads and writes is a process of the person's own account.
func TestSS25Files(t *testing.T) {
	t.Parallel()
	row{ssh: true, restless: true, teeth: "teeth_reach_as", reach: `allow:
  - {id: files, who: mwbob, subsystems: [sftp], reason: files}
  - {id: roots, who: root, subsystems: [sftp], reason: files}
`, attack: func(w *world) {
		home := tmuxtest.Dir(t, tmuxtest.As(t, viewer))
		alices := filepath.Join(tmuxtest.Dir(t, tmuxtest.As(t, owner)), "mine")
		roots := filepath.Join(w.Base, "roots")
		for _, path := range []string{alices, roots} {
			if err := os.WriteFile(path, []byte(w.mark+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Chown(alices, int(tmuxtest.As(t, owner).UID), -1); err != nil {
			t.Fatal(err)
		}
		take := func(who, key string, batch ...string) {
			back := filepath.Join(w.Base, "back")
			_ = os.Remove(back)
			text := strings.ReplaceAll(strings.Join(batch, "\n"), "BACK", back) + "\n"
			args := append([]string{"-b", "-"}, w.SSHArgs(key)...)
			for i := range args {
				if args[i] == "-p" {
					args[i] = "-P"
				}
			}
			r := w.Exec(root, []byte(text), "sftp", append(args, "x@127.0.0.1")...)
			w.listen(who+"'s sftp", func() []byte { return []byte(r.Out) })
			if got, err := os.ReadFile(back); err == nil {
				w.gain("%s: %q gives %q", who, batch, got)
			}
			if r.Code == 0 {
				w.gain("%s: %q is done", who, batch)
			}
		}
		bob := w.KeyOf(viewer)
		take(viewer, bob, "get "+roots+" BACK")
		take(viewer, bob, "get "+alices+" BACK")
		take(viewer, bob, "symlink "+roots+" "+home+"/link", "get "+home+"/link BACK")
		take(viewer, bob, "get "+w.State+"/log BACK")
		take(viewer, bob, "put "+roots+" "+w.canary+"/../mw-ss25")
		take(viewer, bob, "chown 0 "+home)
		take(root, w.NewKey("root-too"), "get "+roots+" BACK") // a key of nobody's
		w.AllowKey(root, w.KeyOf("root-too"), "")
		w.Signal(syscall.SIGHUP)
		take(root, w.KeyOf("root-too"), "get "+roots+" BACK")
	}}.run(t)
}
