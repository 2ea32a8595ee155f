//go:build teeth_flood

package audit

// counting is off: each try is written. It is for the control runs of
// test/attack.
const counting = false
