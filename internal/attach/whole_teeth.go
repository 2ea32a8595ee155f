//go:build teeth_paste

package attach

// wholePastes: the first end of a paste is its end. It is for the control runs of
// test/attack.
const wholePastes = false
