//go:build !teeth_paste

package attach

// wholePastes: what comes in one go behind the end of a paste, up to another end,
// is of the paste.
//
// The build tag teeth_paste takes that out, for the control runs of test/attack.
const wholePastes = true
