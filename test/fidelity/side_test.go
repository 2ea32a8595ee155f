package fidelity

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// conf is the configuration on both sides: nothing that happens by itself and
// in its own time, such as renaming windows after what runs in them.
const conf = `set -g automatic-rename off
set -g default-command 'exec cat'
set -g status-interval 0
set -g assume-paste-time 0
set -g status-right ''
`

// side is one of the two that are compared: plain tmux, or tmux by way of
// muxward. The owner finds either by TMUX_TMPDIR.
type side struct {
	t     testing.TB
	name  string
	owner tmuxtest.Account
	door  string   // the value of TMUX_TMPDIR
	conf  string   // the path of the configuration
	env   []string // of everything the owner runs
	host  *host.Host
}

// sides starts both.
func sides(t testing.TB) (plain, muxward *side) {
	t.Helper()
	alice := tmuxtest.As(t, host.Alice)
	h := host.Start(t, host.Config{})
	dir := tmuxtest.Dir(t, alice)
	confs := filepath.Join(alice.Home, ".tmux.conf")
	plain = &side{t: t, name: "tmux", owner: alice, door: dir, conf: confs}
	muxward = &side{t: t, name: "muxward", owner: alice, door: h.Doors, conf: h.Base + "/tmux.conf", host: h}
	for _, s := range []*side{plain, muxward} {
		// Not host.Env: only what both have in common, and the door.
		s.env = alice.Env("TMUX_TMPDIR="+s.door, "TERM=xterm-256color")
	}
	t.Cleanup(func() { _ = os.Remove(confs) })
	return plain, muxward
}

// configure writes the configuration for the next server.
func (s *side) configure(text string) {
	s.t.Helper()
	if err := os.WriteFile(s.conf, []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

// tmux runs the owner's stock client.
func (s *side) tmux(args ...string) (string, error) {
	cmd := s.owner.Command("tmux", args...)
	cmd.Env = s.env
	out, err := tmuxtest.Output(cmd)
	return strings.TrimSuffix(out, "\n"), err
}

// must is tmux for what has to work.
func (s *side) must(args ...string) string {
	s.t.Helper()
	out, err := s.tmux(args...)
	if err != nil {
		s.t.Fatalf("%s: %v", s.name, err)
	}
	return out
}

// identity gives the path of the server's socket and its process, as the
// server sees them: the two things that must differ.
func (s *side) identity() (socket string, pid int) {
	s.t.Helper()
	out := s.must("display-message", "-p", "#{pid} #{socket_path}")
	first, socket, _ := strings.Cut(out, " ")
	pid, err := strconv.Atoi(first)
	if err != nil || socket == "" {
		s.t.Fatalf("%s: who is the server: %q", s.name, out)
	}
	return socket, pid
}

// end kills the server, if one runs, and waits until it is gone.
func (s *side) end() {
	s.t.Helper()
	out, err := s.tmux("display-message", "-p", "#{pid}")
	if pid, bad := strconv.Atoi(out); err == nil && bad == nil { // else nobody is there, or not for long
		_, _ = s.tmux("kill-server") // it may end by itself
		tmuxtest.Eventually(s.t, func() bool { return !running(pid) }, "%s: the server ends", s.name)
	}
	if s.host != nil {
		// muxward has noticed as well.
		tmuxtest.Eventually(s.t, func() bool {
			files, err := filepath.Glob(s.host.Doors + "/run/servers/*.json")
			return err == nil && len(files) == 0
		}, "muxward tidies up after the server, which said %q (%v)", out, err)
	}
}

// running reports whether a process runs: a zombie does not.
func running(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	at := strings.LastIndex(string(stat), ") ")
	return at < 0 || stat[at+2] != 'Z'
}

// kill sends a signal to the server.
func (s *side) kill(sig syscall.Signal) {
	s.t.Helper()
	_, pid := s.identity()
	if err := syscall.Kill(pid, sig); err != nil {
		s.t.Fatal(err)
	}
}
