package monitor

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/privsep/holder"
)

// A home of the account where muxward writes is told of.
func TestHomeInState(t *testing.T) {
	s := &setting{}
	s.config.State, s.account.Name = "/srv/mw", "mw"
	for home, want := range map[string]bool{"/srv/mw": true, "/srv/mw/": true, "/srv/mw/home": true, "/srv/mwx": false, "/nonexistent": false, "/srv": false, "": false} {
		s.account.Home = home
		if why := s.homeInState(); (why != "") != want || want && !strings.Contains(why, "usermod --home /nonexistent mw") {
			t.Errorf("%q: %q", home, why)
		}
	}
}

// A unit that has systemd give the state to root starts nothing: what is root's then is what an account
// may have put there.
func TestUntaken(t *testing.T) {
	s := &setting{}
	s.config.State = "/var/lib/muxward"
	for dirs, good := range map[string]bool{"": true, "/var/lib/other": true, "/var/lib/muxward-keys": true, "/var/lib/muxward": false,
		"/var/lib/other:/var/lib/muxward": false, "/var/lib": false} {
		if err := s.untaken(dirs); (err == nil) != good {
			t.Errorf("%q: %v", dirs, err)
		}
	}
}

// What would keep a state from being handed over is said before muxward is to run as an account, and
// nothing is changed. One that never was handed over is root's, whatever is in it.
func TestLook(t *testing.T) {
	s := stateBed(t)
	must(t, os.Mkdir(s.keyDir(), 0o700))
	before := whole(t, s)
	must(t, look(s))
	if got := whole(t, s); got != before {
		t.Errorf("it was\n%s\nand is\n%s", before, got)
	}
	must(t, os.Mkdir(s.config.State+"/lost+found", 0o700))
	if err := look(s); err == nil || !strings.Contains(err.Error(), "lost+found") {
		t.Errorf("%v", err)
	}
	before = whole(t, s)
	must(t, giveBack(s))
	if got := whole(t, s); got != before {
		t.Errorf("it was\n%s\nand is\n%s", before, got)
	}
	must(t, os.Remove(s.config.State+"/lost+found"), os.WriteFile(s.keyDir()+"/"+holder.CheckpointFile, nil, 0o600))
	if err := look(s); err == nil || !strings.Contains(err.Error(), "which counts") {
		t.Errorf("%v", err)
	}
	must(t, os.Remove(s.keyDir()+"/"+holder.CheckpointFile), prepare(s), look(s)) // handed over already
	must(t, errors.Join(os.Chown(s.config.State, 0, 0), os.Mkdir(s.config.State+"/lost+found", 0o700)))
	if err := giveBack(s); err == nil || !strings.Contains(err.Error(), "lost+found") {
		t.Errorf("half of it is the account's: %v", err)
	}
}
