// Package proof tries whether a host keeps what muxward promises: whether the kernel has what
// promises rest on, whether a session comes into being through a door, and whether the ways
// past it are shut.
//
// It says how a host is; it does not say how one should be (hostfile), and mends nothing
// (hostconf). Start reading at [Proof], then kernel.go and doors.go.
package proof
