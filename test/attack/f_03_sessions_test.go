package attack

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/muxward/muxward/internal/soak"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// Mallory has muxward-helper killed again and again, while a pane of an isolated server has a PAM session open and
// while PAM waits for her answer. She wants a session that nobody closes, or a process that asks PAM
// and outlives its helper. The pane goes on each time, its session is closed once, when it ends, and
// the process that asked is gone with its helper. The control run is what is seen before each kill: the session is open,
// and the process is there. Whoever starts the helper has left it what HP-03 does, of which nothing is to come
// through to that process either.
func TestF03SessionsOfAKilledHelper(t *testing.T) {
	t.Parallel()
	const service = "mwf03"
	notes := tmuxtest.Dir(t, tmuxtest.Account{})
	for name, text := range map[string]string{"log": "", "count": "#!/bin/sh\necho $PAM_TYPE $PAM_USER $PAM_TTY >>" + notes + "/log\n"} {
		if err := tmuxtest.WriteProgram(notes+"/"+name, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	tmuxtest.PAM(t, service, "auth required pam_permit.so\naccount required pam_permit.so\nsession required pam_exec.so quiet "+notes+"/count\n")
	around := whoeverStarts(t, notes)
	h := host.Start(t, host.Config{Account: host.Ward, PAM: toyStack(t), Change: around,
		Settings: "isolated: {prod: {account: mwwork, run_as: mwmallory, pam: required, pam_service: " + service + "}}\n",
		Policy:   map[string]string{"people.yaml": isolatedPeople, "grants.yaml": isolatedGrants}})
	state := func(opened, closed int) {
		t.Helper()
		tmuxtest.Eventually(t, func() bool { o, c := pamSessions(notes); return o == opened && c == closed },
			"%d sessions were opened and %d closed: %s", opened, closed, ranAs(notes, "log"))
	}
	tmuxtest.Eventually(t, func() bool { return h.Tmux(carol, "has-session", "-t", "prod/main").Code == 0 }, "prod has its session")
	state(1, 0) // its first pane's
	pane := h.Must(carol, "display-message", "-p", "-t", "prod/main:0", "#{pane_pid}")
	rounds := soak.N(50, 2)
	for i := range rounds {
		name := fmt.Sprintf("w%d", i)
		h.Must(carol, "new-window", "-d", "-t", "prod/main", "-n", name, "cat")
		state(2+i, i)
		asked, killed, over := make(chan struct{}), make(chan struct{}), make(chan struct{})
		go func() {
			defer close(over)
			first := true
			c, err := dialFrom(h, []byte{127, 0, 10, byte(1 + i)}, stranger, ssh.KeyboardInteractiveChallenge(func(_, _ string, questions []string, _ []bool) ([]string, error) {
				if first && len(questions) > 0 {
					first = false
					close(asked)
					<-killed // no answer comes
				}
				return make([]string, len(questions)), nil
			}))
			if err == nil {
				_ = c.Close()
				t.Error("mallory is let in")
			}
		}()
		<-asked
		pids := h.PAMProcesses()
		if len(pids) != 1 {
			t.Fatalf("control run: %v ask PAM", pids)
		}
		if i == 0 {
			inheritedByPAM(t, pids[0], around)
		}
		h.Kill()
		close(killed)
		<-over
		tmuxtest.Eventually(t, func() bool { return syscall.Kill(pids[0], 0) == syscall.ESRCH }, "the process that asked PAM is gone")
		h.Run()
		tmuxtest.Eventually(t, func() bool { return h.Tmux(carol, "has-session", "-t", "prod/main").Code == 0 }, "prod is taken up")
		if is := h.Must(carol, "display-message", "-p", "-t", "prod/main:0", "#{pane_pid}"); is != pane {
			t.Errorf("the pane runs %s, and ran %s", is, pane)
		}
		state(2+i, i) // those of before are open still
		h.Must(carol, "kill-window", "-t", "prod/main:"+name)
		state(2+i, i+1)
	}
	h.Must(carol, "send-keys", "-t", "prod/main:0", "exit", "Enter")
	tmuxtest.Eventually(t, func() bool { o, c := pamSessions(notes); return o == c || o > rounds+1 }, "the last is closed: %s", ranAs(notes, "log"))
	if log := ranAs(notes, "log"); strings.Contains(log, " root ") {
		t.Errorf("a session is root's: %s", log)
	}
	h.VerifyAudit()
}
