package attack

import (
	"os"
	"testing"

	"github.com/muxward/muxward/test/host"
)

// Mallory knows alice's public key, as everybody may, and has a key of her own. She
// offers alice's first and then proves hers, and hopes to be alice. With several
// user names, with the certificate of a key that is not hers, she hopes so, too.
// Who somebody is comes from the key that was proved, and from nothing else.
func TestSS01OfferedKey(t *testing.T) {
	t.Parallel()
	row{ssh: true, teeth: "teeth_offered", attack: func(w *world) {
		pub, err := os.ReadFile(w.KeyOf(owner) + ".pub")
		if err != nil {
			t.Fatal(err)
		}
		lone := w.Base + "/ssh/lone" // a public half without its private one
		if err := os.WriteFile(lone+".pub", pub, 0o644); err != nil {
			t.Fatal(err)
		}
		for _, user := range []string{"x", owner, owner + "+secret", "secret", "root"} {
			args := append(w.SSHArgs(lone+".pub"), "-i", w.KeyOf(stranger), user+"@127.0.0.1", "capture-pane", "-p", "-t", owner+"/secret")
			r := w.Exec("root", []byte{}, "ssh", args...)
			w.note(stranger, args, r)
			if r.Code == 0 {
				w.gain("as %s: %q", user, r.Out)
			}
		}
		if w.control {
			return
		}
		found := false
		for _, e := range w.Audit() {
			found = found || e.Kind == "door" && e.Person == stranger && e.Allowed
			if e.Door == "ssh" && e.Person == owner {
				t.Errorf("somebody is %s: %+v", owner, e)
			}
		}
		if !found {
			t.Error("the log does not say that mallory came in")
		}
		// Without a key of one's own there is nothing at all.
		for _, args := range [][]string{
			append(w.SSHArgs(lone+".pub"), owner+"@127.0.0.1", "ls"),
			{"-F", "none", "-p", port(w.SSHAddr()), "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
				"-o", "BatchMode=yes", "-o", "PubkeyAuthentication=no", owner + "@127.0.0.1", "ls"},
		} {
			if r := (w.Exec("root", []byte{}, "ssh", args...)); r.Code != 255 || r.Out != "" {
				t.Errorf("%q: %+v", args, host.Result(r))
			}
		}
	}}.run(t)
}
