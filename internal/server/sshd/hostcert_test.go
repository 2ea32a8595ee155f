package sshd

import (
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// A certificate of another key, of a user, or of another time is none of the host.
func TestHostCertificate(t *testing.T) {
	h, err := OpenHostKey(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	ca, now := newSigner(t), time.Unix(1_800_000_000, 0)
	certificate := func(change func(*ssh.Certificate)) []byte {
		t.Helper()
		c := &ssh.Certificate{Key: h.signer.PublicKey(), CertType: ssh.HostCert, KeyId: "host", ValidPrincipals: []string{"host.example.org"},
			ValidAfter: uint64(now.Unix()), ValidBefore: uint64(now.Add(time.Hour).Unix())}
		change(c)
		if err := c.SignCert(rand.Reader, ca); err != nil {
			t.Fatal(err)
		}
		return ssh.MarshalAuthorizedKey(c)
	}
	good := certificate(func(*ssh.Certificate) {})
	if err := h.Certify(good, now); err != nil || h.certified(now) == nil || h.Authority() == "" {
		t.Errorf("the host's is not taken: %v", err)
	}
	for why, data := range map[string][]byte{
		"no certificate":      []byte(h.Public()),
		"not one of a host":   certificate(func(c *ssh.Certificate) { c.CertType = ssh.UserCert }),
		"the host key is":     certificate(func(c *ssh.Certificate) { c.Key = ca.PublicKey() }),
		"critical options":    certificate(func(c *ssh.Certificate) { c.CriticalOptions = map[string]string{"x": ""} }),
		"not valid now: from": certificate(func(c *ssh.Certificate) { c.ValidAfter++ }),
	} {
		if err := h.Certify(data, now); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %v", why, err)
		}
	}
	if h.certified(now.Add(time.Hour)) != nil || h.certified(now) == nil {
		t.Error("it is offered at another time than it is valid")
	}
	if err := h.Certify(nil, now); err != nil || h.certified(now) != nil || h.Authority() != "" {
		t.Errorf("it is not taken back: %v", err)
	}
}
