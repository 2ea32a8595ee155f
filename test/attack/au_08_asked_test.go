package attack

import (
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// Mallory has the directory service that the host asks (accounts_from), and an account there. She has it say
// that she is alice, or root, in both directions; or answer 100 MB, or not at all. Names and numbers of the host's
// own files stay those files': she is nobody then, and who is known by them is served. Dora, whom the directory
// has told of before, is, too. In the control run what the directory says first is believed.
func TestAU08DirectoryIsAsked(t *testing.T) {
	t.Parallel()
	dir := host.NewDirectory(t, "../..")
	dir.Write("nsswitch.conf", "passwd: compat files\ngroup: compat files\n") // it is asked first
	const evil, dora = 70011, 70012
	const people = standardPeople + "  mwevil: {}\n  mwdora: {}\n"
	const grants = standardGrants + "  - {who: mwdora, role: viewer, on: mwalice/shared, reason: watches}\n"
	const truth = "mwevil:x:70011:70011::/:/bin/sh\nmwdora:x:70012:70012::/:/bin/sh\n"
	row{teeth: "teeth_believed", people: people, grants: grants, settings: "accounts_from: [files, nss]\n", accounts: []string{"mwevil", "mwdora"},
		paused: true, restless: true, change: func(cmd *exec.Cmd) { dir.Write("passwd", truth); dir.Change(cmd) },
		attack: func(w *world) {
			known := func() bool { return w.as(dora, "tmux", "has-session", "-t", "mwalice/shared").Code == 0 }
			tmuxtest.Eventually(w.t, known, "dora is known")
			tmuxtest.Eventually(w.t, func() bool { _, err := os.Stat(w.Doors + "/tmux-70011/default"); return err == nil }, "mallory has a door")
			if r := w.as(evil, "tmux", "has-session", "-t", "mwalice/secret"); isAlice(r) {
				w.t.Fatalf("as herself: %+v", r)
			}
			for i, lie := range []struct{ passwd, how string }{
				{"mwalice:x:70011:70011::/:/bin/sh\n" + truth, ""},
				{"root:x:70011:70011::/:/bin/sh\n" + truth, ""},
				{"mwevil:x:0:0::/:/bin/sh\n" + truth, "lies"},
				{"mwevil:x:61001:61001::/:/bin/sh\n" + truth, "lies"},
				{truth, "floods"},
				{truth, "hangs"},
			} {
				at := time.Duration(i+1) * 2 * time.Minute
				w.set(at.String()) // all that was said before is too old
				if dir.Write("passwd", lie.passwd); lie.passwd == truth {
					tmuxtest.Eventually(w.t, known, "dora is known")
					w.set((at + time.Minute).String()) // and she is asked about once more
				}
				if lie.how != "" {
					dir.Write(lie.how, "")
				}
				for _, name := range []string{"secret", "mwalice/secret"} {
					if r := w.as(evil, "tmux", "has-session", "-t", name); isAlice(r) {
						w.gain("%q %s: mallory is somebody else: %+v", lie.passwd, lie.how, r)
						break
					}
				}
				if r := w.Tmux(viewer, "has-session", "-t", "mwalice/shared"); r.Code != 0 {
					w.gain("%s: bob is not served: %+v", lie.how, r)
				}
				if lie.how == "hangs" && !w.control && !known() {
					w.gain("it hangs, and dora is not known")
				}
				if lie.how != "" {
					dir.Remove(lie.how)
				}
			}
		}}.run(t)
}
