// Package sockets knows the life of tmux sockets on a host: it finds them, says
// what is wrong with them, and mends what can be mended without hurting anybody.
//
// Looking ([Look]) gathers facts from four sides: directories, the kernel's list
// of Unix sockets, processes, and their environments. It connects to a socket to
// learn who listens, and sends nothing. Joining the sides gives a [Scan], a plain
// value that nothing changes any more. Judging ([Judge]) is pure: a Scan in,
// findings out. Mending ([Plan], [Mender.Mend]) holds on to what it changes by
// descriptors, with the rights of the account it belongs to, and looks again at
// the last moment: what is not certain is left alone.
//
// It needs no running muxward, and knows nothing of policy. Only if people say so are
// servers asked for what they are like ([Mender.Ask]), with the rights of their accounts.
// Start reading at [Look], then [Judge].
package sockets
