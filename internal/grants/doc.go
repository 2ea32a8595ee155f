// Package grants holds the moving part of the rights: what was given to whom
// while muxward ran, and what people are invited to ([Store]), what was taken from
// whom ([Denials]), whose turn it is to type ([Leases]), and their files on disk.
//
// It decides nothing (internal/policy, internal/gateway) and closes nobody's
// display (internal/gateway): it remembers. Start reading at [Grant],
// [Invite] and [Denial].
package grants
