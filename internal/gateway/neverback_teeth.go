//go:build teeth_clock

package gateway

// neverBack is off: the wall's clock is believed. It is for the control runs of
// test/attack.
const neverBack = false
