package attack

import (
	"strings"
	"syscall"
	"testing"

	"github.com/muxward/muxward/test/host"
)

// Carol types by a single command, whose permit is over with its answer, and hopes that a
// revocation looks only at what is in use: what tmux has answered may not be in the pane yet. The
// server hangs just then, so that nobody can know; the revocation waits for it, and says so. In the
// control run she has typed nothing: nobody waits for a server that hangs.
func TestRV01TypedByCommand(t *testing.T) {
	for name, c := range map[string]struct {
		grants string
		argv   []string
	}{
		"addressed": {"", []string{"send-keys", "-t", "mwalice/shared:0.0", "k"}},
		// With every verb she has a connection of her own, by which tmux answers when it has read that.
		"direct": {tm23Every, []string{"paste-buffer", "-t", "mwalice/shared:0.0"}},
	} {
		t.Run(name, func(t *testing.T) { typesByCommand(t, c.grants, c.argv) })
	}
}

func typesByCommand(t *testing.T, grants string, argv []string) {
	config := host.Config{}
	if grants != "" {
		config.Policy = map[string]string{"grants.yaml": grants}
	}
	b := lay(t, config)
	b.server.Run("set-buffer", "k")
	revoked := func() host.Result {
		t.Helper()
		if err := syscall.Kill(b.server.PID, syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		r := b.Muxward(root, "revoke", typist)
		if err := syscall.Kill(b.server.PID, syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		if r := b.Muxward(root, "revoke", "--undo", typist); r.Code != 0 {
			t.Errorf("undo: %+v", r)
		}
		return r
	}
	if r := revoked(); r.Code != 0 {
		t.Errorf("control run: %+v", r)
	}
	b.Must(typist, argv...)
	if r := revoked(); r.Code != 1 || !strings.Contains(r.Err, "not confirmed: what mwcarol has typed last") {
		t.Errorf("what she typed may come later, and it is said to be over: %+v", r)
	}
	if r := revoked(); r.Code != 0 { // it was asked for meanwhile, or is now
		b.Must(owner, "display-message", "-p", "-t", "shared", "x")
		if r = revoked(); r.Code != 0 {
			t.Errorf("it is written, and waited for: %+v", r)
		}
	}
}
