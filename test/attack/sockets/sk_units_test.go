package sockets

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// unit is what a unit file of packaging/systemd says, by key.
func unit(t *testing.T, name string) map[string]string {
	t.Helper()
	text, err := os.ReadFile("../../../packaging/systemd/" + name)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if k, v, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(k, "#") {
			out[k] = v
		}
	}
	return out
}

// The attacker hopes that root's service has so few rights, or sees so little, that it
// misses what they do. With the capabilities that the units leave it, a scan finds what
// root's own finds, and what the watch may be told to mend is mended; neither unit has
// a mount or network namespace of its own. In the control run, with no capabilities,
// less is found.
func TestSKUnits(t *testing.T) {
	z := newCage(t)
	dir := z.dir(owner, 0o711)
	dead := z.socket(dir+"/dead", owner, 0o600)
	gone, open := z.server(owner, dir+"/gone", 0), z.server(owner, dir+"/open", 0)
	z.server(owner, dir+"/net", unix.CLONE_NEWNET)
	z.must(os.Remove(gone.path))
	z.must(os.Chmod(open.path, 0o666))
	z.connected(open.path, viewer)
	with := func(caps string, args ...string) string {
		t.Helper()
		bounds := "-all"
		for _, c := range strings.Fields(caps) {
			bounds += ",+" + strings.ToLower(strings.TrimPrefix(c, "CAP_"))
		}
		args = append([]string{"--no-new-privs", "--inh-caps", "-all", "--bounding-set", bounds, host.Build(t, ""), "sockets"}, args...)
		cmd := tmuxtest.Account{}.Command("setpriv", args...)
		var out, errs bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &errs
		if err := cmd.Run(); err != nil && out.Len() == 0 {
			t.Fatalf("%q: %v\n%s", args, err, errs.String())
		}
		return out.String()
	}
	found := func(text string) (ids []string) {
		var l looked
		z.must(json.Unmarshal([]byte(text), &l))
		for _, f := range l.Findings {
			ids = append(ids, f.ID+" "+string(f.Path))
		}
		slices.Sort(ids)
		return ids
	}
	scan := []string{"scan", "--json", "--settle", "1ns", "--only", z.base}
	want := found(z.muxward(root, scan...).Out)
	if len(want) < 4 {
		t.Errorf("root's own scan finds %q: this is no test", want)
	}
	watch, once := unit(t, "muxward-sockets-watch.service"), unit(t, "muxward-sockets-scan.service")
	for _, u := range []map[string]string{watch, once} {
		if got := found(with(u["CapabilityBoundingSet"], scan...)); !slices.Equal(got, want) {
			t.Errorf("%s finds %q, want %q", u["ExecStart"], got, want)
		}
		for k := range u {
			if strings.HasPrefix(k, "Protect") || strings.HasPrefix(k, "Private") || strings.HasSuffix(k, "Paths") || k == "RootDirectory" || k == "User" {
				t.Errorf("%s has %s, and does not see what people see", u["ExecStart"], k)
			}
		}
	}
	if got := found(with("", scan...)); slices.Equal(got, want) {
		t.Error("control run: with no capabilities all is found: this is no test")
	}
	with(watch["CapabilityBoundingSet"], "fix", "--yes", "--settle", "1ns", "--only", z.base, "--state", z.state(root))
	if statOf(dead) != [3]uint64{} || !connects(gone.path) || statMode(open.path)&0o077 != 0 {
		t.Error("with the capabilities of the watch not all is mended")
	}
	z.allLive()
}

func statMode(path string) uint32 {
	var st unix.Stat_t
	_ = unix.Lstat(path, &st) // what is not there has no mode
	return st.Mode
}

// What the units say is what the service manager of this host understands, and the
// programs that they start are commands of muxward.
func TestSKUnitsAreUnderstood(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		tmuxtest.Skip(t, "needs systemd-analyze")
	}
	dir := tmuxtest.Dir(t, tmuxtest.Account{})
	units, err := filepath.Glob("../../../packaging/systemd/muxward-sockets-*")
	if err != nil || len(units) != 3 {
		t.Fatalf("units: %q, %v", units, err)
	}
	args := []string{"verify", "--man=no"}
	for _, u := range units {
		text, err := os.ReadFile(u)
		if err != nil {
			t.Fatal(err)
		}
		to := filepath.Join(dir, filepath.Base(u))
		if err := os.WriteFile(to, bytes.ReplaceAll(text, []byte("/usr/bin/muxward"), []byte(host.Build(t, ""))), 0o644); err != nil {
			t.Fatal(err)
		}
		if args = append(args, to); filepath.Ext(u) != ".service" {
			continue
		}
		words := append(strings.Fields(unit(t, filepath.Base(u))["ExecStart"])[1:], "--help")
		if out, err := tmuxtest.Output((tmuxtest.Account{}).Command(host.Build(t, ""), words...)); err != nil || !strings.Contains(out, strings.Join(words[:2], " ")) {
			t.Errorf("%s: %v\n%s", u, err, out)
		}
	}
	if out, err := (tmuxtest.Account{}).Command(analyze, args...).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("%v\n%s", err, out)
	}
}
