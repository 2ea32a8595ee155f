//go:build teeth_lines

package executor

// forGuest passes everything on. It is for the control runs of test/attack.
func forGuest(l []byte) (notice, bool) { return notice{line: string(l)}, true }
