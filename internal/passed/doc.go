// Package passed sends and takes descriptors beside a packet of a Unix socket (SCM_RIGHTS in
// unix(7)), for lines between muxward's own processes. tmux's wire has its own.
//
// Start reading at [Files].
package passed
