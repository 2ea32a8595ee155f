//go:build !teeth_seen

package chooser

// shownAs keeps what would do something to a terminal from it.
//
// The build tag teeth_seen takes this check out, for the control runs of
// test/attack.
func shownAs(_, seen string) string { return seen }
