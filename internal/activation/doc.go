// Package activation takes the sockets that a service manager has made for this process and
// passed to it (sd_listen_fds(3)): they are there before we are, and while we are not, so that
// a restart loses no connection that is being made, and a port below 1024 takes no rights of
// ours. Only TCP sockets that listen are taken; with anything else muxward does not start.
//
// It accepts nobody: that is the door's. It is no library for all that systemd passes, as
// what it does is done by root's muxward-helper, too. Start reading at [Take].
package activation
