package attack

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// muxward is replaced by another build, and that by the first again, while
// sessions live. They are kept, people attach, and the log that both wrote
// verifies. That logs of the first format verify for ever is shown below the
// whole program. The control
// run is the servers' processes: they are compared, not merely counted.
// TestFirstFormatVerifies was seen to fail with a field of the format renamed.
func TestF41OtherVersion(t *testing.T) {
	t.Parallel()
	shownByPackage(t, "audit.TestFirstFormatVerifies")
	b := lay(t, host.Config{})
	b.typed(typist, "first")
	for _, build := range []string{"failpoints", ""} {
		b.Stop()
		next := host.Prepare(t, host.Config{Build: build})
		next.State, next.Policy, next.Doors = b.State, b.Policy, b.Doors
		next.Run()
		b.Host = next
		b.kept()
		c := b.Terminal(typist, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/shared")
		c.WaitFor("recording")
		word := "v" + randomWord()
		c.Type(word)
		b.arrived(word)
		b.VerifyAudit()
	}
}

// testdata/state1 is a state directory as the first version of muxward left
// it: its log, its key, two revocations. This version, and every later one,
// takes it up: the log verifies with the public key of that time, and goes on;
// what was revoked then is revoked. The control run is a new state directory,
// in which bob may come. Its key is the key of nothing else.
//
// It was seen to fail with a field of the revocations renamed.
func TestF41OlderState(t *testing.T) {
	t.Parallel()
	old, err := filepath.Abs("testdata/state1")
	if err != nil {
		t.Fatal(err)
	}
	b := lay(t, host.Config{State: copied(t, old)})
	if r := b.Tmux(viewer, "ls"); r.Code == 0 {
		t.Errorf("bob, who was revoked by an earlier version, sees %q", r.Out)
	}
	if r := b.Tmux(typist, "send-keys", "-t", "mwalice/shared:0.0", "x"); r.Code == 0 || b.rec.Len() > 0 {
		t.Errorf("carol types into the pane that was taken from her: %+v", r)
	}
	r := b.Muxward(root, "revoke", "--list")
	for _, want := range []string{"mwbob\t(host)\troot", "left the team", "mwcarol\tmwalice/shared:0.0\troot", "only there"} {
		if !strings.Contains(r.Out, want) {
			t.Errorf("the list does not have %q: %s", want, r.Out)
		}
	}
	events := b.Audit()
	has := func(kind, person string) bool {
		return slices.ContainsFunc(events, func(e host.Event) bool { return e.Kind == kind && e.Person == person && e.Seq < 50 })
	}
	for _, e := range [][2]string{{"intent", owner}, {"attach", typist}, {"keys", typist}, {"denied", stranger}, {"denied", viewer}, {"revoke", viewer}} {
		if !has(e[0], e[1]) && !(e[0] == "revoke" && has("intent", root)) {
			t.Errorf("the log has no %s of %s any more", e[0], e[1])
		}
	}
	if r := b.Muxward("", "audit", "verify", "--state", b.State, "--key", old+"/audit.pub"); r.Code != 0 {
		t.Errorf("the log does not verify with the key of that time: %+v", r)
	}
	if r := b.Muxward(root, "revoke", "--undo", viewer); r.Code != 0 {
		t.Errorf("lift: %+v", r)
	}
	if r := b.Tmux(viewer, "ls"); r.Code != 0 {
		t.Errorf("bob, let in again: %+v", r)
	}
	if r := lay(t, host.Config{}).Tmux(viewer, "ls"); r.Code != 0 {
		t.Errorf("control run: bob, in a new world: %+v", r)
	}
	b.Stop()
	b.Run()
	b.VerifyAudit()
}

// copied gives a copy of a state directory, with the modes it had.
func copied(t *testing.T, from string) string {
	t.Helper()
	to := tmuxtest.Dir(t, tmuxtest.Account{}) + "/state"
	err := filepath.WalkDir(from, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		at := to + strings.TrimPrefix(path, from)
		if d.IsDir() {
			return os.Mkdir(at, 0o711)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(at, data, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
	return to
}
