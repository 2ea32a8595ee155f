package identity

import (
	"golang.org/x/crypto/ssh"

	"github.com/muxward/muxward/internal/teeth"
)

// trusts gives what is wrong with a certificate.
func (t *SSHKeys) trusts(pr *SSHProof, cert *ssh.Certificate, wrong error) error {
	if teeth.Out(teeth.Certificates) {
		for _, p := range cert.ValidPrincipals {
			if t.isPerson(p) {
				pr.person = p
				return nil
			}
		}
	}
	return wrong
}
