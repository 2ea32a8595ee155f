package identity

import "github.com/muxward/muxward/internal/teeth"

// believed says what a connection has proved: with which key it has signed,
// whatever it had offered.
func believed(offered, proved *SSHProof) *SSHProof {
	if teeth.Out(teeth.Offered) {
		return offered
	}
	return proved
}
