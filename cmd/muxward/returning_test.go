package main

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/config"
	"github.com/muxward/muxward/internal/hostconf/hostfile"
	"github.com/muxward/muxward/internal/hostconf/proof"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/packaging"
)

// ownedBy gives the state of a tree to its account muxward, as muxward-helper does.
func ownedBy(t *testing.T, root, name string) {
	t.Helper()
	uid := 0
	if name != "" {
		a, err := accountIn(root, name)
		if err != nil {
			t.Fatal(err)
		}
		uid = int(a.UID)
	}
	err := errors.Join(os.MkdirAll(root+setupState+"/audit", 0o711), os.Chown(root+setupState, uid, uid), os.Chown(root+setupState+"/audit", uid, uid))
	if err != nil {
		t.Fatal(err)
	}
}

// No undo has muxward run as root again while the state is the account's that it runs as, and none takes
// that account away: its number, and the log with it, would be the next one's. Once it is given back the
// undo goes on.
func TestUndoOfSeparated(t *testing.T) {
	if os.Geteuid() != 0 {
		tmuxtest.Skip(t, "owners are root's to give")
	}
	b := newHostBed(t)
	b.change("host.yaml", "\nserve:\n", "\nserve:\n  account: \"\"\n")
	b.on(exitOK, "applied: ", "apply")
	b.change("host.yaml", "  account: \"\"\n", "  account: muxward\n")
	b.on(exitOK, "applied: ", "apply")
	ownedBy(t, b.root, "muxward")
	before, err := os.ReadFile(b.root + "/etc/passwd")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the first one leaves nothing open
		b.on(exitFailure, "muxward-helper give-back where", "undo")
		b.on(exitOK, "nothing to do", "apply")
		if got := configOf(t, b.root).Account; got != "muxward" {
			t.Errorf("muxward is to run as %q", got)
		}
		if now, err := os.ReadFile(b.root + "/etc/passwd"); err != nil || string(now) != string(before) {
			t.Errorf("%v\n%s", err, now)
		}
	}
	ownedBy(t, b.root, "")
	b.on(exitOK, "undone: make account muxward", "undo")
	if got := configOf(t, b.root).Account; got != "" {
		t.Errorf("muxward is to run as %q", got)
	}
}

// What was broken off does not come back either, by whatever takes it back.
func TestTakingBackOfSeparated(t *testing.T) {
	files := map[string][]byte{setupConfig: []byte(packaging.Config(""))}
	if os.Geteuid() != 0 {
		tmuxtest.Skip(t, "owners are root's to give")
	}
	root := setupTree(t)
	if out, err := runSetup(t, "setup", "--root", root); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	f := setupFlags{root: root}
	h := hostFlags{root: root}
	cmd := newRoot()
	of, err := f.options(cmd)
	if err != nil {
		t.Fatal(err)
	}
	for name, may := range map[string]func(map[string][]byte) error{"setup": of.Returning, "settling": h.settling(cmd, root).Returning,
		"apply": h.options(cmd, root, &hostfile.Found{}).Returning} {
		ownedBy(t, root, "")
		if err := may(files); err != nil {
			t.Errorf("%s: a state of root's: %v", name, err)
		}
		ownedBy(t, root, "muxward")
		if err := may(files); err == nil || !strings.Contains(err.Error(), "setup --separated=false") {
			t.Errorf("%s: %v", name, err)
		}
		for text, good := range map[string]bool{packaging.Config("muxward"): true, packaging.Config("another"): false, "state: /srv/none\n": true} {
			if err := may(map[string][]byte{setupConfig: []byte(text)}); (err == nil) != good {
				t.Errorf("%s: %q: %v", name, text, err)
			}
		}
		if err := may(nil); err != nil {
			t.Errorf("%s: of other files: %v", name, err)
		}
	}
}

// The account has no home where muxward writes: setup, host and the package make it so, setup changes one
// that is there over, and doctor tells of one.
func TestAccountHasNoHome(t *testing.T) {
	if os.Geteuid() != 0 {
		tmuxtest.Skip(t, "accounts are root's to make")
	}
	home := func(root string) string {
		t.Helper()
		a, err := accountIn(root, "muxward")
		if err != nil {
			t.Fatal(err)
		}
		return a.Home
	}
	b := newHostBed(t)
	b.on(exitOK, "applied: ", "apply")
	if got := home(b.root); got != "/nonexistent" {
		t.Errorf("host: %s", got)
	}
	root := setupTree(t)
	if out, err := runSetup(t, "setup", "--root", root); err != nil || home(root) != "/nonexistent" {
		t.Fatalf("setup: %v, %s\n%s", err, home(root), out)
	}
	if p := accountControl(t, root, "MW-V003"); p.Outcome != proof.Holds {
		t.Errorf("%+v", p)
	}
	if text, err := os.ReadFile("../../packaging/sysusers.d/muxward.conf"); err != nil || !strings.Contains(string(text), "u muxward - \"muxward\" /nonexistent ") {
		t.Errorf("sysusers.d: %v\n%s", err, text)
	}
	// As an earlier muxward has made it.
	text, err := os.ReadFile(root + "/etc/passwd")
	if err == nil {
		err = os.WriteFile(root+"/etc/passwd", []byte(strings.Replace(string(text), ":/nonexistent:", ":"+setupState+":", 1)), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	if p := accountControl(t, root, "MW-V003"); p.Outcome != proof.Broken || !strings.Contains(p.Lost, "usermod --home /nonexistent muxward") {
		t.Errorf("%+v", p)
	}
	if out, err := runSetup(t, "setup", "--root", root); err != nil || home(root) != "/nonexistent" || !strings.Contains(out, "change account muxward (home "+setupState) {
		t.Errorf("setup again: %v, %s\n%s", err, home(root), out)
	}
	if err := errors.Join(os.MkdirAll(root+setupState+"/.ssh", 0o700)); err != nil {
		t.Fatal(err)
	}
	if p := accountControl(t, root, "MW-V003"); p.Outcome != proof.Broken || !strings.Contains(p.Evidence[0], ".ssh") {
		t.Errorf("%+v", p)
	}
}

// accountControl gives one of doctor's controls.
func accountControl(t *testing.T, root, id string) proof.Proof {
	t.Helper()
	for _, c := range accountControls(root) {
		if c.ID == id {
			return c.Proof
		}
	}
	t.Fatalf("there is no %s", id)
	return proof.Proof{}
}

// A host with units of an older muxward, by which systemd gives the state to root at every start, is not
// changed over without new ones, and doctor tells of it. setup brings them; what is people's it refuses.
func TestOldUnits(t *testing.T) {
	if os.Geteuid() != 0 {
		tmuxtest.Skip(t, "accounts are root's to make")
	}
	b := newHostBed(t)
	b.change("host.yaml", "\nserve:\n", "\nserve:\n  account: \"\"\n")
	b.on(exitOK, "applied: ", "apply")
	for _, dir := range []string{setupUnits + "/muxward.service.d", "/usr/lib/systemd/system"} {
		if err := os.MkdirAll(b.root+dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	watch := setupUnits + "/muxward-sockets-watch.service"
	put(t, b.root, watch, "[Service]\nExecStart=/usr/bin/muxward sockets watch\nStateDirectory=muxward\n")
	b.change("host.yaml", "  account: \"\"\n", "  account: muxward\n")
	b.on(exitFailure, watch+": StateDirectory=", "apply")
	if got := configOf(t, b.root).Account; got != "" {
		t.Errorf("muxward is to run as %q", got)
	}
	for text, good := range map[string]bool{
		"[Service]\nStateDirectory=other muxward:x\n":                false,
		"[Service]\nStateDirectory = muxward\nUser=root\n":           false,
		"[Service]\nStateDirectory=muxward\nUser=muxward\n":          true,
		"[Service]\nStateDirectory=muxward\nStateDirectory=\n":       true,
		"[Service]\nStateDirectory=other\n#StateDirectory=muxward\n": true,
		"": true,
	} {
		put(t, b.root, watch, text)
		if err := untaken(b.root, "", setupState); (err == nil) != good {
			t.Errorf("%q: %v", text, err)
		}
	}
	put(t, b.root, watch, "")
	put(t, b.root, "/usr/lib/systemd/system/muxward.service", "[Service]\nStateDirectory=muxward\n")
	if err := untaken(b.root, "", setupState); err == nil {
		t.Error("a unit of a package")
	}
	put(t, b.root, setupUnits+"/muxward.service", "[Service]\n")
	if err := untaken(b.root, "", setupState); err != nil {
		t.Errorf("it is not the one that counts: %v", err)
	}
	b.on(exitOK, "applied: ", "apply")
	if p := accountControl(t, b.root, "MW-V004"); p.Outcome != proof.Holds {
		t.Errorf("%+v", p)
	}
	drop := setupUnits + "/muxward.service.d/ours.conf"
	put(t, b.root, drop, "[Service]\nStateDirectory=muxward\n")
	if p := accountControl(t, b.root, "MW-V004"); p.Outcome != proof.Broken || !strings.Contains(p.Evidence[0], drop) {
		t.Errorf("%+v", p)
	}

	root := setupTree(t)
	if err := os.MkdirAll(root+setupUnits+"/muxward.service.d", 0o755); err != nil {
		t.Fatal(err)
	}
	put(t, root, watch, "[Service]\nStateDirectory=muxward\n")
	if out, err := runSetup(t, "setup", "--root", root); err != nil || accountControl(t, root, "MW-V004").Outcome != proof.Holds {
		t.Errorf("setup brings new units: %v\n%s", err, out)
	}
	put(t, root, drop, "[Service]\nStateDirectory=muxward\n")
	if out, err := runSetup(t, "setup", "--root", root, "--separated=false"); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err := runSetup(t, "setup", "--root", root, "--separated"); err == nil || !strings.Contains(err.Error(), drop) || configOf(t, root).Account != "" {
		t.Errorf("%v\n%s", err, out)
	}
}

// A state that is an account's, of which muxward.yaml does not say so any more, is given back by setup, too;
// one whose giving back was broken off, with its keys elsewhere still, is no state for root's muxward.
func TestSetupGivesBackLater(t *testing.T) {
	if os.Geteuid() != 0 {
		tmuxtest.Skip(t, "owners are root's to give")
	}
	root := setupTree(t)
	if out, err := runSetup(t, "setup", "--root", root); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	put(t, root, setupConfig, packaging.Config(""))
	ownedBy(t, root, "muxward")
	const back = "are given back to root"
	if out, err := runSetup(t, "setup", "--root", root, "--separated=false", "--dry-run"); err != nil || !strings.Contains(out, back) {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err := runSetup(t, "setup", "--root", root, "--dry-run"); strings.Contains(out, back) {
		t.Errorf("nobody has asked for it: %v\n%s", err, out)
	}
	ownedBy(t, root, "")
	if out, err := runSetup(t, "setup", "--root", root, "--separated=false", "--dry-run"); err != nil || strings.Contains(out, back) {
		t.Errorf("it is root's: %v\n%s", err, out)
	}

	state := t.TempDir() + "/state"
	c := config.Config{State: state}
	err := errors.Join(os.MkdirAll(state, 0o711), os.MkdirAll(state+"-keys", 0o700))
	if err := errors.Join(err, rooted(c)); err != nil {
		t.Fatal(err)
	}
	put(t, state+"-keys", "audit.key", "")
	if err := rooted(c); err == nil || !strings.Contains(err.Error(), "give-back --account") {
		t.Errorf("giving back was broken off: %v", err)
	}
	put(t, state, "audit.key", "")
	if err := rooted(c); err != nil {
		t.Errorf("root's own key: %v", err)
	}
}
