//go:build race

package host

// raced is set in tests that look for data races (go test -race): muxward is built to tell of its
// own then, too.
const raced = true
