//go:build !teeth

package teeth

// Out is false: every check is in.
func Out(Check) bool { return false }
