// Package keep is the hands of guard: what needs the rights of other accounts. It starts
// tmux as an account, holds its process, keeps its socket where only the account and we
// reach it, puts sockets of doors into their places, watches over all of it on disk, and
// connects as the account's uid.
//
// It is not the place where anybody is let in, and it knows nothing of what is said over
// a connection: whoever has asked for it speaks there (internal/guard). It parses nothing
// that an account's program has said over one; what /proc says of processes, and tmux's own
// complaint when it does not start, are shown to people, or compared.
//
// In a privileged process its callers are on the other side of a line, and nothing that
// they say is believed: accounts are looked up here, servers are those that were started
// or adopted here, and no path comes from a caller.
//
// Start reading at the values in values.go, then [Keep].
package keep
