package script

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
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
// muxward-helper it is the same, also after that was killed, and the process that runs as
// muxward's own account does not have the secret anywhere in its memory.
func TestProfilesBySSH(t *testing.T) {
	const secret = "s3kr1t-of-23-characters" // found nowhere by chance
	for name, account := range map[string]string{"root": "", "separated": host.Ward} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := host.Start(t, host.Config{Account: account, SSH: []string{host.Alice, host.Bob, host.Mallory},
				Profiles: onDuty, Secrets: map[string]string{"password": secret + "\n"}})
			a := h.SSHTerminal(host.Alice, tmuxtest.TerminalConfig{}, "prod-psql@127.0.0.1")
			a.WaitFor("psql of mwcarol, secret of 23")
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
			if account != "" {
				if !has(t, h.Daemon(), "prod-psql") {
					t.Error("the daemon's memory does not have a profile's name: it is not read")
				}
				if has(t, h.Daemon(), secret) {
					t.Error("the daemon's memory has the secret")
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
				return strings.Contains(h.Tmux(host.Alice, "capture-pane", "-p", "-t", "prod-psql:0.1").Out, "secret of 23")
			}, "a pane that is opened by the next muxward has it")
		})
	}
}

// has reports whether the memory of a process that it may write to has text.
func has(t *testing.T, pid int, text string) bool {
	t.Helper()
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		t.Fatal(err)
	}
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		t.Fatal(err)
	}
	defer mem.Close()
	buf := make([]byte, 1<<20+len(text)) // with what may stand across two of them
	for line := range strings.Lines(string(maps)) {
		var from, to uint64 // one of the kernel's is above any int64
		var mode string
		if _, err := fmt.Sscanf(line, "%x-%x %s", &from, &to, &mode); err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(mode, "rw") {
			continue
		}
		for at := from; at < to; at += 1 << 20 {
			n, _ := mem.ReadAt(buf[:min(uint64(len(buf)), to-at)], int64(at)) // what cannot be read has nothing
			if bytes.Contains(buf[:n], []byte(text)) {
				return true
			}
		}
	}
	return false
}

// A profile is started again by its name however shortly after it has ended: its server may
// be on its way out.
func TestProfilesAgain(t *testing.T) {
	t.Parallel()
	h := host.Start(t, host.Config{Profiles: onDuty, Secrets: map[string]string{"password": "s3kr1t\n"}})
	for range 10 {
		h.Must(host.Alice, "new-session", "-d", "-t", "prod-psql")
		h.Server("prod-psql").Run("kill-server")
	}
	for _, e := range h.AuditKind("alarm") { // those of what kill-server leaves behind are right
		if strings.Contains(e.Note, "was not started") {
			t.Errorf("an alarm: %+v", e)
		}
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
	// A line names it as well, there and at a server of one's own.
	own := h.Control(host.Alice, "new-session", "-s", "own", "cat")
	tmuxtest.Eventually(t, func() bool {
		return slices.ContainsFunc(own.Said(), func(line string) bool { return strings.HasPrefix(line, "%session-changed") })
	}, "she is there")
	for who, l := range map[string]*host.Lines{"bob": c, "alice": own} {
		if got := strings.Join(l.Ask("list-panes -t prod-psql -F '#{session_name}'"), " "); !strings.Contains(got, "main") {
			t.Errorf("%s: %s", who, got)
		}
	}
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

// What cannot be run is the administrator's to know: the log has its path, and the terminal not.
func TestProfilesThatCannotBeRun(t *testing.T) {
	t.Parallel()
	h := host.Start(t, host.Config{Profiles: strings.Replace(onDuty, "command: [/bin/sh, -c,", "command: [/opt/secretplace/psql, -c,", 1),
		Secrets: map[string]string{"password": "s3kr1t\n"}})
	a := h.Terminal(host.Alice, tmuxtest.TerminalConfig{}, "new", "-t", "prod-psql")
	a.ExitCode() // it may have come to be attached before
	if a.Told("secretplace") || strings.Contains(string(a.Bytes()), "secretplace") {
		t.Errorf("%q", a.Bytes())
	}
	tmuxtest.Eventually(t, func() bool {
		return slices.ContainsFunc(h.AuditKind("server"), func(e host.Event) bool {
			return strings.Contains(e.Note, "has no program: run /opt/secretplace/psql: no such file")
		})
	}, "the log says why")
}

// Who shares the sessions of a profile is another matter with another file: what nobody in force
// has is ended, also where its tmux stands still.
func TestProfilesSharedAnew(t *testing.T) {
	t.Parallel()
	own := strings.Replace(onDuty, "shared: true", "shared: false", 1)
	h := host.Start(t, host.Config{Profiles: own, Secrets: map[string]string{"password": "s3kr1t\n"}})
	h.Must(host.Bob, "new-session", "-d", "-t", "prod-psql")
	ends := func(pid int, text string) {
		t.Helper()
		h.WriteProfiles(text)
		h.Signal(syscall.SIGHUP)
		tmuxtest.Eventually(t, func() bool { return syscall.Kill(pid, 0) == syscall.ESRCH }, "its server has ended")
	}
	ends(pidOf(t, h), onDuty)
	h.Must(host.Bob, "new-session", "-d", "-t", "prod-psql")
	if out := h.Server("prod-psql").Run("list-sessions", "-F", "#{session_name}"); out != "main" {
		t.Errorf("it has the sessions %q", out)
	}
	pid := pidOf(t, h)
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	ends(pid, "profiles: {}\n")
	tmuxtest.Eventually(t, func() bool { return strings.Contains(h.Muxward("", "status").Out, "all is well") }, "nothing of it is left to tell")
}

// pidOf is the process of the profile's tmux.
func pidOf(t *testing.T, h *host.Host) int {
	t.Helper()
	pid, err := strconv.Atoi(h.Server("prod-psql").Run("display-message", "-p", "#{pid}"))
	if err != nil {
		t.Fatal(err)
	}
	return pid
}
