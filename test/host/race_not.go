//go:build !race

package host

// raced is not set in tests that do not look for data races.
const raced = false
