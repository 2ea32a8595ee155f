package attach

import (
	"time"

	"github.com/muxward/muxward/internal/teeth"
)

// resizeEvery is the least time between two sizes that tmux hears of.
const resizeEvery = 50 * time.Millisecond

// often reports whether a size comes too early, with so much of that time left.
func often(left time.Duration) bool { return left > 0 && !teeth.Out(teeth.Resize) }

// loose is by how much the bounds of sizes are too large: without any a server of tmux stands still.
func loose() int {
	if teeth.Out(teeth.Clamped) {
		return 2
	}
	return 1
}

// lowest is how many lines a guest's display has at least.
func lowest() int {
	if teeth.Out(teeth.Clamped) {
		return 1
	}
	return MinRows
}
