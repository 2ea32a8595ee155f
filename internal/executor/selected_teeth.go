//go:build teeth_selected

package executor

// drawnFirst, see selected.go.
const drawnFirst = false
