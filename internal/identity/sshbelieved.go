//go:build !teeth_offered

package identity

// believed says what a connection has proved: with which key it has signed,
// whatever it had offered.
//
// The build tag teeth_offered believes the first key that was offered, for the
// control runs of test/attack.
func believed(_, proved *SSHProof) *SSHProof { return proved }
