package script

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// onDuty is a profile that alice and bob share, and look on at by carol's account.
const onDuty = `profiles:
  prod-psql:
    command: [/bin/sh, -c, 'echo "psql of $(id -un), secret of ${#PGPASSWORD}"; cat']
    account: mwwork
    run_as: mwcarol
    secrets: {PGPASSWORD: $BASE/password}
    who: [mwalice, mwbob]
    shared: true
`

// By ssh a profile is reached by its name, and is in the list; who shares it joins there. Beside
// muxward-helper it is the same, also after that was killed, and muxward's own account never has
// the secret.
func TestProfilesBySSH(t *testing.T) {
	for name, account := range map[string]string{"root": "", "separated": host.Ward} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := host.Start(t, host.Config{Account: account, SSH: []string{host.Alice, host.Bob, host.Mallory},
				Profiles: onDuty, Secrets: map[string]string{"password": "s3kr1t\n"}})
			a := h.SSHTerminal(host.Alice, tmuxtest.TerminalConfig{}, "prod-psql@127.0.0.1")
			a.WaitFor("psql of mwcarol, secret of 6")
			a.Type("select from-alice\r")

			// Bob has nothing else here than to choose it from the list.
			b := h.SSHTerminal(host.Bob, tmuxtest.TerminalConfig{}, "127.0.0.1")
			b.WaitFor("prod-psql/main")
			b.Type("prod\r")
			b.WaitFor("select from-alice")
			b.Type("select from-bob\r")
			a.WaitFor("select from-bob")

			for _, user := range []string{"prod-psql", "prod-none"} {
				m := h.SSHTerminal(host.Mallory, tmuxtest.TerminalConfig{}, user+"@127.0.0.1")
				m.WaitFor("no session is here for you")
				m.Type("q\r")
				m.ExitCode()
				if m.Contains("prod-") {
					t.Errorf("mallory is shown %q", m.Screen())
				}
			}
			if r := h.SSH(host.Mallory, "127.0.0.1", "attach", "-t", "prod-psql"); r.Code == 0 || strings.Contains(r.Err, "not permitted") {
				t.Errorf("mallory: %+v", r)
			}

			h.Kill()
			h.Run()
			if r := h.SSH(host.Alice, "127.0.0.1", "capture-pane", "-p", "-t", "prod-psql"); !strings.Contains(r.Out, "from-bob") {
				t.Errorf("alice: %+v", r)
			}
			h.Must(host.Alice, "split-window", "-d", "-t", "prod-psql")
			tmuxtest.Eventually(t, func() bool {
				return strings.Contains(h.Tmux(host.Alice, "capture-pane", "-p", "-t", "prod-psql:0.1").Out, "secret of 6")
			}, "a pane that is opened by the next muxward has it")
		})
	}
}

// What does not run yet is in the list, too, and is started from there.
func TestProfilesInTheLobby(t *testing.T) {
	t.Parallel()
	h := host.Start(t, host.Config{SSH: []string{host.Bob}, Profiles: onDuty, Secrets: map[string]string{"password": "s3kr1t\n"}})
	if r := h.SSH(host.Bob, "127.0.0.1"); r.Out != "prod-psql\tstarts it\n" {
		t.Errorf("%+v", r)
	}
	b := h.SSHTerminal(host.Bob, tmuxtest.TerminalConfig{}, "127.0.0.1")
	b.WaitFor("1  prod-psql  starts it")
	b.Type("1\r")
	b.WaitFor("psql of mwcarol")
	b.Type("\x02d")
	b.WaitFor("prod-psql/main")
}

// In control mode, at either door, it is begun as well.
func TestProfilesInControlMode(t *testing.T) {
	t.Parallel()
	h := host.Start(t, host.Config{SSH: []string{host.Bob}, Profiles: onDuty, Secrets: map[string]string{"password": "s3kr1t\n"}})
	c := h.Control(host.Bob, "attach", "-t", "prod-psql")
	tmuxtest.Eventually(t, func() bool {
		return slices.ContainsFunc(c.Said(), func(line string) bool { return strings.HasPrefix(line, "%session-changed") })
	}, "he is there")
	s := h.SSHControl(host.Bob, "127.0.0.1", "tmux -C attach -t prod-psql")
	tmuxtest.Eventually(t, func() bool {
		return slices.ContainsFunc(s.Said(), func(line string) bool { return strings.HasPrefix(line, "%session-changed") })
	}, "he is there by ssh, too")
}

// A muxward without root's rights has nobody to run a program as.
func TestProfilesInUserMode(t *testing.T) {
	t.Parallel()
	h := host.Prepare(t, host.Config{User: host.Alice, Profiles: onDuty})
	if err := h.TryRun(); err == nil || !strings.Contains(err.Error(), "takes root's rights") {
		t.Error(err)
	}
}

// A secret that others could read is given to nobody: the pane says so, and not where it is.
func TestProfilesWithoutSecret(t *testing.T) {
	t.Parallel()
	h := host.Start(t, host.Config{Profiles: onDuty, Secrets: map[string]string{"password": "s3kr1t\n"}})
	if err := os.Chmod(h.Base+"/password", 0o640); err != nil {
		t.Fatal(err)
	}
	a := h.Terminal(host.Alice, tmuxtest.TerminalConfig{}, "new", "-t", "prod-psql")
	a.ExitCode() // it may have come to be attached before the pane was refused
	if a.Told("password") || a.Told("psql of") {
		t.Errorf("%q", a.Screen())
	}
	tmuxtest.Eventually(t, func() bool {
		for _, e := range h.Audit() {
			if strings.Contains(e.Note+e.Reason, "secret PGPASSWORD of prod-psql") {
				return true
			}
		}
		return false
	}, "the log says why")
}
