package executor

import "github.com/muxward/muxward/internal/teeth"

// forGuest reads a notification, and reports whether guests are told of it.
func forGuest(l []byte) (notice, bool) {
	if teeth.Out(teeth.Lines) {
		return notice{line: string(l)}, true
	}
	return readNotice(l)
}
