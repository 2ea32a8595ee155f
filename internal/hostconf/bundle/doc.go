// Package bundle packs a directory of hosts into one signed file, and says whether such a
// file may be used: it is whole, signed by a key that is known, for this host, not expired,
// and not older than what was used before.
//
// It is not what lands on a host: that is made of the files in it (hostfile). It does not
// fetch, and knows of no controller. Start reading at [Bundle], then open.go.
package bundle
