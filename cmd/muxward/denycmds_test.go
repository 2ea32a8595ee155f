package main

import (
	"testing"

	"github.com/muxward/muxward/internal/acts"
	"github.com/muxward/muxward/internal/server/ctld"
)

// What kick says lets in again does so for the target that was named: without one it would
// be about the server of whoever types it, which root, say, did not mean.
func TestUndoing(t *testing.T) {
	for _, tt := range []struct {
		target, answered, want string
	}{
		{"", "alice", "muxward kick --undo bob"},
		{"alice", "alice", "muxward kick --undo bob -t alice"},
		{"work", "work", "muxward kick --undo bob -t work"},
		{"alice/a b", "alice/a b", "muxward kick --undo bob -t 'alice/a b'"},
	} {
		got := undoing(ctld.Call{Act: "kick", Target: tt.target}, acts.Revoked{Person: "bob", Target: tt.answered})
		if got != tt.want {
			t.Errorf("%q: %s, want %s", tt.target, got, tt.want)
		}
	}
}
