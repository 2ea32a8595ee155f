package gateway

import "github.com/muxward/muxward/internal/teeth"

// weighed are the needs of who declares something.
func weighed(needs ...Need) []Need {
	if teeth.Out(teeth.Declared) {
		return nil
	}
	return needs
}
