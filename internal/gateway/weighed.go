//go:build !teeth_declared

package gateway

// weighed are the needs of who declares something.
//
// The build tag teeth_declared takes them out, for the control runs of test/attack.
func weighed(needs ...Need) []Need { return needs }
