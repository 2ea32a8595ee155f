// Package monitor is what muxward-helper does: the only process of muxward that
// has root's rights when muxward runs as an account of its own.
//
// It starts `muxward serve` without any rights ([Run], launch.go), and serves
// its requests over a line (internal/privsep): one table lists them all
// (table.go), each with the phases in which it is permitted and the function
// that does it. Whatever comes that is not in the table, out of its phase, too
// long, not well formed, with descriptors or too many at once ends the helper,
// and with it the daemon. The tmux servers go on.
//
// The daemon is taken for hostile here: no path, no uid, no program and no
// service comes from it, and nothing is done for an account that the account
// files do not have. What it is given can be done by the daemon in any case:
// decide who may do what in tmux. That is not decided here.
//
// Start reading at table.go, then Run in helper.go.
package monitor
