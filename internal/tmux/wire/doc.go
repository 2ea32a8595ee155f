// Package wire speaks the protocol between a tmux client and a tmux server,
// on both sides: as the server of an unmodified tmux program, and as a client
// of a real tmux server without any tmux process.
//
// It knows framing, messages, descriptors that travel with them, and the
// order in which a client introduces itself. It is not a door (it asks nobody
// whether something is allowed), it opens no file and no terminal, and it
// carries out nothing a server may ask of a client: every request arrives as a
// typed [Message] and ends there unless the caller acts on it.
//
// Start with [Conn], then [Conn.Accept] (we are the server) or [Dial] and
// [Conn.Identify] (we are the client); [Hello] is what both talk about.
//
// # What was learnt from real versions
//
// Protocol version 8, little endian. The two framings (see [Framing]) differ in
// one thing only: how a header marks that a descriptor belongs to its message.
// Because servers send no descriptors, what a server writes is the same bytes
// in both; because a client marks its first descriptor in one of two ways, a
// server learns the framing from that mark and needs no guess before it.
//
// A tmux server takes one descriptor from each read of its socket. A client
// must therefore send each descriptor in a sendmsg of its own, with the message
// it belongs to in front: tried on 3.2a, 3.3a, 3.4, 3.5a, 3.6b and 3.7c.
//
// Clients up to 3.4 send their flags twice, as 32 and as 64 bits; from 3.5 on
// the 64-bit message comes twice. Both are accepted.
package wire
