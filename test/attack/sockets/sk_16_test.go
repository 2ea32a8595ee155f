package sockets

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// The attacker is connected to a server of alice's and wants not to be told of: she
// calls her client muxward, starts it from a shell that a process of root's started for
// her, whatever that is called, or runs it in a network namespace of her own, where the
// kernel's list for root does not have it. Root is told. In the control run a plain
// client is told of, and when it has gone nobody is.
func TestSK16HiddenClients(t *testing.T) {
	tmux, err := exec.LookPath("tmux")
	if err != nil {
		t.Fatal(err)
	}
	for name, words := range map[string][]string{
		"called muxward":     {"muxward"},
		"below muxward":      {"muxward", "muxward"},
		"below muxward-pane": {"muxward", "muxward-pane"},
		"below the helper":   {"muxward", "muxward-helper"},
		"in another network": {"unshare", "-Urn", tmux},
		"control":            {tmux},
	} {
		t.Run(name, func(t *testing.T) {
			z := newCage(t)
			dir := z.dir(owner, 0o711)
			s := z.server(owner, dir+"/s", 0)
			z.must(os.Chmod(s.path, 0o666))
			// Before 3.3 there is no such command, and whoever can connect may.
			_, _ = tmuxtest.Output(s.as.Command("tmux", "-S", s.path, "server-access", "-a", stranger))
			below := ""
			if words[0] == "muxward" {
				z.must(os.Mkdir(z.base+"/hers", 0o755))
				if len(words) > 1 {
					below = z.renamed("sh", words[1])
				}
				words = []string{z.renamed("tmux", "hers/muxward")}
			}
			end := z.attached(stranger, below, append(words, "-S", s.path, "-C", "attach"))
			tmuxtest.Eventually(t, func() bool { return strings.Contains(s.tmux("list-clients"), "kept") }, "she is attached")
			if l := z.scan(root); !strings.Contains(l.found(s.path), "S016") {
				t.Errorf("found %q: %+v", l.found(s.path), l.Findings)
			}
			end()
			if name == "control" {
				tmuxtest.Eventually(t, func() bool { return s.tmux("list-clients") == "" }, "she has gone")
				if l := z.scan(root); strings.Contains(l.found(s.path), "S016") {
					t.Errorf("with nobody there: %+v", l.Findings)
				}
			}
		})
	}
}

// attached runs a client of an account until end is called, as a child of a shell of
// root's at below, if that says so.
func (z *cage) attached(who, below string, words []string) (end func()) {
	z.t.Helper()
	a := tmuxtest.As(z.t, who)
	cmd := a.Command(words[0], words[1:]...)
	if below != "" {
		ids := []string{fmt.Sprint("--reuid=", a.UID), fmt.Sprint("--regid=", a.GID), "--clear-groups"}
		env := cmd.Env
		// The second command keeps the shell from becoming the first.
		cmd = tmuxtest.Account{}.Command(below, append([]string{"-c", `setpriv "$@"; :`, "sh"}, append(ids, words...)...)...)
		cmd.Env = env
	}
	in, err := cmd.StdinPipe()
	z.must(err)
	z.must(cmd.Start())
	ended := false
	end = func() {
		if !ended {
			ended = true
			_ = in.Close() // a client in control mode ends
			_ = cmd.Wait()
		}
	}
	z.t.Cleanup(end)
	return end
}
