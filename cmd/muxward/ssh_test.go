package main

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/config"
	"github.com/muxward/muxward/internal/identity"
)

// What is no file among the lists of the SSH door holds nothing up, whatever its
// directory is called.
func TestListThatIsNoFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a[b")
	if err := unix.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	s := &sshDoor{config: config.SSH{Keys: dir}}
	before := s.look()
	path := filepath.Join(dir, "alice.keys")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if s.look() == before {
		t.Error("a file more is not noticed")
	}
	done := make(chan error, 1)
	go func() {
		_, err := s.read(path, maxKeysFile, func([]byte) ([]*identity.SSHKey, error) { return nil, nil })
		done <- err
	}()
	select {
	case err := <-done:
		if err == nil || !strings.Contains(err.Error(), "is no file") {
			t.Error(err)
		}
	case <-time.After(15 * time.Second):
		t.Fatal("it is waited for")
	}
}
