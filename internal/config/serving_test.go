package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

const somebody = 65533 // no account of the host's

// Where the state directory is an account's, what that account writes there is not believed:
// neither where to ask, nor which file to write to. Root's word in RUN counts, if it is of
// that directory, and nothing that others could have put there.
func TestServingOfAnAccount(t *testing.T) {
	if os.Geteuid() != 0 {
		tmuxtest.Skip(t, "gives files to an account, which takes root")
	}
	base := t.TempDir()
	state, other, doors := base+"/state", base+"/other", base+"/d"
	for _, dir := range []string{state, other, doors, doors + "/run"} {
		must(t, os.Mkdir(dir, 0o755))
	}
	theirs := Serving{Ctl: "/theirs/ctl", Doors: doors, SSH: &ServingSSH{TOTP: "/etc/sudoers.d/x"}}
	must(t, theirs.Save(state))
	must(t, os.Chown(state, somebody, somebody))
	must(t, os.Chown(filepath.Join(state, servingFile), somebody, somebody))
	find := func(what string, none, works bool) {
		t.Helper()
		s, err := FindServing(state)
		if works != (err == nil) || none != errors.Is(err, fs.ErrNotExist) || s.SSH != nil || s.Ctl != "" && s.Ctl != "/ours/ctl" {
			t.Errorf("%s: %+v, %v", what, s, err)
		}
	}
	find("the helper has written nothing", true, false)
	ours := Serving{Ctl: "/ours/ctl", Doors: doors, State: state}
	must(t, ours.Save(doors+"/run"))
	find("the helper's", false, true)
	must(t, os.Chown(filepath.Join(state, servingFile), 0, 0))
	find("a file of root's in a directory of an account's", false, true)
	must(t, Serving{Ctl: "/ours/ctl", State: other}.Save(doors+"/run"))
	find("the helper's of another directory", false, false)
	must(t, ours.Save(doors+"/run"))
	must(t, os.Chown(filepath.Join(doors, "run", servingFile), somebody, somebody))
	find("somebody else's in RUN", false, false)
	must(t, os.Chown(filepath.Join(doors, "run", servingFile), 0, 0))
	must(t, os.Chown(doors, somebody, somebody))
	find("in a directory of somebody else's", false, false)
	must(t, os.Chown(doors, 0, 0))
	find("the helper's again", false, true)
	must(t, os.Mkdir(base+"/theirs", 0o755))
	must(t, os.Symlink(doors, base+"/theirs/d"))
	must(t, os.Chown(base+"/theirs", somebody, somebody))
	for _, by := range []string{base + "/theirs/d", doors} {
		must(t, Serving{Doors: by}.Save(state))
		must(t, os.Chown(filepath.Join(state, servingFile), somebody, somebody))
		find("by "+by, false, by == doors)
	}
	path := filepath.Join(state, servingFile)
	must(t, os.Remove(path))
	must(t, unix.Mkfifo(path, 0o644))
	find("a pipe, for which nobody waits", false, false)
}

// Whoever names no state directory asks their own muxward, and where they have none, or one
// that serves no more, the host's: on a shared host nobody has set anything but TMUX_TMPDIR.
func TestServingOfWhomIsAsked(t *testing.T) {
	base := t.TempDir()
	own, host, ctl := base+"/own", base+"/host", base+"/ctl"
	ask := func(what, doors, want string, passes bool) {
		t.Helper()
		s, passed, err := eitherServing(own, host, doors)
		if (err == nil) != (want != "") || s.Doors != want {
			t.Errorf("%s: %+v, %v; want the doors %q", what, s, err, want)
		}
		if (passed == own) != passes || !passes && passed != "" {
			t.Errorf("%s: passed is %q", what, passed)
		}
	}
	ask("none", "", "", false)
	if _, _, err := eitherServing(own, host, ""); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "whoever looks after this host") {
		t.Errorf("none: %v, which does not say what to do", err)
	}
	must(t, os.Mkdir(host, 0o755))
	must(t, Serving{Ctl: ctl, Doors: "/h"}.Save(host))
	ask("the host's alone", "", "/h", false)
	must(t, os.Mkdir(own, 0o755))
	must(t, Serving{Ctl: ctl, Doors: "/o"}.Save(own))
	ask("one's own has gone", "", "/h", true)
	ask("one's own has gone, whose doors are set", "/o", "/o", false)
	must(t, os.WriteFile(ctl, nil, 0o600))
	ask("both", "", "/o", false)
	ask("both, through the host's doors", "/h", "/h", true)
	ask("both, through the host's doors, in other words", "/h/", "/h", true)
	must(t, os.WriteFile(filepath.Join(host, servingFile), []byte("{"), 0o644))
	ask("the host's is broken", "", "/o", false)
	must(t, os.WriteFile(filepath.Join(own, servingFile), []byte("{"), 0o644))
	ask("both are broken", "", "", false)
	must(t, os.Remove(filepath.Join(host, servingFile)))
	must(t, Serving{Ctl: ctl, Doors: "/h"}.Save(host))
	ask("one's own is broken, and not taken for none", "", "", false)
	must(t, os.WriteFile(filepath.Join(host, servingFile), []byte("{"), 0o644))
	must(t, os.RemoveAll(own))
	ask("the host's alone, broken", "", "", false)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
