package tmux

import "github.com/muxward/muxward/internal/teeth"

// heeded are the tests that a guarded command makes inside tmux.
func heeded(tests []string) []string {
	if teeth.Out(teeth.Place) {
		return []string{"1"}
	}
	return tests
}
