// Package control is a control-mode client of a tmux server: command lines go
// in, replies and notifications come out, over tmux's own client protocol and
// two pipes, without any tmux process.
//
// It knows lines, guards and pipes. It does not know what a command means, it
// decides nothing, and it takes no pane output. It is not for commands that
// wait (run-shell without -b, if-shell without -F, wait-for, confirm-before,
// command-prompt …): tmux runs the lines of one client one after the other, so
// such a line would hold up everybody's.
//
// Start with [Open] and [Client.Do], then decoder.go (which bytes belong to
// which reply) and cut.go (how what tmux has not read yet is taken back).
// [Model] keeps a [tmux.Snapshot] of the server, and [Client.Subscribe] has values
// of panes and windows watched.
//
// # What is relied on
//
// Tried on tmux 3.2a, 3.3a, 3.4, 3.5a, 3.6b and 3.7c:
//
// A line is answered by a block for each command in it, between "%begin T N F"
// and "%end T N F" or "%error T N F", where F is 1. Lines run in order. How
// many blocks a line has depends on the server's aliases and on what if-shell
// chose, and a block's text can be anything, guards included. Therefore every
// line is followed by a marker, a line that is no command and holds a number
// nobody else knows; tmux refuses it in words that are known beforehand, and
// what comes before that refusal is the line's reply, wholly and only.
//
// Up to 3.3a the server reads lines from a client that identified itself and
// then asked for nothing. Such a client has no session: it is not in
// list-clients, nobody can detach it, and it follows nobody. From 3.4 on the
// server reads lines only once the client is attached.
//
// Notifications are hints that something changed. Their text is chosen by
// whoever names things, some of it by programs in panes; nothing may be decided
// on one.
package control
