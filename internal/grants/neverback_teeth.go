//go:build teeth_clock

package grants

// neverBack is off: the wall's clock is believed. It is for the control runs of
// test/attack.
const neverBack = false
