// Package tmux holds the nouns of tmux: ids, one server's state as a plain
// value, the command table, the grammars of command lines, command text and
// targets, and the format engine that answers guests.
//
// It is pure: no input or output, no processes, no clock, no environment. What
// is true of a server is fetched elsewhere (with the commands that
// [SnapshotCommands] names) and handed in as bytes. Speaking to a server is
// done by tmux/wire and tmux/control; deciding who may do what is done by
// policy and gateway, in terms of the verbs that the rows here ask for.
//
// Start reading with [Command] and its rows in table.go and rows_….go, then
// [ParseArgv], [ParseText], [Resolve], [Snapshot] and [CompileFormatFor].
//
// The behaviour written down here is that of tmux 3.3a, tried on a real server
// by the tests; other versions are named where they differ.
package tmux
