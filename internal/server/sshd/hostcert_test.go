package sshd

import (
	"crypto/rand"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
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
		"fewer names":         certificate(func(c *ssh.Certificate) { c.ValidPrincipals = names(200) }),
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

// names are so many of a host.
func names(n int) (out []string) {
	for i := range n {
		out = append(out, fmt.Sprintf("host-%03d.example.org", i))
	}
	return out
}

// TestExchangeIsSmallerThanProbe: with the largest certificate that is taken, all that is
// written for an exchange of keys is less than the probe behind it. Else the exchange could
// be taken for the probe, and with it what is held back for what is on its way.
func TestExchangeIsSmallerThanProbe(t *testing.T) {
	b := newBed(t, nil, 1)
	h, now := b.server.Key, time.Now()
	cert := &ssh.Certificate{Key: h.signer.PublicKey(), CertType: ssh.HostCert, ValidBefore: ssh.CertTimeInfinity}
	for n := 1; ; n++ {
		next := *cert
		next.ValidPrincipals = names(n)
		if err := next.SignCert(rand.Reader, newSigner(t)); err != nil {
			t.Fatal(err)
		}
		if h.Certify(ssh.MarshalAuthorizedKey(&next), now) != nil {
			break
		}
	}
	client := b.dial(newValve(false), ssh.Config{RekeyThreshold: 16 << 10, KeyExchanges: []string{ssh.KeyExchangeMLKEM768X25519}})
	c := b.conn()
	before, begun := c.nc.wrote.Load(), c.way.begun.Load()
	_, _, _ = client.SendRequest(keepalive, false, make([]byte, 20<<10)) // the next begins an exchange
	_, _, _ = client.SendRequest(keepalive, false, nil)                  // though it may itself be sent before
	tmuxtest.Eventually(t, func() bool { return c.way.begun.Load() != begun }, "an exchange begins")
	if _, _, err := client.SendRequest(keepalive, true, nil); err != nil { // it is answered behind that
		t.Fatal(err)
	}
	wrote := c.nc.wrote.Load() - before
	if c.way.begun.Load() == begun || wrote < maxCertificate {
		t.Fatalf("there was no exchange: %d bytes", wrote)
	}
	if wrote >= probeSize {
		t.Errorf("an exchange is %d bytes, and the probe %d", wrote, probeSize)
	}
}
