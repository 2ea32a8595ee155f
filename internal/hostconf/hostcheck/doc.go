// Package hostcheck tries files before they land on a host: whether a policy loads and its
// own tests pass, whether tmux takes its configuration, and sshd its own.
//
// It does not say what files a host should have (hostfile), and moves nothing (hostconf).
// Start reading at [For].
package hostcheck
