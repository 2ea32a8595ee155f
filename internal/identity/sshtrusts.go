//go:build !teeth_certificates

package identity

import "golang.org/x/crypto/ssh"

// trusts gives what is wrong with a certificate.
//
// The build tag teeth_certificates takes every one that names a person, for the control
// runs of test/attack.
func (t *SSHKeys) trusts(_ *SSHProof, _ *ssh.Certificate, wrong error) error { return wrong }
