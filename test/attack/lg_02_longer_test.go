package attack

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/audit"
	"github.com/muxward/muxward/internal/privsep"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// Mallory has taken over the process that writes the log, which has no key to it and has what it
// writes be signed. She wants that a deed that was signed was never done: she writes the log anew, with
// more records than it had, and has that be signed, by any proof that she can make. The holder of the keys
// has only the size and the root of what it has signed last, and signs nothing but what goes on from
// that; muxward goes on with the log as it was. In the control run, without that check, the log written anew is a
// perfect one.
func TestLG02LongerLog(t *testing.T) {
	t.Parallel()
	for _, out := range []string{"", "teeth_goes_on"} {
		h := host.Start(t, host.Config{Account: host.Ward, Build: "teeth_goes_on", Change: func(cmd *exec.Cmd) {
			cmd.Env = append(cmd.Env, "MUXWARD_TEETH=") // the service has every check
		}})
		h.Must(owner, "new-session", "-d", "-s", "deed", "cat")
		h.Stop()
		last, err := os.ReadFile(h.State + "-keys/audit.last")
		if err != nil {
			t.Fatal(err)
		}
		forged := h.Base + "/forged"
		signed := forge(t, h, out, forged)
		if signed != (out != "") {
			t.Errorf("%q: a log that was written anew is signed: %t", out, signed)
		}
		r := h.Muxward("", "audit", "verify", "--state", forged, "--key", h.State+"/audit.pub")
		if good := r.Code == 0; good != (out != "") {
			t.Errorf("%q: a log that was written anew is taken for good: %t; %+v", out, good, r)
		}
		if out != "" {
			continue
		}
		if now, err := os.ReadFile(h.State + "-keys/audit.last"); err != nil || !bytes.Equal(now, last) {
			t.Errorf("what was signed last is now %q, and was %q (%v)", now, last, err)
		}
		h.Run()
		h.Must(owner, "rename-session", "-t", "deed", "more")
		h.VerifyAudit()
		h.Stop()
		h.VerifyAudit()
		cutBack(t, h)
		lost(t, h)
	}
}

// cutBack is a log that was cut back to its first checkpoint, with which all of its own agree: who may read what
// was signed last finds it, and muxward does not begin. The control run is a look without that. The
// log is as it was afterwards.
func cutBack(t *testing.T, h *host.Host) {
	t.Helper()
	dir, kept := h.State+"/audit", h.Base+"/whole"
	if out, err := exec.Command("cp", "-a", dir, kept).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	checkpoints, err := os.ReadFile(dir + "/checkpoints")
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(checkpoints), "\n\nmuxward/") // the second begins there
	size, err := strconv.Atoi(strings.Split(first, "\n")[1])
	if err != nil {
		t.Fatal(err)
	}
	segments, _ := filepath.Glob(dir + "/*.log")
	if len(segments) != 1 {
		t.Fatalf("%q", segments)
	}
	records, err := os.ReadFile(segments[0])
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(string(records), "\n")
	for file, text := range map[string]string{segments[0]: strings.Join(lines[:size], ""), dir + "/checkpoints": first + "\n\n"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil { // its owner stays
			t.Fatal(err)
		}
	}
	if err := os.Remove(dir + "/hashes"); err != nil {
		t.Fatal(err)
	}
	keys := h.State + "-keys"
	if err := os.Rename(keys, keys+".away"); err != nil {
		t.Fatal(err)
	}
	h.VerifyAudit()
	if err := os.Rename(keys+".away", keys); err != nil {
		t.Fatal(err)
	}
	if r := h.Muxward("", "audit", "verify", "--state", h.State); r.Code != 1 || !strings.Contains(r.Out, "finding") {
		t.Errorf("a log that was cut back is taken for good: %+v", r)
	}
	another(t, h)
	if err := h.TryRun(); err == nil {
		t.Error("muxward begins with a log that was cut back")
		h.Stop()
	}
	if out, err := exec.Command("sh", "-c", `rm -r "$1" && mv "$2" "$1"`, "sh", dir, kept).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	h.VerifyAudit()
}

// another is a log that somebody else has begun with a key of their own, which they have put in
// the place of the public one, as whoever has the account can: it agrees with itself, which is the control
// run, and not with what the holder of the keys has. A file of the holder's that is damaged is
// a finding of its own, and the log is looked at all the same.
func another(t *testing.T, h *host.Host) {
	t.Helper()
	forged := h.Base + "/another"
	ctx := context.Background()
	l, err := audit.Open(ctx, audit.Options{Dir: forged + "/audit", KeyDir: forged, Origin: "muxward/another/1"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Append(ctx, access.BestEffortClass, access.Event{Kind: access.EventAttach, Person: "innocence"}); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(forged + "/audit.key"); err != nil {
		t.Fatal(err)
	}
	verify := func(more ...string) host.Result {
		return h.Muxward("", append([]string{"audit", "verify", "--state", forged}, more...)...)
	}
	if r := verify(); r.Code != 0 || !strings.Contains(r.Out, "note     it was not compared") {
		t.Errorf("control run: %+v", r)
	}
	if out, err := exec.Command("cp", "-a", h.State+"-keys", forged+"-keys").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if r := verify(); r.Code != 1 || !strings.Contains(r.Out, "was put there") || !strings.Contains(r.Out, "missing at the end") {
		t.Errorf("another log is taken for good: %+v", r)
	}
	if err := os.Remove(forged + "-keys/audit.key"); err != nil {
		t.Fatal(err)
	}
	if r := verify(); r.Code != 1 || !strings.Contains(r.Out, "this is another one") {
		t.Errorf("without the holder's key it is taken for good: %+v", r)
	}
	if r := verify("--key", forged+"/audit.pub"); r.Code != 0 || !strings.Contains(r.Out, "which is of another log") {
		t.Errorf("by the key that somebody brings: %+v", r)
	}
	keep(t, forged+"-keys/audit.last", []byte("damaged\n"))
	if r := verify(); r.Code != 1 || !strings.Contains(r.Out, "1 findings") || !strings.Contains(r.Out, "is damaged") || !strings.Contains(r.Out, "records  ") {
		t.Errorf("what was signed last is damaged: %+v", r)
	}
}

// lost is a log that has lost what was signed: muxward does not begin, and says what to do; and
// begins when that was done.
func lost(t *testing.T, h *host.Host) {
	t.Helper()
	if err := os.Rename(h.State+"/audit", h.Base+"/kept"); err != nil {
		t.Fatal(err)
	}
	if err := h.TryRun(); err == nil {
		t.Error("muxward begins without what was signed")
		h.Stop()
	}
	if out := h.Output(); !strings.Contains(out, "remove audit.last beside its key") {
		t.Errorf("it says %s", out)
	}
	if err := os.RemoveAll(h.State + "/audit"); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(h.State + "-keys/audit.last"); err != nil {
		t.Fatal(err)
	}
	h.Run()
	if out := h.Output(); !strings.Contains(out, "the next checkpoint is taken as it comes") {
		t.Errorf("it says %s", out)
	}
	h.VerifyAudit()
}

// forge writes a log anew, longer than a host's own, and has the holder of that host's keys sign it.
func forge(t *testing.T, h *host.Host, out, state string) (signed bool) {
	t.Helper()
	c := holderOf(t, h, out)
	before, err := c.Signed()
	if err != nil || before == 0 {
		t.Fatalf("%d records were signed, %v", before, err)
	}
	verifier, err := os.ReadFile(h.State + "/audit.pub")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(state, 0o700); err != nil {
		t.Fatal(err)
	}
	key := &audit.HeldKey{Verifier: strings.TrimSpace(string(verifier)), Signed: c.Signed, Signature: func(text []byte, proof []tlog.Hash) ([]byte, error) {
		s := privsep.Sign{Key: privsep.CheckpointKey, Data: text}
		for _, p := range proof {
			s.Proof = append(s.Proof, p[:])
		}
		sig, err := c.Sign(s)
		if signed = err == nil; signed {
			return sig, nil
		}
		return make([]byte, ed25519.SignatureSize), nil
	}}
	ctx := context.Background()
	l, err := audit.Open(ctx, audit.Options{Dir: state + "/audit", KeyDir: state, Key: key})
	if err != nil {
		t.Fatal(err)
	}
	for i := range before + 20 {
		if _, err := l.Append(ctx, access.BestEffortClass, access.Event{Kind: access.EventAttach, Person: "innocence", Count: int(i)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(ctx); err != nil {
		t.Fatal(err)
	}
	// Only the last of its checkpoints is shown to anybody.
	sum, err := audit.LastCheckpoint(state + "/audit")
	if err != nil {
		t.Fatal(err)
	}
	keep(t, filepath.Join(state, "audit", "checkpoints"), append(sum, '\n'))
	return signed
}

// holderOf starts the holder of a host's keys, as muxward-helper does.
func holderOf(t *testing.T, h *host.Host, out string) *privsep.Client {
	t.Helper()
	dir, err := os.Open(h.State + "-keys")
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	line, theirs, err := privsep.NewPair()
	if err != nil {
		t.Fatal(err)
	}
	defer theirs.Close()
	cmd := exec.Command(filepath.Dir(h.Bin())+"/muxward-helper", "hold-keys")
	cmd.ExtraFiles, cmd.Env = []*os.File{theirs, dir}, append(host.Without(out), "GOMAXPROCS=1")
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), tmuxtest.Patience)
	defer cancel()
	c, err := privsep.Connect(ctx, line, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Close()
		_ = cmd.Wait() // it ends with the line
	})
	return c
}
