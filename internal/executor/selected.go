//go:build !teeth_selected

package executor

// drawnFirst: what is typed at a place of one's own is for a pane that was drawn as
// the selected one, or that one has gone to.
//
// The build tag teeth_selected takes this check out, for the control runs of test/attack.
const drawnFirst = true
