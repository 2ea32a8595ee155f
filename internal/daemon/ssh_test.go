package daemon

import (
	"context"
	"errors"
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
		_, err := s.read(path, identity.MaxKeysFile, func([]byte) ([]*identity.SSHKey, error) { return nil, nil })
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

// TestEndsEverywhereAtOnce: who is slow to go at one door keeps nobody at another, and
// takes nobody's time.
func TestEndsEverywhereAtOnce(t *testing.T) {
	slow, reached := func(here, there chan struct{}) ending {
		return func(ctx context.Context) []error {
			close(here)
			select {
			case <-there:
				return nil
			case <-ctx.Done():
				return []error{errors.New("the other one was not begun")}
			}
		}
	}, [2]chan struct{}{make(chan struct{}), make(chan struct{})}
	endAll(t.Context(), map[string]ending{"one": slow(reached[0], reached[1]), "another": slow(reached[1], reached[0])},
		func(what string) { t.Error(what) })

	said := make(chan string, 1)
	endAll(t.Context(), map[string]ending{"one": func(context.Context) []error { return []error{errors.New("carol stays")} }},
		func(what string) { said <- what })
	if got := <-said; got != "one: not confirmed: carol stays" {
		t.Errorf("%q", got)
	}
}
