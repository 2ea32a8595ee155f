// Package soak scales test counts: the same tests run everywhere, with fewer
// rounds in `make test` and with the full figures in `make soak`.
//
// It is for tests only. Start with [N].
package soak

import "os"

// Full reports whether the full counts were asked for (MUXWARD_SOAK=1).
func Full() bool { return os.Getenv("MUXWARD_SOAK") == "1" }

// N returns full when the full counts were asked for, else reduced. A reduced
// count is at least a hundredth of the full one and never zero, so that a
// short run is the same test, only shorter.
func N(full, reduced int) int {
	if Full() {
		return full
	}
	return max(reduced, full/100, 1)
}
