package script

import (
	"bufio"
	"encoding/json"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// seenBy is one line of `muxward who --watch --json`.
type seenBy struct {
	People []struct {
		Person, Door string
		Verbs        []string
	}
}

// verbsOf gives what is told of somebody's verbs, and whether they are there.
func (s seenBy) verbsOf(person string) (verbs string, there bool) {
	for _, p := range s.People {
		if p.Person == person {
			verbs, there = strings.Join(p.Verbs, ","), true
		}
	}
	return verbs, there
}

// watching runs `muxward who --watch --json` for somebody, and gives what it prints
// and what ends it with Ctrl-C.
func watching(t *testing.T, h *host.Host, who string) (lines <-chan seenBy, end func() error) {
	t.Helper()
	cmd := tmuxtest.As(t, who).Command(h.Bin(), "who", "--watch", "--json")
	cmd.Env = h.Env(who)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	all := make(chan seenBy, 1000)
	go func() {
		defer close(all)
		for in := bufio.NewScanner(out); in.Scan(); {
			var s seenBy
			if err := json.Unmarshal(in.Bytes(), &s); err != nil {
				t.Errorf("%s is shown %q: %v", who, in.Text(), err)
			}
			all <- s
		}
	}()
	return all, func() error {
		_ = cmd.Process.Signal(syscall.SIGINT)
		for range all { // until its end
		}
		return cmd.Wait()
	}
}

// until reads lines until one is as wanted.
func until(t *testing.T, lines <-chan seenBy, what string, wanted func(seenBy) bool) {
	t.Helper()
	late := time.After(host.Patience)
	var last seenBy
	for {
		select {
		case s, ok := <-lines:
			if !ok {
				t.Fatalf("it ends, and not: %s; last %+v", what, last)
			}
			if last = s; wanted(s) {
				return
			}
		case <-late:
			t.Fatalf("not: %s; last %+v", what, last)
		}
	}
}

// TestWhoWatch: alice watches who comes and goes, in a pane and through a pipe. What
// somebody may do is told to her, who may kick them, and to nobody who only looks on.
func TestWhoWatch(t *testing.T) {
	h := host.Start(t, host.Config{Policy: map[string]string{"grants.yaml": `grants:
  - {who: mwbob, role: viewer, on: mwalice/work, reason: he watches}
  - {who: mwcarol, role: typist, on: mwalice/work, reason: she types}
  - {who: root, role: admin, on: "*", reason: runs it}
`}})
	h.Must(host.Alice, "new-session", "-d", "-s", "work", "-x", "180", "-y", "24", "exec cat")
	h.Must(host.Alice, "new-session", "-d", "-s", "watch", "-x", "180", "-y", "24",
		fmt.Sprintf("MUXWARD_STATE=%s exec %s who --watch", h.State, h.Bin()))
	s := h.Server(host.Alice)
	shows := func(name string) func() bool {
		return func() bool { return strings.Contains(s.Run("capture-pane", "-p", "-t", "watch"), name) }
	}
	tmuxtest.Eventually(t, shows("PERSON"), "the list is drawn")
	alices, end := watching(t, h, host.Alice)
	until(t, alices, "nobody is there", func(s seenBy) bool { return len(s.People) == 0 })

	carol := h.Terminal(host.Carol, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/work")
	until(t, alices, "carol has come, who types", func(s seenBy) bool {
		verbs, there := s.verbsOf("mwcarol")
		return there && strings.Contains(verbs, "type")
	})
	tmuxtest.Eventually(t, shows("mwcarol"), "carol is drawn")
	bobs, endBob := watching(t, h, host.Bob)
	until(t, bobs, "bob sees carol, and not what she may do", func(s seenBy) bool {
		verbs, there := s.verbsOf("mwcarol")
		return there && verbs == ""
	})
	h.Reload("grants.yaml", `grants:
  - {who: mwcarol, role: viewer, on: mwalice/work, reason: she watches}
  - {who: root, role: admin, on: "*", reason: runs it}
`)
	until(t, bobs, "bob is told of nobody any more", func(s seenBy) bool { return len(s.People) == 0 })
	until(t, alices, "carol types no more", func(s seenBy) bool {
		verbs, there := s.verbsOf("mwcarol")
		return there && !strings.Contains(verbs, "type")
	})
	carol.Type("\x02d")
	carol.ExitCode()
	until(t, alices, "carol has gone", func(s seenBy) bool { return len(s.People) == 0 })
	tmuxtest.Eventually(t, func() bool { return !shows("mwcarol")() }, "carol is drawn no more")
	for _, end := range []func() error{end, endBob} {
		if err := end(); err != nil {
			t.Errorf("Ctrl-C: %v", err)
		}
	}
}
