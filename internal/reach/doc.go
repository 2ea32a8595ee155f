// Package reach is what people reach for besides tmux: a connection, a listener, a socket
// for their agent, a subsystem such as sftp. It is done by a process of the person's own
// account, `muxward reach`, so that the kernel goes by their rights and by nobody else's.
//
// The process is started by whoever has root's rights (internal/keep) and told by muxward,
// over a line of packets: it looks something up ([Line.Look]) and says what that is; when
// that was decided, it is told to go on ([Line.Go]) with exactly that. Connections and
// listeners are handed over as descriptors; a subsystem stays below the process. When the
// line ends so does the process, with all that it has started.
//
// It decides nothing, and proves nobody: what it says of names is checked by who asks.
//
// Start reading at [Run], then at [Line].
package reach
