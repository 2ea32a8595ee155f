package chooser

import "github.com/muxward/muxward/internal/teeth"

// shownAs keeps what would do something to a terminal from it.
func shownAs(name, seen string) string {
	if teeth.Out(teeth.Seen) {
		return name
	}
	return seen
}
