// Package holder is the process that holds muxward's secret keys where muxward
// runs as an account: the ssh host key, and the one that signs checkpoints of
// the log. It signs, and never gives a key away. muxward-helper starts it, and
// passes on what muxward has signed.
//
// It has no files, no network and no programs once it has read the keys. What
// it signs has to look like what the key is for, so that neither signs anything
// for the other. Start reading at [Run].
package holder
