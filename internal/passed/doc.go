// Package passed sends and takes descriptors beside a packet of a Unix socket (SCM_RIGHTS in
// unix(7)), for lines between muxward's own processes. tmux's wire has its own. [Away] and [Shut] put away
// what somebody else has passed.
//
// Start reading at [Files].
package passed
