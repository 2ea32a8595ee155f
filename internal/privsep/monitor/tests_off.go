//go:build !teeth && !failpoints

package monitor

// forTests are more variables that are passed on.
func forTests() []string { return nil }
