package main

import (
	"os"
	"path/filepath"
	"testing"
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
