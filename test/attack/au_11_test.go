package attack

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// A stranger has a tmux client that is set-gid to the owner's group, and says
// in the environment that they are the owner. They stay who they are: the
// effective uid of the process that connected. In the control run the client
// is set-uid to the owner, which is to say that the owner gave their own
// identity away.
func TestAU11SetgidClient(t *testing.T) {
	row{unlogged: true, restless: true, attack: func(w *world) {
		client := filepath.Join(suidDir(w.t), "tmux")
		alice := tmuxtest.As(w.t, owner)
		path, err := exec.LookPath("tmux")
		if err != nil {
			w.t.Fatal(err)
		}
		data, err := os.ReadFile(path)
		if err == nil {
			err = tmuxtest.WriteProgram(client, data, 0o755)
		}
		uid, mode := int(tmuxtest.As(w.t, stranger).UID), os.ModeSetgid
		if w.control {
			uid, mode = int(alice.UID), os.ModeSetuid
		}
		if err == nil {
			err = os.Chown(client, uid, int(alice.GID))
		}
		if err == nil {
			err = os.Chmod(client, 0o755|mode)
		}
		if err != nil {
			w.t.Fatal(err)
		}
		for _, args := range [][]string{{"has-session", "-t", "mwalice/shared"}, {"-S", w.door(owner), "has-session", "-t", "shared"}} {
			mallory := tmuxtest.As(w.t, stranger)
			cmd := mallory.Command(client, args...)
			cmd.Env = append(w.Env(stranger), "USER=mwalice", "LOGNAME=mwalice", "HOME="+alice.Home)
			if r := w.start(stranger, cmd); r.Code == 0 {
				w.gain("with a set-id client: %q", args)
			}
		}
	}}.run(t)
}

// suidDir is a directory where set-id bits count.
func suidDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/var/tmp", "muxward-setid-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}
