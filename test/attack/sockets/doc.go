// Package sockets tries to get past `muxward sockets`: one file for each attack, as in
// package attack, with a control run in which a simpler tool loses.
//
// It is a package of its own so that it runs beside the other attacks. Start reading at
// sk_bed_test.go.
package sockets
