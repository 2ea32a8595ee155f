package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/hostconf"
	"github.com/muxward/muxward/internal/hostconf/bundle"
	"github.com/muxward/muxward/internal/hostconf/hostfile"
)

// bundleBed is a host that takes bundles.
type bundleBed struct {
	*hostBed
	key string
}

func newBundleBed(t *testing.T) *bundleBed {
	t.Helper()
	b := &bundleBed{newHostBed(t), filepath.Join(t.TempDir(), "key")}
	b.policy("key", "release", b.key)
	public, err := os.ReadFile(b.key + ".pub")
	at := filepath.Join(b.root, "etc/muxward")
	if err := errors.Join(err, os.MkdirAll(at, 0o755)); err != nil {
		t.Fatal(err)
	}
	put(t, at, "bundle.keys", string(public))
	return b
}

// policy runs `muxward policy bundle ARGS`.
func (b *bundleBed) policy(args ...string) {
	b.t.Helper()
	cmd := newRoot()
	cmd.SetOut(io.Discard)
	cmd.SetErr(io.Discard)
	cmd.SetArgs(append([]string{"policy", "bundle"}, args...))
	if err := cmd.ExecuteContext(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
}

// bundle packs the directory of hosts as it is.
func (b *bundleBed) bundle(name string, serial int) string {
	b.t.Helper()
	out := filepath.Join(b.t.TempDir(), "bundle")
	b.policy("create", b.dir, "--key", b.key, "--name", name, "--serial", strconv.Itoa(serial), "-o", out)
	return out
}

// args are those of an apply of a bundle.
func (b *bundleBed) args(file string, more ...string) []string {
	args := []string{"apply", "--bundle", file, "--root", b.root, "--host", "any"}
	if os.Geteuid() != 0 {
		args = append(args, "--no-owners")
	}
	return append(args, more...)
}

// log is what is written down.
func (b *bundleBed) log() string {
	text, err := os.ReadFile(b.root + bundleState + "/log.jsonl")
	if err != nil {
		b.t.Fatal(err)
	}
	return string(text)
}

// full is a disk that is full.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left") }

// A bundle that has landed is the last one that was used, whether that can be printed or not: an
// older one does not land after it.
func TestLandedUnprinted(t *testing.T) {
	b := newBundleBed(t)
	b.says(exitOK, "applied", b.args(b.bundle("prod", 8))...)
	older := b.bundle("prod", 9)
	b.change("policy/people.yaml", "people:", "# alicia\npeople:")
	cmd := newRoot()
	cmd.SetOut(full{})
	cmd.SetErr(io.Discard)
	cmd.SetArgs(append([]string{"host"}, b.args(b.bundle("prod", 10))...))
	if err := cmd.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("it was printed: %v", err)
	}
	if text, err := os.ReadFile(b.root + "/etc/muxward/policy/people.yaml"); err != nil || !strings.Contains(string(text), "alicia") {
		t.Fatalf("it has not landed: %v\n%s", err, text)
	}
	if n := strings.Count(b.log(), `"outcome":"landed"`); n != 2 || strings.Contains(b.log(), "failed") {
		t.Errorf("what is written down:\n%s", b.log())
	}
	b.says(exitFailure, "its serial is 9, and 10 was used", b.args(older)...)
}

// Who applies a bundle is killed once it counts as used, before it has landed, or after. The next
// apply finds out which, and what counted before counts again if it has not.
func TestLandingKilled(t *testing.T) {
	b := newBundleBed(t)
	first := b.bundle("prod", 8)
	b.says(exitOK, "applied", b.args(first)...)
	b.killed("test", 1)
	b.says(exitOK, "nothing to do", b.args(first)...)
	if log := b.log(); !strings.Contains(log, `"error":"it was broken off, and is taken back"`) {
		t.Errorf("what is written down:\n%s", log)
	}
	b.killed("prod", 10)
	b.on(exitOK, "nothing to do", "apply")
	b.says(exitOK, "nothing to do", b.args(first)...)

	b.killed("prod", 12)
	b.change("policy/people.yaml", "people:", "# alicia\npeople:")
	aside := filepath.Join(t.TempDir(), attempted)
	if err := os.Rename(filepath.Join(b.root+bundleState, attempted), aside); err != nil {
		t.Fatal(err)
	}
	b.on(exitOK, "applied", "apply") // as if it had come out of that bundle
	if err := os.Rename(aside, filepath.Join(b.root+bundleState, attempted)); err != nil {
		t.Fatal(err)
	}
	b.says(exitFailure, "its serial is 8, and 12 was used", b.args(first)...)
	b.says(exitFailure, "its serial is 8, and 12 was used", b.args(first)...)
	if log := b.log(); strings.Count(log, `"outcome":"landed"`) != 4 {
		t.Errorf("what is written down:\n%s", log)
	}
}

// An apply of a bundle is begun and killed after another apply has looked for such, and before it takes
// back what was broken off. It writes down that the bundle has not landed: what the records say of that number
// afterwards is of itself.
func TestTakenBackByOthers(t *testing.T) {
	b := newBundleBed(t)
	first := b.bundle("prod", 8)
	b.says(exitOK, "applied", b.args(first)...)
	b.killed("prod", 12)
	n, err := hostconf.Next(hostconf.Options{Root: b.root, NoOwners: os.Geteuid() != 0})
	if err != nil {
		t.Fatal(err)
	}
	setup, host, cmd := setupFlags{root: b.root}, hostFlags{noOwners: os.Geteuid() != 0}, newRoot()
	of, err := setup.options(cmd)
	if err != nil {
		t.Fatal(err)
	}
	back := of.Recovering // whoever takes back does this
	all := map[string]func(int) error{"setup": back, "undo": host.settling(cmd, b.root).Recovering, "apply": host.options(cmd, b.root, &hostfile.Found{}).Recovering}
	if err := errors.Join(back(n-1), back(n), back(n)); err != nil {
		t.Fatal(err)
	}
	at := filepath.Join(b.root+bundleState, attempted)
	if err := os.Rename(at, at+".aside"); err != nil {
		t.Fatal(err)
	}
	if err := back(n); err != nil { // there is none
		t.Error(err)
	}
	b.change("policy/people.yaml", "people:", "# alicia\npeople:")
	b.on(exitOK, "applied", "apply") // which has its number
	if err := os.Rename(at+".aside", at); err != nil {
		t.Fatal(err)
	}
	b.says(exitOK, "applied", b.args(first)...)
	if log := b.log(); !strings.Contains(log, "it was broken off, and is taken back") {
		t.Errorf("what is written down:\n%s", log)
	}
	if err := os.WriteFile(at, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	for who, back := range all {
		if back == nil || back(n) == nil {
			t.Errorf("%s: one that is damaged is taken for none", who)
		}
	}
}

// killed is who applies a bundle and is killed once it counts as used.
func (b *bundleBed) killed(name string, serial uint64) {
	b.t.Helper()
	u, err := openUsed(b.root)
	if err != nil {
		b.t.Fatal(err)
	}
	defer u.close()
	l := &landing{used: u, bundle: &bundle.Bundle{Manifest: bundle.Manifest{Name: name, Serial: serial}, Digest: "x"}, line: useLine{Name: name, Serial: serial}}
	l.names, err = u.names()
	if err == nil {
		l.before, err = u.seen(name)
	}
	if err == nil {
		err = l.try(hostconf.Options{Root: b.root, NoOwners: os.Geteuid() != 0})
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

// The first bundle of a host lands, and who applies it is killed before that is written down. An undo
// forgets all applies, as it was the only one: it finds out first what came of the bundle. An older one
// does not land after it.
func TestLandedThenUndone(t *testing.T) {
	b := newBundleBed(t)
	older := b.bundle("prod", 5)
	b.killed("prod", 8)
	at := filepath.Join(b.root+bundleState, attempted)
	aside := filepath.Join(t.TempDir(), attempted)
	if err := os.Rename(at, aside); err != nil {
		t.Fatal(err)
	}
	b.on(exitOK, "applied", "apply") // as if it had come out of that bundle
	if err := os.Rename(aside, at); err != nil {
		t.Fatal(err)
	}
	b.on(exitOK, "put back: ", "undo")
	if log := b.log(); !strings.Contains(log, `"outcome":"landed"`) {
		t.Errorf("what is written down:\n%s", log)
	}
	b.on(exitOK, "applied", "apply") // the numbers of applies begin anew
	b.says(exitFailure, "its serial is 5, and 8 was used", b.args(older)...)
}
