package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// The journal is not written through a link that somebody has put in its place, nor into a
// file that has other names.
func TestJournalFollowsNoLinks(t *testing.T) {
	for name, plant := range map[string]func(old, at string) error{"symlink": os.Symlink, "hard link": os.Link} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			victim, at := filepath.Join(dir, "victim"), filepath.Join(dir, "sockets.jsonl")
			if err := os.WriteFile(victim, []byte("mine"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := plant(victim, at); err != nil {
				t.Fatal(err)
			}
			if f, err := openOwn(at); err == nil {
				_ = f.Close()
				t.Error("it was opened")
			}
		})
	}
	f, err := openOwn(filepath.Join(t.TempDir(), "sockets.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
}

// Root writes its journal to nothing that another account could change: not to a state
// directory that is an account's, but beside it, where only root can have made something.
func TestJournalOfAccountsState(t *testing.T) {
	if os.Geteuid() != 0 {
		tmuxtest.Skip(t, "gives a directory to an account, which takes root")
	}
	base := t.TempDir()
	state := filepath.Join(base, "state")
	if at, err := journalDir(state, 0); err != nil || at != state {
		t.Errorf("root's own: %q, %v", at, err)
	}
	if err := os.Chown(state, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	if at, err := journalDir(state, 0); err == nil {
		t.Errorf("there is no directory of the helper's: %q", at)
	}
	if err := os.Mkdir(state+"-keys", 0o700); err != nil {
		t.Fatal(err)
	}
	if at, err := journalDir(state, 0); err != nil || at != state+"-keys" {
		t.Errorf("%q, %v", at, err)
	}
	if at, err := journalDir(state, 65534); err != nil || at != state {
		t.Errorf("the account's own: %q, %v", at, err)
	}
	if err := os.Chown(state+"-keys", 65534, 65534); err != nil {
		t.Fatal(err)
	}
	if at, err := journalDir(state, 0); err == nil {
		t.Errorf("they are somebody else's: %q", at)
	}
}
