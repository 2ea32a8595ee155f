//go:build teeth || failpoints

package teeth

// Variables are variables that builds for tests go by.
func Variables() []string { return []string{"MUXWARD_TEETH", "MUXWARD_FAILPOINTS"} }
