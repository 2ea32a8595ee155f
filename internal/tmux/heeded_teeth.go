//go:build teeth_place

package tmux

// heeded tests nothing. It is for the control runs of test/attack.
func heeded([]string) []string { return []string{"1"} }
