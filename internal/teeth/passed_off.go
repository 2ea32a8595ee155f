//go:build !teeth && !failpoints

package teeth

// Variables are more variables that are passed on.
func Variables() []string { return nil }
