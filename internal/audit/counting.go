//go:build !teeth_flood

package audit

// counting has refused tries counted when there are many.
//
// The build tag teeth_flood has each of them written, for the control runs of
// test/attack.
const counting = true
