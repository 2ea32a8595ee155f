package attack

import (
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// The process that asks PAM about Mallory is killed: before anything is asked, while it waits for her
// answer, behind that, at the account, and as she is to have another password. She wants to be let in by that, or
// to take muxward-helper along. No such login is let in, nothing of it is left, and carol comes in
// behind each. In the control run of each step nothing is killed there, and Mallory comes in by the same modules.
// The steps of a pane's session are PN-11's.
func TestF21KilledAtEachStep(t *testing.T) {
	t.Parallel()
	toy := host.Module(t, "../host/testdata/toy.c")
	h := host.Start(t, host.Config{Account: host.Ward, PAM: "auth required pam_deny.so\n",
		Policy: map[string]string{"people.yaml": standardPeople, "grants.yaml": standardGrants}})
	for name, text := range map[string]string{"end": "#!/bin/sh\nkill -9 $PPID\n", "go": "#!/bin/sh\n"} {
		if err := tmuxtest.WriteProgram(h.Base+"/"+name, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	helper := h.PID()
	auth, account, exec := "auth required "+toy+" /dev/null\n", "account required "+toy+"\n", "pam_exec.so quiet "+h.Base+"/"
	for i, step := range []struct {
		name, stack string // END is where it is killed
		asked       bool   // whether it is killed as something is asked
		answers     []string
	}{
		{"before anything is asked", "auth required END\n" + auth + account, false, []string{"good"}},
		{"while an answer is waited for", auth + account, true, []string{"good"}},
		{"behind the answer", auth + "auth required END\n" + account, false, []string{"good"}},
		{"at the account", auth + account + "account required END\n", false, []string{"good"}},
		{"at another password", auth + "account required " + toy + " - " + stranger + "\npassword required END\npassword required " + toy + "\n",
			false, []string{"good", "one", "one"}},
	} {
		for _, killed := range []bool{true, false} {
			with := exec + "go"
			if killed {
				with = exec + "end"
			}
			h.WritePAM(strings.ReplaceAll(step.stack, "END", with))
			at := func() {}
			if killed && step.asked {
				at = func() {
					for _, pid := range h.PAMProcesses() {
						_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended
					}
				}
			}
			from := net.IPv4(127, 0, 9, byte(2*i+1))
			if !killed {
				from[len(from)-1]++
			}
			k := &host.Talk{Answers: step.answers}
			c, err := dialFrom(h, from, stranger, func(name, instruction string, questions []string, echos []bool) ([]string, error) {
				if len(questions) > 0 {
					at()
				}
				return k.Answer(name, instruction, questions, echos)
			})
			if err == nil {
				_ = c.Close()
			}
			if killed != (err != nil) {
				t.Errorf("%s, killed %t: %v; was shown %q", step.name, killed, err, k.Shown())
			}
			tmuxtest.Eventually(t, func() bool { return len(h.PAMProcesses()) == 0 }, "%s: no process asks PAM any more", step.name)
		}
		if h.PID() != helper || h.Ended() {
			t.Fatalf("%s: muxward-helper has ended:\n%s", step.name, h.Output())
		}
	}
	h.VerifyAudit()
}

// dialFrom comes to the SSH door by keyboard-interactive from an address.
func dialFrom(h *host.Host, from net.IP, user string, answer ssh.KeyboardInteractiveChallenge) (*ssh.Client, error) {
	d := net.Dialer{Timeout: host.Patience, LocalAddr: &net.TCPAddr{IP: from}}
	nc, err := d.Dial("tcp", h.SSHAddr())
	if err != nil {
		return nil, err
	}
	_ = nc.SetDeadline(time.Now().Add(2 * host.Patience)) // an error comes again at the first read
	c, channels, requests, err := ssh.NewClientConn(nc, h.SSHAddr(), &ssh.ClientConfig{User: user,
		Auth: []ssh.AuthMethod{ssh.KeyboardInteractive(answer)}, HostKeyCallback: ssh.InsecureIgnoreHostKey()})
	if err != nil {
		_ = nc.Close()
		return nil, err
	}
	return ssh.NewClient(c, channels, requests), nil
}
