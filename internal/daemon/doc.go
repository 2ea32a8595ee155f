// Package daemon is where the parts of `muxward serve` meet, and the services behind its doors:
// revocations and lockdowns, what was left behind, the lists that the ssh door rests on, session
// profiles.
//
// It makes all parts, starts them in the order in which they depend on each other, and ends them in
// reverse (parts.go). It knows what the configuration asks for, and gives each part what that needs
// and no more. An act of muxward's own commands (acts.go) becomes a gateway.Act, which the line
// decides, writes and carries out like a tmux command: that says what is asked for, and what is done
// once it is permitted. The files named after acts make those, and what has to be minded as time goes
// by is beside them.
//
// It is not the command line: flags, help and what is printed are cmd/muxward's, which hands over
// a configuration. It is not the line either (package gateway), nor does it decide (package policy).
// What people give each other is package given's matter, what they ask each other for package requests',
// and who of them types package keyboard's: each is told what it needs in parts.go. With muxward-helper
// beside it nothing here has root's rights (separated.go).
//
// Start reading at [Serve], then parts.go from assemble on, then acts.go.
package daemon
