//go:build !teeth_zones

package main

// Time zones are in the program: policies name them also on hosts that have none.
//
// The build tag teeth_zones leaves them out, for the control runs of test/attack.
import _ "time/tzdata"
