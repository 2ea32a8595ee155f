package sshd

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/pace"
	"github.com/muxward/muxward/internal/reach"
)

// TestWants: a command line of ssh's says what it would ask for, as ssh itself reads it.
func TestWants(t *testing.T) {
	for line, want := range map[string]string{
		"ssh -L 8080:db.internal:5432":   "forward direct-tcpip db.internal:5432",
		"ssh -L 127.0.0.1:8080:[::1]:53": "forward direct-tcpip [::1]:53",
		"ssh -W db:22 x@host":            "forward direct-tcpip db:22",
		"ssh -L8080:/run/db -A":          "forward direct-streamlocal@openssh.com /run/db; agent auth-agent-req@openssh.com",
		"ssh -R 8080:localhost:80":       "listen tcpip-forward 127.0.0.1:8080",
		"ssh -R 8080":                    "listen tcpip-forward 127.0.0.1:8080",
		"ssh -R *:8080:localhost:80":     "listen tcpip-forward 0.0.0.0:8080",
		"ssh -R [::1]:0:localhost:80":    "listen tcpip-forward [::1]:0",
		"ssh -R /run/x:localhost:80":     "listen streamlocal-forward@openssh.com /run/x",
		"ssh -s host netconf":            "subsystem subsystem netconf",
		"ssh host -s net conf":           "subsystem subsystem net conf",
		"ssh -s netconf":                 "subsystem is named",
		"ssh -AL 1:db:22":                "agent auth-agent-req@openssh.com; forward direct-tcpip db:22",
		"ssh -NAL1:db:22 x@host":         "agent auth-agent-req@openssh.com; forward direct-tcpip db:22",
		"ssh -A host -L 1:db:22":         "agent auth-agent-req@openssh.com; forward direct-tcpip db:22",
		"ssh -A host -L 1:db:22 -R":      "missing",
		"ssh -L 1:db:22 host ls -A":      "tmux's",
		"ssh -L 1:db:22 -- host -A":      "tmux's",
		"ssh -A host -- -a":              "tmux's",
		"ssh -A -- host":                 "agent auth-agent-req@openssh.com",
		"ssh -A -a host -L 1:db:22":      "forward direct-tcpip db:22",
		"ssh -aA host":                   "agent auth-agent-req@openssh.com",
		"ssh -Az host":                   "-z",
		"ssh -A: host":                   "-:",
		"ssh -N -p 22 -J j -i k -o BatchMode=yes -4 -L 1:db:22 host": "forward direct-tcpip db:22",
		"ssh -A -o LocalForward=1:db:22":                             "LocalForward",
		"ssh -A -oforwardagent=yes":                                  "forwardagent",
		"ssh -A -o =\"Tunnel\"=yes":                                  "Tunnel",
		"ssh -A -Y host":                                             "-Y",
		"ssh -A -w 0:0 host":                                         "-w",
		"ssh -R [::1]:80:/run/x":                                     "listen tcpip-forward [::1]:80",
		"ssh -L 1:2:3:4:5":                                           "too many",
		"ssh -L 1::22":                                               "no host and port",
		"sftp -A -s netconf host":                                    "agent auth-agent-req@openssh.com; subsystem subsystem netconf",
		"sftp -s /usr/lib/sftp host":                                 "program",
		"sftp -a host":                                               "subsystem subsystem sftp",
		"scp -O a host:b":                                            "-O",
		"scp -rpO a host:b":                                          "-O",
		"scp -R a:b host:b":                                          "-R",
		"scp -P 22 a host:b":                                         "subsystem subsystem sftp",
		"curl host":                                                  "neither",
		"ssh" + strings.Repeat(" -L 1:db:22", 17):                    "at most 16",
		"/usr/bin/sftp host":                                         "subsystem subsystem sftp",
		"scp a host:b":                                               "subsystem subsystem sftp",
		"ssh host":                                                   "nothing is asked for",
		"ssh -L":                                                     "missing",
		"ssh -L 80":                                                  "no host and port",
		"ssh -L 80:db:0":                                             "no host and port",
		"ssh -D 1080":                                                "-D",
		"ssh -X host":                                                "-X",
		"ssh -R name:80:db:1":                                        "no address",
	} {
		got := ""
		all, err := Wants(strings.Fields(line))
		for i, w := range all {
			if i > 0 {
				got += "; "
			}
			got += w.w.verb.String() + " " + strings.Join(w.w.args(), " ")
		}
		if err != nil {
			got = err.Error()
		}
		if got != want && (err == nil || !strings.Contains(got, want)) {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}

// TestWantsNothing: a call may have no words at all.
func TestWantsNothing(t *testing.T) {
	if _, err := Wants(nil); err == nil {
		t.Error("it is read")
	}
}

// FuzzWants: whatever is asked to be explained, it is read, or refused.
func FuzzWants(f *testing.F) {
	for _, s := range []string{"ssh -L 1:[::1]:2", "ssh -R [", "ssh -W ]:1", "ssh -s", "ssh -A -", "", "ssh -AL 1:db:22", "ssh -A h -oX -- -", "scp -O:"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		words := strings.Fields(line)
		if all, err := Wants(words); err == nil && len(all) == 0 {
			t.Errorf("%q asks for nothing, and that is no error", line)
		}
	})
}

// TestExplain: nothing is called permitted that nothing could be done of, and nothing is looked
// up for who asks from inside a pane; and it is asked at a pace.
func TestExplain(t *testing.T) {
	b := newBed(t, nil, 1)
	started, none := 0, error(nil)
	r := Reaching{May: func(string, access.Verb, *access.Reach) bool { return true },
		Whose: func(context.Context, string) error { return none },
		Start: func(context.Context, string) (*reach.Line, error) {
			started++
			return nil, errors.New("nothing starts here")
		}}
	explain := func(inside, line string) gateway.Explanation {
		t.Helper()
		who := identity.Supposed(identity.Subject{Person: "alice", UID: -1, Door: Door, Inside: inside})
		x, err := new(Explainer).Explain(t.Context(), b.server.Gateway, r, who, who, strings.Fields(line))
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	const told = "ssh -A -R 0 -L 1:192.0.2.1:80 -s host sftp"
	if x := explain("", told); x.Verdict != gateway.WouldRun || started > 0 {
		t.Errorf("%s: %+v, %d looked up", told, x, started)
	}
	if x := explain("", "ssh -L 1:db:80"); x.Verdict != gateway.WouldNotRun || started != 1 {
		t.Errorf("a name: %+v, %d looked up", x, started)
	}
	explain("alice/%1", "ssh -L 1:db:80 -L 1:/run/db -R /run/x")
	if started != 1 {
		t.Error("it is looked up for who is inside")
	}
	none = errors.New("no account")
	for _, c := range explain("", told).Commands {
		if c.Verdict != gateway.WouldNotRun || !strings.Contains(c.Why, "no account") {
			t.Errorf("without an account: %+v", c)
		}
	}
}

// TestExplainPace: each thing costs a turn of who asks.
func TestExplainPace(t *testing.T) {
	b := newBed(t, nil, 1)
	who := identity.Supposed(identity.Subject{Person: "alice", UID: -1})
	line := strings.Fields("ssh" + strings.Repeat(" -A -R 0", maxWants-1))
	var e Explainer
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 4 {
		_, _ = e.Explain(ctx, b.server.Gateway, Reaching{}, who, who, line) // nobody waits
	}
	if _, err := e.Explain(t.Context(), b.server.Gateway, Reaching{}, who, who, line); !errors.Is(err, pace.ErrTooMuch) {
		t.Errorf("without an end: %v", err)
	}
}
