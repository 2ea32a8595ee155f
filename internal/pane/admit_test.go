package pane

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// A muxward-pam that never reads what it is told is given up, also where that is more than a
// pipe takes.
func TestOpenUnread(t *testing.T) {
	dir := t.TempDir()
	program := dir + "/deaf"
	if err := tmuxtest.WriteProgram(program, []byte("#!/bin/sh\nexec sleep 273.5\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	tty, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer tty.Close()
	s := &Session{Command: strings.Repeat("x", 256<<10), Rules: &Rules{Program: program, Wait: time.Second}}
	done := make(chan error, 1)
	go func() {
		_, err := s.openByRules(tty, &branch{}, make(chan struct{}))
		done <- err
	}()
	select {
	case err := <-done:
		if err == nil || !strings.Contains(err.Error(), "what is to run") {
			t.Errorf("it says %v", err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("it hangs")
	}
}

// fakePAM is a muxward-pam of the test's own: what it says goes out by `printf >&3`.
func fakePAM(t *testing.T, script string) string {
	t.Helper()
	path := t.TempDir() + "/pam"
	if err := tmuxtest.WriteProgram(path, []byte("#!/bin/sh\ncat <&5 >/dev/null\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// Who has begun to open something and does not say that it is closed has it open, as far as anybody
// knows; before that nothing is. Who is asked to close it has a step's time for that.
func TestOpenHalf(t *testing.T) {
	tty, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer tty.Close()
	closed := t.TempDir() + "/closed"
	for what, c := range map[string]struct {
		script, told string
		left         bool
	}{
		"hangs before":         {"printf 'step account' >&3; exec sleep 274.5", "too long (account)", false},
		"hangs in it":          {"printf 'step session' >&3; exec sleep 274.5", "may not be closed", true},
		"ends in it":           {"printf 'step session' >&3", "has ended by itself", true},
		"says that it did":     {"printf 'step session' >&3; printf 'step close' >&3; printf 'refused no room' >&3", "no room", false},
		"says that it did not": {"printf 'step session' >&3; printf 'unclosed no room' >&3", "no room", true},
		"does not run":         {"", "ldd", false},
		"closes late":          {"printf 'step session' >&3; cat <&3 >/dev/null; : >" + closed + ".begins; until test -e " + closed + ".goes; do sleep 0.02; done; : >" + closed, "too long", true},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			if what == "closes late" { // when it is seen to have begun with that
				go func() {
					for {
						if _, err := os.Stat(closed + ".begins"); err == nil || t.Context().Err() != nil {
							break
						}
						time.Sleep(time.Millisecond)
					}
					_ = os.WriteFile(closed+".goes", nil, 0o600) // else it is not waited for
				}()
			}
			wait := tmuxtest.Patience
			if strings.Contains(c.script, "sleep") { // it is waited for to the end of that
				wait = 2 * time.Second
			}
			s := &Session{UID: 5, Rules: &Rules{Program: fakePAM(t, c.script), Wait: wait}}
			_, err := s.openByRules(tty, &branch{}, make(chan struct{}))
			if err == nil || !strings.Contains(err.Error(), c.told) || errors.As(err, new(Unclosed)) != c.left {
				t.Errorf("%v", err)
			}
			if what != "closes late" {
				return
			}
			if _, err := os.Stat(closed); err != nil {
				t.Errorf("it was not waited for: %v", err)
			}
		})
	}
}
