package attack

import (
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// explained are the names of which ssh-audit warns, or that it does not know; SECURITY.md
// has them with the reason.
var explained = []string{"mlkem768x25519-sha256", "kex-strict-s-v00@openssh.com"}

// Somebody looks for a weak lock among those that the door offers. ssh-audit finds
// nothing to fail or to warn of but what SECURITY.md explains.
func TestSS19Audit(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("ssh-audit"); err != nil {
		tmuxtest.Skip(t, "no ssh-audit")
	}
	row{ssh: true, ordinary: true, unlogged: true, restless: true, attack: func(w *world) {
		r := w.Exec("root", []byte{}, "ssh-audit", "-n", "-p", port(w.SSHAddr()), "127.0.0.1")
		found, offered := auditSays(r.Out)
		if offered < 5 {
			t.Fatalf("%d names: %+v", offered, r)
		}
		for _, f := range found {
			w.gain("%s", f)
		}
	}}.run(t)
}

var aboutName = regexp.MustCompile(`^\((?:enc|kex|key|mac)\) (\S+)`)

// auditSays gives what ssh-audit has against names that are not explained, and how many
// it has looked at.
func auditSays(report string) (found []string, offered int) {
	name := ""
	for line := range strings.Lines(report) {
		if m := aboutName.FindStringSubmatch(line); m != nil {
			name = m[1]
			offered++
		}
		if (strings.Contains(line, "[fail]") || strings.Contains(line, "[warn]")) && !slices.Contains(explained, name) {
			found = append(found, name+": "+strings.TrimSpace(line))
		}
	}
	return found, offered
}
