// Package audit is the log: append-only, in the order things happened, and
// such that changing it later is found by whoever holds its public key.
//
// It writes what the gateway hands it ([Log.Append], [Log.Keys]), says when it
// cannot ([ErrSink], [Log.Health]), reads ([Query], [Tail]) and proves
// ([Verify]). It decides nothing, and knows no policy: which class an event
// has, and what must not happen if it cannot be written, is for its callers.
//
// # On disk
//
// A log is a directory (0700), held by one process at a time:
//
//	00000000000000000001.log   records, one JSON line each; the name is the
//	                           number of the first. A full file is followed
//	                           by a new one whose first record holds the
//	                           root of the tree over all before it. The file
//	                           that is written to ends with zeros, room that
//	                           was taken ahead; so does one that muxward left
//	                           behind when it was killed, until it is opened
//	                           again. Records that a power cut took may leave
//	                           zeros, too, which cannot be told from room.
//	hashes                     the Merkle tree (RFC 6962), in the order of
//	                           golang.org/x/mod/sumdb/tlog. It can be made
//	                           anew from the records.
//	checkpoints                signed notes: so many records, this root. The
//	                           log signs what is on disk, never more.
//	*.torn-N, *.foreign-N      set aside, never deleted; a record says why.
//
// beside audit.key (the ed25519 key that signs, 0600) and audit.pub (for
// whoever verifies).
//
// A leaf of the tree is a record's line without its newline. Strings in
// records are in the form of [Escape]: a record is one line of printable text
// whatever a name or a command holds. A record is at most 64 KiB; a field
// that is too long keeps its beginning and the SHA-256 of the whole.
//
// # What is promised
//
// Must-record events are on disk before Append returns; one sync serves all
// who wait. Best-effort events are with the kernel when Append returns and on
// disk within 50 ms. When the log cannot be written, nothing is half written,
// everything is refused at once, and it goes on by itself when it can; a
// record then says for how long. The log's order is the number of a record;
// its time is only data.
//
// What the log cannot know: whoever controls the host and its key can write
// what they like from now on. Keep checkpoints elsewhere: they convict
// whoever rewrites what was written before.
//
// Start reading at [Open], then writer.go (the one goroutine that writes) and
// sync.go (the one that waits for the disk).
package audit
