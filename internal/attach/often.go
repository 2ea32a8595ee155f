//go:build !teeth_resize

package attach

import "time"

// resizeEvery is the least time between two sizes that tmux hears of.
//
// The build tag teeth_resize has tmux hear of each, for the control runs of
// test/attack.
const resizeEvery = 50 * time.Millisecond
