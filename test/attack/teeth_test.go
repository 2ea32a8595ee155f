package attack

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// Whoever can set muxward's environment wants to take its checks out by the switch that
// is there for control runs. The muxward that people run does not have it: neither the
// name of the variable nor anything of the package is in it, and what the variable holds
// is not looked at. (The attacks of this package run so, too.) The control run is the
// build that has it: it does not start with a check that there is none of.
func TestTeethAreInTheirBuild(t *testing.T) {
	t.Parallel()
	for what, has := range map[string]bool{"": false, "teeth_decide": true} {
		bin := host.Build(t, what)
		program, err := os.ReadFile(bin)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"MUXWARD_TEETH", "muxward/internal/teeth", "MUXWARD_FAILPOINTS"} {
			if got := bytes.Contains(program, []byte(name)); got != has {
				t.Errorf("the build %q has %s in it: %v, want %v", what, name, got, has)
			}
		}
		for checks, refused := range map[string]bool{"": false, "decide": false, "decide,chain": false, "decide,none": has, "decide,": has} {
			cmd := tmuxtest.Account{}.Command(bin, "--help")
			cmd.Env = append(cmd.Env, "MUXWARD_TEETH="+checks)
			out, err := cmd.CombinedOutput()
			code := cmd.ProcessState.ExitCode()
			if (code != 0) != refused || refused && (code != 2 || !strings.Contains(string(out), "is no check")) {
				t.Errorf("the build %q with %q: %v, %s", what, checks, err, out)
			}
		}
	}
}

// Which checks are out is the affair of muxward alone. No tmux server hears of it and no
// pane, or what runs there would be another host than the one that is attacked.
func TestTeethStayOutOfPanes(t *testing.T) {
	t.Parallel()
	h := host.Start(t, host.Config{Build: "teeth_decide"})
	const name = "MUXWARD_TEETH="
	if !bytes.Contains(environ(t, h.PID()), []byte(name+"decide\x00")) {
		t.Errorf("muxward itself does not have it: %q", environ(t, h.PID()))
	}
	h.Must(owner, "new-session", "-d", "-s", "work", "exec cat")
	server := h.Server(owner)
	var pane int
	if _, err := fmt.Sscan(server.Run("display-message", "-p", "-t", "work", "#{pane_pid}"), &pane); err != nil {
		t.Fatal(err)
	}
	// Until its program runs, it is a copy of the server.
	tmuxtest.Eventually(t, func() bool { return bytes.Contains(environ(t, pane), []byte("\x00TMUX_PANE=")) }, "the pane's program runs")
	for what, got := range map[string][]byte{
		"the server":             environ(t, server.PID),
		"the pane":               environ(t, pane),
		"the global environment": []byte(server.Run("show-environment", "-g")),
		"the session":            []byte(server.Run("show-environment", "-t", "work")),
	} {
		if len(got) == 0 && what != "the session" || bytes.Contains(got, []byte(name)) {
			t.Errorf("%s: %q", what, got)
		}
	}
}

// environ is the environment that a process began with.
func environ(t *testing.T, pid int) []byte {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil {
		t.Fatal(err)
	}
	return append([]byte{0}, text...)
}
