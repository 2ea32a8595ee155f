package pane

import (
	"os"
	"strings"
	"testing"
	"time"
)

// A muxward-pam that never reads what it is told is given up, also where that is more than a
// pipe takes.
func TestOpenUnread(t *testing.T) {
	dir := t.TempDir()
	program := dir + "/deaf"
	if err := os.WriteFile(program, []byte("#!/bin/sh\nexec sleep 273.5\n"), 0o755); err != nil {
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
