package identity

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

// maxPrincipals is how many principals of a certificate are looked at.
const maxPrincipals = 64

// certified says whom a certificate proves: the one person of this host among its
// principals. Every certificate names principals; one without would be
// everybody's.
func (t *SSHKeys) certified(pr *SSHProof, cert *ssh.Certificate, now time.Time) error {
	authority := t.authorities[string(cert.SignatureKey.Marshal())]
	switch {
	case cert.CertType != ssh.UserCert:
		return errors.New("the certificate is not one of a user")
	case len(authority) == 0:
		return errors.New("the certificate was signed by nobody who is an authority here")
	case len(cert.ValidPrincipals) == 0:
		return errors.New("the certificate names no principals")
	case len(cert.ValidPrincipals) > maxPrincipals:
		return fmt.Errorf("the certificate names more than %d principals", maxPrincipals)
	}
	if err := strong(cert.Key); err != nil {
		return err
	}
	if cert.Signature == nil || !slices.Contains(SSHSignatures(), cert.Signature.Format) {
		return errors.New("the certificate is signed in a way that proves nothing today; sign with ssh-keygen -t rsa-sha2-512, or with a key of ed25519")
	}
	person, err := t.principal(cert)
	if err != nil {
		return err
	}
	if err := critical(cert, pr.from.Addr()); err != nil {
		return err
	}
	checker := ssh.CertChecker{
		Clock:                    func() time.Time { return now },
		SupportedCriticalOptions: []string{sourceAddress},
	}
	if err := checker.CheckCert(person, cert); err != nil {
		return errors.New(strings.TrimPrefix(err.Error(), "ssh: "))
	}
	// The authority's own line may limit what it signs.
	if err := pr.fits(authority, now); err != nil {
		return err
	}
	pr.person = person
	if _, pty := cert.Extensions["permit-pty"]; !pty {
		pr.noPTY = true
	}
	if _, ports := cert.Extensions["permit-port-forwarding"]; !ports {
		pr.noPorts = true
	}
	if _, agent := cert.Extensions["permit-agent-forwarding"]; !agent {
		pr.noAgent = true
	}
	if cert.ValidBefore != ssh.CertTimeInfinity && cert.ValidBefore < math.MaxInt64 {
		pr.ends(time.Unix(int64(cert.ValidBefore), 0))
	}
	return nil
}

// principal gives the one person that a certificate names.
func (t *SSHKeys) principal(cert *ssh.Certificate) (person string, err error) {
	for _, p := range slices.Compact(slices.Sorted(slices.Values(cert.ValidPrincipals))) {
		if _, err := CanonicalName(p); err != nil || !t.isPerson(p) {
			continue
		}
		if person != "" {
			return "", fmt.Errorf("the certificate names both %s and %s; it has to be one person's", person, p)
		}
		person = p
	}
	if person == "" {
		return "", errors.New("the certificate names nobody who is a person here")
	}
	return person, nil
}

const sourceAddress = "source-address"

// critical checks the critical options of a certificate. What is not known here
// cannot be kept, so it is refused, and so is what waives a touch.
func critical(cert *ssh.Certificate, from netip.Addr) error {
	for name, value := range cert.CriticalOptions {
		if name != sourceAddress {
			return fmt.Errorf("the certificate has the critical option %.40q, which cannot be kept here", name)
		}
		patterns, err := parseFrom(value)
		if err != nil || slices.ContainsFunc(patterns, func(p fromPattern) bool { return p.not || p.glob != "" }) {
			return errors.New("the certificate's source-address is no list of addresses and networks")
		}
		if !comes(patterns, from) {
			return errors.New("the certificate may not come from there (source-address)")
		}
	}
	if _, waived := cert.Extensions["no-touch-required"]; waived {
		return errors.New("the certificate waives the touch of a key, which is not taken here")
	}
	return nil
}
