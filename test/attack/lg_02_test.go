package attack

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// Somebody has stolen the log's key at time t, or is root, and wants that what
// was done before t was never done. They edit the log under a running muxward;
// they have a log written anew, from its first record, with the stolen key.
// Whoever kept a checkpoint from before t finds either, with that and the
// public key alone. The control runs: the log as it is agrees with the
// checkpoint, also after it has grown; and the log written anew is a perfect
// one to whoever kept nothing. Rolling keys comes with witnesses, in a later
// step. That every single byte counts is shown in internal/audit.
//
// It was seen to fail with the kept checkpoint not compared.
func TestLG02StolenKey(t *testing.T) {
	t.Parallel()
	b := lay(t, host.Config{})
	kept, pub := b.Base+"/kept", b.Base+"/kept.pub"
	b.typed(typist, "deed")
	b.Must(owner, "rename-window", "-t", "shared", "deed-of-the-owner")
	deeds := len(b.Audit())
	// A revocation has the log signed within a second.
	if r := b.Muxward(root, "revoke", stranger, "--reason", "a deed, too"); r.Code != 0 {
		t.Fatalf("revoke: %+v", r)
	}
	tmuxtest.Eventually(t, func() bool {
		text := b.Muxward("", "audit", "checkpoint", "--state", b.State).Out
		keep(t, kept, []byte(text))
		size, err := strconv.Atoi(strings.Split(text, "\n")[1])
		return err == nil && size > deeds
	}, "a checkpoint covers what was done")
	key, err := os.ReadFile(b.State + "/audit.pub")
	if err != nil {
		t.Fatal(err)
	}
	keep(t, pub, key)
	b.typed(typist, "later")
	agrees := func(state string) host.Result {
		t.Helper()
		return b.Muxward("", "audit", "verify", "--state", state, "--key", pub, "--checkpoint", kept)
	}
	if r := agrees(b.State); r.Code != 0 {
		t.Fatalf("control run: the log does not agree with its own past: %+v", r)
	}

	// The live log is edited, byte for byte in its place, and put right again.
	undo := rewrite(t, b.State, "deed-of-the-owner", "deed-of-the-guest")
	b.typed(typist, "goes-on")
	if r := agrees(b.State); r.Code == 0 || !strings.Contains(r.Out+r.Err, "changed") {
		t.Errorf("a record was changed under a running muxward: %+v", r)
	}
	undo()
	b.VerifyAudit()

	// Another history is written with the stolen key.
	forged := host.Prepare(t, host.Config{Policy: map[string]string{"people.yaml": standardPeople, "grants.yaml": bedGrants}})
	if err := os.MkdirAll(forged.State, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"audit.key", "audit.pub"} {
		stolen, err := os.ReadFile(filepath.Join(b.State, name))
		if err != nil {
			t.Fatal(err)
		}
		keep(t, filepath.Join(forged.State, name), stolen)
	}
	forged.Run()
	f := &bed{t: t, Host: forged}
	f.furnish()
	for range 40 { // it has grown beyond the checkpoint
		f.Must(owner, "rename-window", "-t", "shared", "innocent")
	}
	if r := f.Muxward("", "audit", "verify", "--state", forged.State, "--key", pub); r.Code != 0 {
		t.Fatalf("control run: the forgery is no good one: %+v", r)
	}
	if r := agrees(forged.State); r.Code == 0 || !strings.Contains(r.Out+r.Err, "kept elsewhere") {
		t.Errorf("a log written anew passes for the old one: %+v", r)
	}
	forged.Stop()
	if r := agrees(forged.State); r.Code == 0 {
		t.Errorf("and once it is at rest: %+v", r)
	}
	b.kept()
	b.VerifyAudit()
}

// keep writes a file that only its owner may read.
func keep(t *testing.T, path string, data []byte) {
	t.Helper()
	if len(data) == 0 {
		t.Fatalf("nothing to keep in %s", path)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// rewrite changes bytes of the log in their place, and gives the way back.
func rewrite(t *testing.T, state, from, to string) (undo func()) {
	t.Helper()
	files, err := filepath.Glob(state + "/audit/*.log")
	if err != nil || len(from) != len(to) {
		t.Fatal(err, from, to)
	}
	for _, path := range files {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		at := bytes.Index(data, []byte(from))
		if at < 0 {
			continue
		}
		put := func(text string) {
			t.Helper()
			f, err := os.OpenFile(path, os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if _, err := f.WriteAt([]byte(text), int64(at)); err != nil {
				t.Fatal(err)
			}
		}
		put(to)
		return func() { put(from) }
	}
	t.Fatalf("%q is not in the log", from)
	return nil
}
