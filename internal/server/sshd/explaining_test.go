package sshd

import (
	"strings"
	"testing"
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
		"ssh -s netconf host":            "subsystem subsystem netconf",
		"/usr/bin/sftp host":             "subsystem subsystem sftp",
		"scp a host:b":                   "subsystem subsystem sftp",
		"ssh host":                       "nothing is asked for",
		"ssh -L":                         "missing",
		"ssh -L 80":                      "no host and port",
		"ssh -L 80:db:0":                 "no host and port",
		"ssh -D 1080":                    "-D",
		"ssh -X host":                    "-X",
		"ssh -R name:80:db:1":            "no address",
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

// FuzzWants: whatever is asked to be explained, it is read, or refused.
func FuzzWants(f *testing.F) {
	for _, s := range []string{"ssh -L 1:[::1]:2", "ssh -R [", "ssh -W ]:1", "ssh -s", "ssh -A -"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		words := strings.Fields(line)
		if len(words) == 0 {
			return
		}
		if all, err := Wants(words); err == nil && len(all) == 0 {
			t.Errorf("%q asks for nothing, and that is no error", line)
		}
	})
}
