//go:build teeth || failpoints

package monitor

// forTests are variables that builds for tests go by.
func forTests() []string { return []string{"MUXWARD_TEETH", "MUXWARD_FAILPOINTS"} }
