package monitor

import (
	"strings"
	"testing"
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
