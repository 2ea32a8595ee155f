package attack

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// Everything here is tried with the tmux that was asked for, by MUXWARD_TMUX or by
// PATH: the servers that muxward starts are that program, and so are the clients
// of the accounts. In the control run another program was asked for.
func TestTheVersionAskedFor(t *testing.T) {
	asked := tmuxtest.Program(t)
	says, err := exec.Command(asked, "-V").Output()
	if err != nil {
		t.Fatal(err)
	}
	version := strings.TrimPrefix(strings.TrimSpace(string(says)), "tmux ")
	b := lay(t, host.Config{})
	t.Logf("tmux %s: %s", version, asked)
	if got := b.server.Run("display-message", "-p", "#{version}"); got != version {
		t.Errorf("the server is tmux %s, asked for was %s", got, version)
	}
	client := b.Exec(owner, nil, "sh", "-c", "command -v tmux").Out
	if client = strings.TrimSpace(client); !same(client, asked) {
		t.Errorf("the clients are %s, asked for was %s", client, asked)
	}
	server := fmt.Sprintf("/proc/%d/exe", b.server.PID)
	if !same(server, asked) {
		t.Errorf("the server does not run %s", asked)
	}
	if other, err := os.Executable(); err != nil || same(server, other) || same(client, other) {
		t.Errorf("control run: %s and %s are not told apart (%v)", asked, other, err)
	}
}

// same reports whether two paths lead to one file.
func same(a, b string) bool {
	one, err := os.Stat(a)
	if err != nil {
		return false
	}
	two, err := os.Stat(b)
	return err == nil && os.SameFile(one, two)
}
