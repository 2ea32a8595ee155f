// Package identity says who somebody is: [Identity], and the only makers of
// one.
//
// An Identity exists only after proof at a door; one that is only supposed, to
// say what would be decided, is marked as such. It cannot be changed, and
// its zero value is nobody, to whom everything is denied. What a person may
// do is not here (internal/policy), nor is which groups they are in: that is
// asked anew at each decision, so that it can change while they are attached.
//
// Start reading at [Prover.FromPeer], for connections from this host, at
// [SSHProver.Install], for keys, certificates and passwords, and at [Tickets], for those whose keys
// an sshd of the host has proved.
package identity
