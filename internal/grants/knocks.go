//go:build !teeth_knock

package grants

// knocks reports whether somebody has to be let in by others.
//
// The build tag teeth_knock takes this check out, for the control runs of test/attack.
func knocks(by bool) bool { return by }
