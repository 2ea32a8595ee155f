package attack

import (
	"os"
	"strings"
	"testing"
)

// The attacker may change the directory of hosts, as somebody whose merge request is read in
// a hurry: what logins have in their environment has every shell run something of theirs, or
// leads tmux to a place where they listen. None of it lands. In the control run the linter
// is taken out, and each does.
func TestCF07Environment(t *testing.T) {
	y := newYard(t)
	text, err := os.ReadFile(y.dir + "/hosts/host.yaml")
	y.must(err)
	plan := func(out string, code int) string {
		args := []string{"host", "apply", y.dir + "/hosts", "--root", y.root, "--host", "web1"}
		if os.Geteuid() != 0 {
			args = append(args, "--no-owners")
		}
		return y.muxward(out, code, args...)
	}
	for _, c := range []struct{ name, from, to, want, mark string }{
		{"PATH", "profile_d: true", "profile_d: true\n  set: {PATH: /srv/x}", "environment.set.PATH", "export PATH=/srv/x"},
		{"LD_PRELOAD", "profile_d: true", "profile_d: true\n  set: {LD_PRELOAD: /srv/x}", "environment.set.LD_PRELOAD", "export LD_PRELOAD=/srv/x"},
		{"BASH_ENV", "profile_d: true", "profile_d: true\n  set: {BASH_ENV: /srv/x}", "environment.set.BASH_ENV", "export BASH_ENV=/srv/x"},
		{"PROMPT_COMMAND", "profile_d: true", "profile_d: true\n  set: {PROMPT_COMMAND: /srv/x}", "environment.set.PROMPT_COMMAND", "export PROMPT_COMMAND=/srv/x"},
		{"TMUX_TMPDIR", "profile_d: true", "profile_d: true\n  set: {TMUX_TMPDIR: /tmp/x}", "environment.set.TMUX_TMPDIR", "export TMUX_TMPDIR=/tmp/x"},
		{"doors", "doors: /run/muxward/doors", "doors: /tmp/y", "everybody may write to /tmp", "export TMUX_TMPDIR=/tmp/y"},
	} {
		bad := strings.Replace(string(text), c.from, c.to, 1)
		if bad == string(text) {
			t.Fatalf("%s: host.yaml has no %q", c.name, c.from)
		}
		y.must(os.WriteFile(y.dir+"/hosts/host.yaml", []byte(bad), 0o644))
		landed := func() bool {
			got, err := os.ReadFile(y.root + "/etc/profile.d/muxward.sh")
			return err == nil && strings.Contains(string(got), c.mark)
		}
		if said := plan("", 2); landed() || !strings.Contains(said, c.want) {
			t.Errorf("%s: landed %v; want it to say %q:\n%s", c.name, landed(), c.want, said)
		}
		if plan("teeth_linted", 0); !landed() {
			t.Errorf("control run: %s does not land without the check", c.name)
		}
	}
}

// The attacker's files are broken: a policy that does not load, so that a muxward that starts
// anew lets nobody in; one that fails its own tests; a configuration of tmux that tmux does
// not take. They never land. In the control run the checks are taken out, and they do.
func TestCF07Broken(t *testing.T) {
	y := newYard(t)
	for _, c := range []struct{ file, from, to, want, landed string }{
		{"policy/grants.yaml", "grants:", "grnats:", "unknown key", "/etc/muxward/policy/grants.yaml"},
		{"tmux/site.conf", "set -g", "sett -g", "unknown command", "/etc/muxward/tmux/site.conf"},
	} {
		was, err := os.ReadFile(y.dir + "/hosts/" + c.file)
		y.must(err)
		bad := strings.Replace(string(was), "\n"+c.from, "\n"+c.to, 1)
		if bad == string(was) {
			t.Fatalf("%s has no %q", c.file, c.from)
		}
		y.must(os.WriteFile(y.dir+"/hosts/"+c.file, []byte(bad), 0o644))
		args := []string{"host", "apply", y.dir + "/hosts", "--root", y.root, "--host", "web1"}
		if os.Geteuid() != 0 {
			args = append(args, "--no-owners")
		}
		landed := func() bool {
			got, err := os.ReadFile(y.root + c.landed)
			return err == nil && string(got) == bad
		}
		if said := y.muxward("", 1, args...); landed() || !strings.Contains(said, c.want) {
			t.Errorf("%s: landed %v:\n%s", c.file, landed(), said)
		}
		if y.muxward("teeth_host_checked", 0, args...); !landed() {
			t.Errorf("control run: %s does not land without the check", c.file)
		}
		y.must(os.WriteFile(y.dir+"/hosts/"+c.file, was, 0o644))
	}
}
