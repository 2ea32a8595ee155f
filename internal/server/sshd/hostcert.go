package sshd

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"golang.org/x/crypto/ssh"
)

// maxCertificate bounds the certificate, which each key exchange has in it.
const maxCertificate = 2 << 10

// hostCertificate is what an authority says of the host key.
type hostCertificate struct {
	cert   *ssh.Certificate
	signer ssh.Signer
}

// Certify has the host key come with a certificate, as ssh-keygen -s -h makes it, in
// the place of the one before; without any data, with none. One that is not of this
// key, or not valid now, is refused, and nothing changes.
func (h *HostKey) Certify(data []byte, now time.Time) error {
	if len(data) == 0 {
		h.cert.Store(nil)
		return nil
	}
	key, _, options, rest, err := ssh.ParseAuthorizedKey(data)
	cert, is := key.(*ssh.Certificate)
	switch {
	case err != nil || !is || len(options) > 0 || len(bytes.TrimSpace(rest)) > 0:
		return errors.New("this is no certificate; make one with: ssh-keygen -s CA -h -I host -n NAMES ssh_host_ed25519_key.pub")
	case len(cert.Marshal()) > maxCertificate:
		return fmt.Errorf("the certificate has %d bytes, and %d are the most: give it fewer names, or sign with a key of ed25519", len(cert.Marshal()), maxCertificate)
	case cert.CertType != ssh.HostCert:
		return errors.New("the certificate is not one of a host; sign with: ssh-keygen -h")
	case !bytes.Equal(cert.Key.Marshal(), h.signer.PublicKey().Marshal()):
		return fmt.Errorf("the certificate is of the key %s, and the host key is %s", ssh.FingerprintSHA256(cert.Key), h.Fingerprint())
	case len(cert.CriticalOptions) > 0:
		return errors.New("the certificate has critical options, of which hosts have none")
	case !validAt(cert, now):
		return errors.New("the certificate is not valid now: " + validity(cert))
	}
	signer, err := ssh.NewCertSigner(cert, h.signer)
	if err != nil {
		return fmt.Errorf("the certificate cannot be used: %w", err)
	}
	h.cert.Store(&hostCertificate{cert, signer})
	return nil
}

// Authority is the key that has certified the host key, as in a .pub file, or "".
func (h *HostKey) Authority() string {
	c := h.cert.Load()
	if c == nil {
		return ""
	}
	return string(bytes.TrimSpace(ssh.MarshalAuthorizedKey(c.cert.SignatureKey)))
}

// Validity says from when to when the host key is certified, and by whom.
func (h *HostKey) Validity() string {
	c := h.cert.Load()
	if c == nil {
		return ""
	}
	return fmt.Sprintf("%s by %s", validity(c.cert), ssh.FingerprintSHA256(c.cert.SignatureKey))
}

// certified gives what proves the host with its certificate, if that is valid.
func (h *HostKey) certified(now time.Time) ssh.Signer {
	if c := h.cert.Load(); c != nil && validAt(c.cert, now) {
		return c.signer
	}
	return nil
}

func validAt(cert *ssh.Certificate, now time.Time) bool {
	at := uint64(max(now.Unix(), 0))
	return cert.ValidAfter <= at && (at < cert.ValidBefore || cert.ValidBefore == ssh.CertTimeInfinity)
}

func validity(cert *ssh.Certificate) string {
	if cert.ValidBefore == ssh.CertTimeInfinity {
		return "from " + moment(cert.ValidAfter) + " for ever"
	}
	return "from " + moment(cert.ValidAfter) + " until " + moment(cert.ValidBefore)
}

func moment(at uint64) string {
	return time.Unix(int64(min(at, 1<<40)), 0).UTC().Format(time.RFC3339)
}
