// Package sshd is the SSH door: people come in with `ssh -p 2222 work@host`, with
// the keys they already have, and get what they would get at the tmux door.
//
// It speaks SSH, has internal/identity say whom the proved key makes, and reads
// what they want: a session that the user name names, a command line, or a list to
// choose from. Each is a Request to the gateway. It decides nothing and runs
// nothing: it may import neither policy nor executor nor audit.
//
// Sessions are offered to everybody; ports, sockets, agents and subsystems to whom the
// policy names for them (reaching.go, forward.go, listen.go, agent.go, subsystem.go): each
// is an act that lasts as long as it is used, done by a process of the person's own account
// (internal/reach), and reset when its permit ends. A terminal is no descriptor here but a channel:
// [terminal] is one to the same seat that serves people at the tmux door, by
// attach.Terminal. Between the seat and the channel lie two bounded buffers
// (inbox.go, outbox.go): what is written never waits, and whoever does not read
// loses frames and gets a redraw; what cannot be thrown away at a revocation,
// because the network holds it up, ends the connection.
//
// A command (`ssh host tmux ls`) is read as words of the POSIX shell and nothing
// else of a shell: no variables, patterns, lists or redirections (words.go).
// There is no file system at the other end, so files other than "-" are refused.
//
// What was written to the library is not on its way yet: it holds it back while keys
// are exchanged, and the kernel while the other end takes nothing. What rests on a
// right is printed within its permit, and waited for (wary.go, session.show); what is
// thrown away at a revocation is thrown away there, too, or the connection with it.
// A channel that is closed here counts until the client has closed it.
//
// In control mode (`ssh host tmux -C ...`) it is the channel that lines come and go by
// (control.go); what is let through is put on its way packet by packet, and a change of
// rights waits for the last one.
//
// Who has the code of an invite says `join CODE`, as a command line or in the list
// (join.go).
//
// Who names nothing chooses from a list (lobby.go, choosing.go). It is drawn anew as it
// changes; what was listed is drawn once more only while nobody had them decided anew. By
// lines, nothing is drawn over.
//
// Before anybody is proved, a connection has 30 seconds, 64 KiB and a few tries; of
// too many of them the oldest goes (newcomers.go), and addresses that fail often wait
// longer and longer (penalty.go). A proof is looked at again when keys change and
// every few seconds ([Server.Reconsider]), and ends when the key or certificate does.
//
// Start reading at [Server.Serve], then conn.serve and session.run.
package sshd
