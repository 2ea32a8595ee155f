package attack

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// The store of grants is damaged while muxward is down. What rested on it is
// refused, the file is left as it is and copied, status is red, nothing new is
// given, and all else goes on: the policy files count, and so do revocations.
// With the file put back the grants are there again, which is the control run.
// (A thousand single bits: internal/grants, TestFlippedBits.)
func TestF25DamagedStore(t *testing.T) {
	t.Parallel()
	b := lay(t, host.Config{})
	if r := b.Muxward(owner, "grant", stranger, "typist", "-t", "other"); r.Code != 0 {
		t.Fatalf("grant: %+v", r)
	}
	types := func() bool { return b.Tmux(stranger, "send-keys", "-t", "mwalice/other", "x").Code == 0 }
	if !types() {
		t.Fatal("what was given does not count: this is no test")
	}
	b.Kill()
	path := filepath.Join(b.State, "grants.db")
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	bad := append([]byte(nil), good...)
	at := strings.Index(string(bad), `"who":"`+stranger)
	if at < 0 {
		t.Fatal("the store does not say to whom it is")
	}
	bad[at+len(`"who":"`)] ^= 1
	if err := os.WriteFile(path, bad, 0o600); err != nil {
		t.Fatal(err)
	}
	b.Run()
	if types() {
		t.Error("what is damaged counts")
	}
	b.turnsRed("damaged")
	b.alarmed("damaged")
	copies, err := filepath.Glob(path + ".damaged-*")
	if err != nil || len(copies) != 1 {
		t.Fatalf("copies %v, %v", copies, err)
	}
	for _, f := range []string{path, copies[0]} {
		if kept, err := os.ReadFile(f); err != nil || string(kept) != string(bad) {
			t.Errorf("%s is not as it was found, %v", f, err)
		}
	}
	if r := b.Muxward(owner, "grant", stranger, "typist", "-t", "other"); r.Code == 0 || !strings.Contains(r.Err, "damaged") {
		t.Errorf("given: %+v", r)
	}
	c := b.Terminal(typist, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/shared")
	c.WaitFor("recording")
	b.typed(typist, "goes-on")
	if r := b.Muxward(root, "revoke", typist); r.Code != 0 {
		t.Errorf("revoke: %+v", r)
	}
	b.Kill()
	if err := os.WriteFile(path, good, 0o600); err != nil {
		t.Fatal(err)
	}
	b.Run()
	if !types() {
		t.Error("with the file put back what was given does not count")
	}
}
