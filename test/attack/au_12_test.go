package attack

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// Mallory has an account, and somebody gave her bob's key. By the tmux door she is
// mallory, by ssh she is bob: she hopes that here or there the rights of both add up.
// Who somebody is comes from what that door proved, and the log tells which.
func TestAU12TwoDoors(t *testing.T) {
	t.Parallel()
	row{ssh: true, loose: standardGrants + "  - {who: mwmallory, role: viewer, on: mwalice/shared, reason: both}\n", attack: func(w *world) {
		key := filepath.Join(tmuxtest.Dir(t, tmuxtest.As(t, stranger)), "bob")
		pem, err := os.ReadFile(w.KeyOf(viewer))
		if err == nil {
			err = os.WriteFile(key, pem, 0o600)
		}
		if err == nil {
			err = os.Chown(key, int(w.uid(stranger)), -1)
		}
		if err != nil {
			t.Fatal(err)
		}
		asBob := func(args ...string) host.Result {
			all := append([]string{"-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"}, w.SSHArgs(key)...)
			r := w.Exec(stranger, []byte{}, "ssh", append(append(all, stranger+"@127.0.0.1"), args...)...)
			w.note(viewer, args, r)
			return r
		}
		if r := asBob("list-panes", "-t", owner+"/shared"); r.Code != 0 {
			t.Errorf("with bob's key: %+v", r)
		}
		asBob("send-keys", "-t", owner+"/shared:0.0", "x")
		w.refused(stranger, "list-panes", "-t", owner+"/shared")
		if w.control {
			return
		}
		found := false
		for _, e := range w.Audit() {
			if e.Door == "ssh" && e.Person == stranger {
				t.Errorf("by ssh somebody is %s: %+v", stranger, e)
			}
			found = found || e.Door == "ssh" && e.Person == viewer && e.Key != ""
		}
		if !found {
			t.Error("the log does not tell of bob's key")
		}
	}}.run(t)
}
